//! What strangers wrote is shown, never obeyed: fifty texts in every place that takes text from outside.

use serde_json::{Value, json};
use uuid::Uuid;

use holdfast::store::operators::tokens::Role;

use super::payloads::PAYLOADS;
use crate::browser::Browser;
use crate::support::world::World;

/// What no page of ours has in it: elements and attributes that only a text taken for HTML would bring.
const FOREIGN: &str = "return document.querySelectorAll(
    'main script, main img, main iframe, main object, main embed, main video, main audio, main style, main link, main math, \
     main template, main base, main meta, main marquee, main svg:not(.chart), main input[onfocus], main [onerror], \
     main [onload], main [onclick], main [onmouseover], main [hx-on\\\\:htmx\\\\:load], base, main a[href^=java]'
).length";

/// Sets dead letters aside whose every text is one of the fifty. Returns their ids.
async fn dead_letters(world: &World) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for payload in PAYLOADS {
        let id = Uuid::now_v7();
        let body = json!({"version": 1, "customer_id": payload, "text": payload}).to_string();
        let body = if ids.len() % 2 == 0 { body.into_bytes() } else { payload.as_bytes().to_vec() };
        let sql = "INSERT INTO dead_letters (id, message_id, queue, message_type, error_class, error_text, attempts, body, headers)
                   VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)";
        sqlx::query(sql)
            .bind(id)
            .bind(format!("{}{payload}", ids.len()))
            .bind("order.hold")
            .bind(payload)
            .bind(payload)
            .bind(payload)
            .bind(body)
            .bind(json!({"traceparent": payload, payload: payload}))
            .execute(&world.pool)
            .await
            .unwrap();
        ids.push(id);
    }
    ids
}

/// Writes the fifty where operators and shops write.
async fn other_texts(world: &World) {
    for payload in PAYLOADS {
        let action =
            "INSERT INTO operator_actions (actor, action, subject_kind, subject_id, before, after, reason)
                      VALUES ($1, $1, 'order', $1, to_jsonb($1::text), to_jsonb($1::text), $1)";
        sqlx::query(action).bind(payload).execute(&world.pool).await.unwrap();
        let pause = "INSERT INTO tokens (id, name, role, token_hash) VALUES ($1, $2, 'viewer', sha256($3))";
        let bytes = payload.as_bytes();
        sqlx::query(pause).bind(Uuid::now_v7()).bind(payload).bind(bytes).execute(&world.pool).await.unwrap();
    }
}

async fn look(browser: &Browser, path: &str, payload: Option<&str>) {
    browser.open(path).await;
    let owned = browser.run("return typeof owned", vec![]).await;
    assert_eq!(owned, json!("undefined"), "a text at {path} ran as a script");
    assert_eq!(browser.run(FOREIGN, vec![]).await, json!(0), "a text at {path} became a part of the page");
    assert!(browser.client.get_alert_text().await.is_err(), "a text at {path} opened a dialog");
    if let Some(payload) = payload {
        // Texts are compared without what is invisible.
        let shown: Value = browser.run("return document.body.textContent", vec![]).await;
        let plain = |text: &str| text.chars().filter(|c| c.is_ascii_graphic()).collect::<String>();
        let is_there = plain(shown.as_str().unwrap()).contains(&plain(payload));
        assert!(is_there, "{path} does not show {payload}");
    }
}

#[tokio::test]
async fn fifty_hostile_texts_are_shown_and_never_obeyed() {
    let world = World::idle().await;
    let base = world.start_api().await.base;
    let letters = dead_letters(&world).await;
    other_texts(&world).await;
    let browser = Browser::start(&base).await;
    browser.sign_in(&world.token(Role::Admin, None).await).await;

    for path in ["/ops/dead-letters", "/ops/actions", "/ops/tokens", "/ops"] {
        look(&browser, path, None).await;
    }
    for (id, payload) in letters.iter().zip(PAYLOADS) {
        look(&browser, &format!("/ops/dead-letters/{id}"), Some(payload)).await;
    }
    for payload in PAYLOADS {
        let mut address = reqwest::Url::parse("http://localhost/ops/actions").unwrap();
        address.query_pairs_mut().append_pair("actor", payload).append_pair("subject_id", payload);
        look(&browser, &format!("/ops/actions?{}", address.query().unwrap()), None).await;
    }
    world.finish().await;
}
