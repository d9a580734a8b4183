//! Tokens are made by admins, shown once, and revoked; all of it is in the audit log.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use holdfast::store::operators::tokens::Role;

use crate::support::client::{Answer, Client};
use crate::support::processes::HOLDFAST;
use crate::support::world::World;

async fn admin(world: &World) -> Client {
    let shop = world.start_api().await;
    Client::new(&shop.base, &world.token(Role::Admin, None).await)
}

async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    client.send(client.request(Method::POST, path).json(body)).await
}

#[tokio::test]
async fn a_token_that_an_admin_makes_works_until_it_is_revoked() {
    let world = World::idle().await;
    let admin = admin(&world).await;
    let made = post(&admin, "/v1/ops/tokens", &json!({"name": "olga", "role": "operator"})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let olga = Client::new(&admin.base, made.text("token"));
    assert_eq!(olga.get("/v1/ops/actions").await.status, 200);

    let again = post(&admin, "/v1/ops/tokens", &json!({"name": "olga", "role": "viewer"})).await;
    assert_eq!(again.status, 422, "{again:?}");
    let listed = admin.get("/v1/ops/tokens").await;
    assert!(!listed.body.to_string().contains(made.text("token")), "{listed:?}");

    assert_eq!(post(&admin, "/v1/ops/tokens/olga/revoke", &json!({})).await.status, 204);
    assert_eq!(post(&admin, "/v1/ops/tokens/olga/revoke", &json!({})).await.status, 404);
    let log = admin.get("/v1/ops/actions?subject_kind=token&subject_id=olga").await;
    let acts: Vec<&str> =
        log.body["actions"].as_array().unwrap().iter().map(|act| act["action"].as_str().unwrap()).collect();
    assert_eq!(acts, ["token.revoke", "token.create"]);
    // The process remembers a token for a minute; a new one does not know it.
    let fresh = Client::new(&world.start_api().await.base, made.text("token"));
    assert_eq!(fresh.get("/v1/ops/actions").await.status, 401);
    world.finish().await;
}

#[tokio::test]
async fn the_command_line_makes_lists_and_revokes_tokens() {
    let world = World::idle().await;
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(&*HOLDFAST);
        command.arg("token").args(arguments).env("DATABASE_URL", &world.database_url);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (made, token) =
        run(&["create", "--role", "viewer", "--name", "vera\u{1b}[31m", "--actor", "boss"]).await;
    assert!(!made && token.is_empty(), "a name that would colour a terminal");
    assert!(run(&["create", "--role", "viewer", "--name", "vera", "--actor", "boss"]).await.0);
    let (_, listed) = run(&["list", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["name"], &listed["role"]), (&json!("vera"), &json!("viewer")));
    assert!(run(&["revoke", "--name", "vera", "--actor", "boss"]).await.0);
    assert!(!run(&["revoke", "--name", "vera", "--actor", "boss"]).await.0);
    assert_eq!(run(&["list"]).await.1, "");
    assert!(run(&["list", "--revoked"]).await.1.contains("revoked"));
    assert_eq!(world.count("SELECT count(*) FROM operator_actions WHERE actor = 'boss'").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn nobody_changes_the_audit_log() {
    let world = World::idle().await;
    world.execute("INSERT INTO operator_actions (actor, action, subject_kind, subject_id) VALUES ('a', 'b', 'c', 'd')").await;
    for sql in [
        "UPDATE operator_actions SET actor = 'x'",
        "DELETE FROM operator_actions",
        "TRUNCATE operator_actions",
    ] {
        assert!(sqlx::query(sql).execute(&world.pool).await.is_err(), "{sql}");
    }
    world.finish().await;
}

#[tokio::test]
async fn queries_that_fit_no_list_are_refused_by_every_list() {
    let world = World::idle().await;
    let admin = admin(&world).await;
    for list in ["actions", "dead-letters", "dead-letters/groups", "orders", "replays", "stock"] {
        for query in ["misspelt=1", "misspelt=1&misspelt=2"] {
            let answer = admin.get(&format!("/v1/ops/{list}?{query}")).await;
            assert_eq!((answer.status, answer.problem()), (422, "unprocessable"), "{list} {query}");
        }
    }
    assert_eq!(admin.get("/v1/ops/actions?before_id=").await.status, 422);
    world.finish().await;
}
