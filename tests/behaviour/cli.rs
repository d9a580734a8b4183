//! The program `holdfast` as an operator types it.

use std::process::{Command, Output, Stdio};

use holdfast::store::audit::TRUTHS;
use serde_json::Value;
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::{self, Process};
use crate::support::world::World;

/// What a run of the program came to.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `holdfast` with these arguments against the servers of a world, and nothing else of the environment.
async fn holdfast(world: &World, arguments: &[&str]) -> Run {
    holdfast_on(&world.database_url, &world.amqp_url, arguments).await
}

async fn holdfast_on(database_url: &str, amqp_url: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", database_url)
        .env("AMQP_URL", amqp_url)
        .env("USER", "olga");
    command.stdin(Stdio::null());
    // The program waits for servers in this process, so it must not block it.
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), out: text(stdout), err: text(stderr) }
}

#[tokio::test]
async fn the_audit_prints_a_line_per_truth_and_fails_when_one_is_broken() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    shop.place("mug", 1, 60).await;
    let healthy = holdfast(&world, &["audit"]).await;
    assert_eq!(healthy.code, Some(0), "{healthy:?}");
    let truths: Vec<String> = TRUTHS.iter().map(|truth| format!("ok    {}", truth.name)).collect();
    assert_eq!(healthy.out.lines().collect::<Vec<_>>(), truths);

    world.execute("UPDATE stock SET reserved = reserved + 1").await;
    let broken = holdfast(&world, &["audit"]).await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    let failed: Vec<&str> = broken.out.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert_eq!(failed, ["FAIL  reserved_is_the_sum_of_live_holds: 1 rows, such as sku 1"]);
    assert_eq!(broken.out.lines().count(), TRUTHS.len());
    world.execute("UPDATE stock SET reserved = reserved - 1").await;
    world.finish().await;
}

