//! The console's pages of dead letters: they work as plain forms, and no text of a stranger is markup.

use holdfast_workers::pools::Pool;
use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};

use crate::letters::{Letter, operator};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::world::World;

struct Browser {
    http: reqwest::Client,
    olga: Client,
}

impl Browser {
    async fn of(world: &World) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { http, olga: operator(world).await }
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.send(Method::GET, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let request = self.http.request(method.clone(), format!("{}{path}", self.olga.base));
        let request = request.bearer_auth(&self.olga.token);
        let request = if method == Method::POST { request.form(form) } else { request };
        request.send().await.unwrap()
    }

    /// Sends a form and returns where it leads.
    async fn submit(&self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.send(Method::POST, path, form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{form:?}: {}", answer.text().await.unwrap());
        answer.headers()[LOCATION].to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn no_text_of_a_stranger_is_markup() {
    let world = World::idle().await;
    let browser = Browser::of(&world).await;
    let payloads = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</textarea></pre><iframe src=javascript:alert(1)>",
        "{{ 7 * 7 }}<b>alert(1)</b>",
    ];
    for payload in payloads {
        let letter = Letter { error: payload.to_owned(), body: payload.into(), ..Letter::default() };
        let id = letter.put(&world).await;
        sqlx::query("UPDATE dead_letters SET queue = $1, message_type = $1, error_class = $1, message_id = $1, customer_id = $1, skus = ARRAY[$1], headers = jsonb_build_object($1::text, $1::text)")
            .bind(payload)
            .execute(&world.pool)
            .await
            .unwrap();
        let query = format!("text={}", urlencoded(payload));
        for path in [
            "/ops/dead-letters".to_owned(),
            format!("/ops/dead-letters?{query}"),
            format!("/ops/dead-letters/{id}"),
        ] {
            let html = browser.page(&path).await;
            assert!(html.contains("alert(1)"), "{path}");
            for markup in ["<script>alert", "<img src=x", "<svg/", "<iframe", "<b>alert", "onerror=alert(1)>"]
            {
                assert!(!html.contains(markup), "{path}: {markup} in {html}");
            }
        }
        let form = [("button", "replay-all"), ("filter", query.as_str()), ("reason", payload)];
        let html = browser.send(Method::POST, "/ops/dead-letters", &form).await.text().await.unwrap();
        assert!(html.contains("alert(1)") && !html.contains(payload), "{html}");
        sqlx::query("DELETE FROM dead_letters").execute(&world.pool).await.unwrap();
    }
    world.finish().await;
}

fn urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn everything_is_done_by_plain_forms() {
    let world = World::idle().await;
    world.start_workers(Pool::Replays);
    let browser = Browser::of(&world).await;
    let first = Letter::default().put(&world).await;
    for _ in 0..2 {
        Letter { queue: "order.extend", ..Letter::default() }.put(&world).await;
    }
    let act = "/ops/dead-letters";
    let list = browser.page("/ops/dead-letters").await;
    assert!(
        list.contains("?queue=order.extend&#38;error_class=gave_up&#38;message_type=order.extend"),
        "{list}"
    );

    // Of all that match, only once it is said how many they are.
    let all = [("button", "discard-all"), ("filter", "queue=order.extend"), ("reason", "a test")];
    let asked = browser.send(Method::POST, act, &all).await.text().await.unwrap();
    assert!(asked.contains("Discard 2 dead letters?"), "{asked}");
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE status = 'open'").await, 3);
    let confirmed = [&all[..], &[("is_confirmed", "true")]].concat();
    assert_eq!(browser.submit(act, &confirmed).await, "/ops/dead-letters?queue=order.extend");
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE status = 'discarded'").await, 2);

    let nothing = [("button", "replay"), ("filter", "")];
    assert_eq!(browser.submit(act, &nothing).await, "/ops/dead-letters?");
    let to = browser.submit(act, &[("button", "replay"), ("filter", ""), ("id", &first)]).await;
    eventually("the page says that it is done", async || {
        browser.page(&to).await.contains("1 of 1").then_some(())
    })
    .await;
    assert!(browser.page("/ops/replays").await.contains(&to));
    let detail = browser.page(&format!("/ops/dead-letters/{first}")).await;
    assert!(detail.contains("dead_letter.replay") && detail.contains(&to), "{detail}");
    let late = browser.send(Method::POST, &format!("{to}/cancel"), &[]).await;
    assert_eq!(late.status(), StatusCode::CONFLICT);

    let restored = [("button", "restore-all"), ("filter", "status=discarded"), ("is_confirmed", "true")];
    browser.submit(act, &restored).await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE status = 'open'").await, 2);
    world.finish().await;
}
