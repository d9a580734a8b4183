//! Exports hold everything that matches, and nothing that a spreadsheet would run.

use std::time::Duration;

use holdfast::store::operators::tokens::Role;
use reqwest::header::{AUTHORIZATION, COOKIE};
use serde_json::Value;

use crate::letters::{Letter, operator};
use crate::support::browser::Browser;
use crate::support::eventually;
use crate::support::processes::{self, Process};
use crate::support::world::World;

async fn holdfast(world: &World, arguments: &[&str]) -> String {
    let output = processes::holdfast(world.desk().await, &[&["dead-letters"], arguments].concat()).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn an_export_has_every_letter_once() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    let fill = "INSERT INTO dead_letters (id, message_id, queue, message_type, error_class, error_text, attempts, body,
                                          headers, last_died_at)
                SELECT gen_random_uuid(), n::text, CASE WHEN n % 2 = 0 THEN 'order.hold' ELSE 'order.cancel' END, 'x',
                       'panic', 'one, two \"three\"' || chr(10) || 'four', 1, '{}', '{}', now() - (n / 7) * interval '1 s'
                  FROM generate_series(1, 1234) AS n";
    world.execute(fill).await;
    let lines = olga.get("/v1/ops/dead-letters/export?queue=order.hold&format=jsonl").await.body;
    let lines: Vec<Value> = lines.as_str().unwrap().lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lines.len(), 617);
    assert_eq!((&lines[0]["queue"], &lines[0]["body"]), (&"order.hold".into(), &"{}".into()));

    let answer = olga.get("/v1/ops/dead-letters/export?format=csv").await;
    let disposition = answer.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"dead-letters.csv\"");
    let by_http = answer.body.as_str().unwrap().to_owned();
    let by_command = holdfast(&world, &["export", "--format", "csv"]).await;
    for text in [by_http, by_command] {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut ids: Vec<String> = reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
        assert_eq!(ids.len(), 1_234);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1_234);
    }
    let counted = holdfast(&world, &["groups"]).await;
    assert!(counted.ends_with("1234 dead letters in 2 groups\n"), "{counted}");
    world.finish().await;
}

#[tokio::test]
async fn an_export_breaks_off_when_the_token_or_session_that_asked_for_it_is_gone() {
    let world = World::told(&[("HOLDFAST_TOKEN_REMEMBERED_SECONDS", "1")]).await;
    let (_api, shop) = Process::api(&world).await;
    // More than is sent to somebody who does not read.
    let fill = "INSERT INTO dead_letters (id, message_id, queue, message_type, error_class, error_text, attempts, body,
                                          headers)
                SELECT gen_random_uuid(), n::text, 'order.hold', 'x', 'panic', 'x', 1,
                       convert_to(repeat('x', 30000), 'UTF8'), '{}'
                  FROM generate_series(1, 2000) AS n";
    world.execute(fill).await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for by_session in [false, true] {
        let token = world.token(Role::Viewer, None).await;
        let mut credential = (AUTHORIZATION, format!("Bearer {token}"));
        if by_session {
            credential = (COOKIE, Browser::at(&shop.base).sign_in(&token).await);
        }
        // A busy machine may keep the database from answering in time.
        let mut export = eventually("the export begins", async || {
            let request = http.get(format!("{}/v1/ops/dead-letters/export", shop.base));
            let export = request.header(credential.0.clone(), &credential.1).send().await.unwrap();
            (export.status() != 503).then_some(export)
        })
        .await;
        assert_eq!(export.status(), 200);
        assert!(export.chunk().await.unwrap().is_some());
        world.execute("UPDATE tokens SET revoked_at = now() WHERE role = 'viewer'").await;
        // Until then the token may be taken without asking.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let end = loop {
            match export.chunk().await {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        assert!(end.is_err(), "the whole export was told, by session: {by_session}");
    }
    world.finish().await;
}

#[tokio::test]
async fn no_cell_of_a_spreadsheet_is_a_formula() {
    let world = World::idle().await;
    let olga = operator(&world).await;
    let formulas = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "harmless = 1"];
    for formula in formulas {
        let letter = Letter { error: formula.to_owned(), body: formula.into(), ..Letter::default() };
        letter.put(&world).await;
    }
    let text = olga.get("/v1/ops/dead-letters/export?format=csv").await.body;
    let mut reader = csv::Reader::from_reader(text.as_str().unwrap().as_bytes());
    let names = reader.headers().unwrap().clone();
    let place = |name: &str| names.iter().position(|other| other == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), formulas.len());
    for record in records {
        for cell in &record {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{record:?}");
        }
        let (error, body) = (&record[place("error_text")], &record[place("body")]);
        assert_eq!(error, body);
        assert!(formulas.contains(&error.strip_prefix('\'').unwrap_or(error)), "{error:?}");
    }
    world.finish().await;
}