#[tokio::test]
async fn a_command_whose_reader_has_gone_ends_without_a_word() {
    let world = World::idle().await;
    let deaf = [
        "openapi",
        "asyncapi",
        "topology show",
        "audit",
        "token create --role shop --name till",
        "token list",
    ];
    for words in deaf {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.args(words.split(' ')).env_clear().env("DATABASE_URL", &world.database_url);
        command.stdin(Stdio::null()).stdout(writer);
        let run = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        // As a program that the signal of a broken pipe ends.
        assert_eq!(
            (run.status.code(), String::from_utf8(run.stderr).unwrap()),
            (Some(141), String::new()),
            "{words}"
        );
    }
    assert_eq!(
        world.count("SELECT count(*) FROM tokens WHERE name = 'till'").await,
        1,
        "what is done is done"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_token_is_made_once_replaced_on_demand_and_revoked() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let create = ["token", "create", "--role", "shop", "--name", "front end"];
    let first = holdfast(&world, &create).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let token = first.out.trim().to_owned();
    let works = async |client: &Client, token: &str| client.with_token(token).get("/v1/wallet").await.status;
    assert_eq!(works(&shop, &token).await, 200);

    let again = holdfast(&world, &create).await;
    assert_eq!((again.code, again.out.as_str()), (Some(1), ""), "{again:?}");
    assert!(again.err.contains("--replace"), "{again:?}");
    let replaced = holdfast(&world, &[&create[..], &["--replace"]].concat()).await;
    assert_eq!(replaced.code, Some(0), "{replaced:?}");
    // A process that has not seen the old token knows the new one only.
    let fresh = world.start_api().await;
    assert_eq!((works(&fresh, &token).await, works(&fresh, replaced.out.trim()).await), (401, 200));

    let revoke = ["token", "revoke", "--name", "front end"];
    assert_eq!(holdfast(&world, &revoke).await.code, Some(0));
    assert_eq!(works(&world.start_api().await, replaced.out.trim()).await, 401);
    assert_eq!(holdfast(&world, &revoke).await.code, Some(1), "nothing is left to revoke");
    assert!(!first.err.contains(&token), "a token must not get into the log");
    world.finish().await;
}

#[tokio::test]
async fn a_customers_token_names_its_customer_and_no_other_does() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let create = ["token", "create", "--name", "one"];
    let with = |more: &[&'static str]| [&create[..], more].concat();
    for bad in [
        with(&["--role", "customer"]),
        with(&["--role", "shop", "--customer", "alice"]),
        with(&["--role", "king"]),
        with(&["--role", "customer", "--customer", "a b"]),
    ] {
        let refused = holdfast(&world, &bad).await;
        assert!(refused.code.is_some_and(|code| code != 0) && refused.out.is_empty(), "{bad:?} {refused:?}");
    }
    let made = holdfast(&world, &with(&["--role", "customer", "--customer", "alice"])).await;
    let alice = shop.with_token(made.out.trim());
    assert_eq!(
        (alice.get("/v1/wallet").await.status, alice.as_customer("bob").get("/v1/wallet").await.status),
        (200, 403)
    );
    world.finish().await;
}

#[tokio::test]
async fn migrating_an_empty_database_and_migrating_it_again_is_harmless() {
    let world = World::idle().await;
    let name = format!("{}_empty", world.vhost);
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&world.pool).await.unwrap();
    let url = world.database_url.replace(&world.vhost, &name);
    let token = ["migrate", "--bootstrap-shop-token", "a-token-of-the-shop"];
    for arguments in [&token[..], &token, &["migrate"]] {
        let run = holdfast_on(&url, &world.amqp_url, arguments).await;
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    let audit = holdfast_on(&url, &world.amqp_url, &["audit"]).await;
    assert_eq!(audit.code, Some(0), "{audit:?}");
    // The token was made once, and is the live one of its name.
    let again = holdfast_on(&url, &world.amqp_url, &["token", "revoke", "--name", "bootstrap-shop"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let short = holdfast_on(&url, &world.amqp_url, &["migrate", "--bootstrap-shop-token", "short"]).await;
    assert_eq!(short.code, Some(1), "{short:?}");
    world.finish().await;
}

#[tokio::test]
async fn the_topology_is_declared_again_without_harm_and_shown_as_a_file() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.place_async("key-1", "mug", 1, 60).await;
    let declared = holdfast(&world, &["topology", "declare"]).await;
    assert_eq!((declared.code, world.depth("order.hold").await), (Some(0), 1), "{declared:?}");
    let shown = holdfast(&world, &["topology", "show"]).await;
    assert_eq!(shown.out.parse::<Value>().unwrap(), world.topology.definitions());
    let openapi = holdfast(&world, &["openapi"]).await;
    assert_eq!(openapi.out.parse::<Value>().unwrap(), shop.get("/openapi.json").await.body);
    world.finish().await;
}

#[tokio::test]
async fn the_health_check_fails_where_nothing_is_ready() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let address = shop.base.trim_start_matches("http://").to_owned();
    assert_eq!(holdfast(&world, &["healthcheck", &address]).await.code, Some(0));
    world.execute("ALTER TABLE _sqlx_migrations RENAME TO hidden").await;
    // What a look finds counts for a second.
    let unready = eventually("it is not ready", async || {
        Some(holdfast(&world, &["healthcheck", &address]).await).filter(|answer| answer.code == Some(1))
    })
    .await;
    assert!(unready.err.contains("\"database\":false"), "{unready:?}");
    // Port 1 of this machine belongs to nobody.
    assert_eq!(holdfast(&world, &["healthcheck", "127.0.0.1:1"]).await.code, Some(1));
    world.finish().await;
}

#[tokio::test]
async fn an_empty_table_of_dead_letters_is_listed_and_an_unknown_one_is_an_error() {
    let world = World::idle().await;
    let dead_letters = async |arguments: &[&str]| {
        let run = processes::holdfast(world.desk().await, &[&["dead-letters"], arguments].concat()).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: run.status.code(), out: text(run.stdout), err: text(run.stderr) }
    };
    let list = dead_letters(&["list"]).await;
    assert_eq!((list.code, list.out.lines().last()), (Some(0), Some("0 dead letters")), "{list:?}");
    let list = dead_letters(&["list", "--json", "--status", "discarded", "--queue", "order.hold"]).await;
    assert_eq!((list.code, list.out.as_str()), (Some(0), ""), "{list:?}");

    let unknown = Uuid::now_v7().to_string();
    for arguments in
        [&["show", &unknown][..], &["replay", &unknown], &["discard", "--reason", "test", &unknown]]
    {
        let run = dead_letters(arguments).await;
        assert_eq!((run.code, run.out.as_str()), (Some(1), ""), "{run:?}");
        assert!(run.err.contains("no such dead letter"), "{run:?}");
    }
    // Words that are no ids or leave something out are told from what is not there.
    for arguments in [&["show", "42"][..], &["replay"], &["discard", &unknown], &["list", "--limit", "0"]] {
        assert_eq!(dead_letters(arguments).await.code, Some(2), "{arguments:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn an_api_that_takes_unsigned_webhooks_says_so_when_it_starts() {
    let mut world = World::idle().await;
    let warning = "unsigned webhooks are taken";
    let with = async |world: &mut World, name: &str, value: &str| {
        world.environment.push((name.to_owned(), value.to_owned()));
        Process::api(world).await.0.log()
    };
    assert!(!Process::api(&world).await.0.log().contains(warning), "there is no gateway");
    assert!(with(&mut world, "HOLDFAST_TOSS_SECRET_KEY", "test_sk_1").await.contains(warning));
    let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    assert!(!with(&mut world, "HOLDFAST_WEBHOOK_SECRETS", secret).await.contains(warning));
    world.finish().await;
}
