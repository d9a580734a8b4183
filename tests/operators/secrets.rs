//! What programs log: a trace to find, and no secret, whatever is wrong with their servers.

use std::collections::BTreeMap;
use std::process::Command;

use reqwest::Method;
use serde_json::Value;

use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::{HOLDFAST, Process};
use crate::support::world::World;

/// Every secret of this test holds this word.
const HUSH: &str = "hush";

/// A URL with a password of ours, however wrong it is for its server.
fn with_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://somebody:{HUSH}-password@{host}")
}

/// Servers that refuse, that are not there, and that are no servers at all.
fn troubles(world: &World) -> Vec<(String, String)> {
    let nowhere = |scheme: &str| format!("{scheme}://somebody:{HUSH}-password@127.0.0.1:1/holdfast");
    let nonsense = |scheme: &str| format!("{scheme}://somebody:{HUSH}-password@[127.0.0.1/holdfast");
    vec![
        (with_password(&world.database_url), with_password(&world.amqp_url)),
        (nowhere("postgres"), nowhere("amqp")),
        (world.database_url.clone(), nonsense("amqp")),
        (nonsense("postgres"), world.amqp_url.clone()),
    ]
}

async fn world_with_secrets() -> World {
    let mut world = World::idle().await;
    world.environment = [
        ("RUST_LOG", "debug".to_owned()),
        ("HOLDFAST_TOSS_SECRET_KEY", format!("live_sk_{HUSH}")),
        ("HOLDFAST_TOSS_URL", "http://127.0.0.1:1".to_owned()),
        ("HOLDFAST_MAIL_URL", format!("smtp://somebody:{HUSH}-password@127.0.0.1:1")),
        ("HOLDFAST_MAIL_FROM", "shop@example.com".to_owned()),
        ("HOLDFAST_DATA_PLATFORM_URL", "http://127.0.0.1:1/".to_owned()),
        // "hush-hush-hush-hush-hush-hush-hu" in Base64, which does not hold the word.
        ("HOLDFAST_DATA_PLATFORM_SECRET", "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2gtaHU=".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    world
}

fn assert_hushed(name: &str, log: &str) {
    for secret in [HUSH, "aHVzaC1odXNo"] {
        let told: Vec<_> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{name} tells {secret}: {told:#?}");
    }
}

#[tokio::test]
async fn no_program_logs_a_secret_however_its_servers_fail() {
    let mut world = world_with_secrets().await;
    let good = (world.database_url.clone(), world.amqp_url.clone());
    for (database_url, amqp_url) in troubles(&world) {
        (world.database_url, world.amqp_url) = (database_url, amqp_url);
        let mut api = Process::unready_api(&world);
        let mut workers = Process::worker(&world, "");
        eventually("the programs have met their servers", async || {
            let met = |process: &mut Process| {
                let log = process.log();
                process.has_ended() || log.contains("cannot open a publishing channel yet") || {
                    log.contains("publishing channel open") && log.contains("cannot")
                }
            };
            (met(&mut api) && met(&mut workers)).then_some(())
        })
        .await;
        if !api.has_ended() {
            let address = api.until_logged("listening on http://").await;
            let client = Client::new(&format!("http://{address}"), &format!("hf_{HUSH}-token"));
            for path in ["/v1/orders", "/readyz", "/v1/nowhere"] {
                let answer = client.get(&format!("{path}?token={HUSH}")).await;
                assert!(!answer.body.to_string().contains(HUSH), "{answer:?}");
            }
        }
        assert_hushed("the API", &api.log());
        assert_hushed("the workers", &workers.log());
        for arguments in [&["migrate"][..], &["topology", "declare"], &["audit"], &["dead-letters", "list"]] {
            let mut command = Command::new(&*HOLDFAST);
            command.args(arguments).env("RUST_LOG", "debug");
            command.env("DATABASE_URL", &world.database_url).env("AMQP_URL", &world.amqp_url);
            command
                .env("HOLDFAST_URL", "http://127.0.0.1:1")
                .env("HOLDFAST_TOKEN", format!("hf_{HUSH}-token"));
            let done =
                command.env("HOLDFAST_BOOTSTRAP_SHOP_TOKEN", format!("{HUSH}-token")).output().unwrap();
            assert_hushed(&format!("{arguments:?}"), &String::from_utf8_lossy(&done.stderr));
            assert_hushed(&format!("{arguments:?}"), &String::from_utf8_lossy(&done.stdout));
        }
    }
    (world.database_url, world.amqp_url) = good;
    world.finish().await;
}

#[tokio::test]
async fn lines_for_machines_have_stable_fields_and_the_trace_of_their_request() {
    let mut world = World::idle().await;
    world.environment = vec![("HOLDFAST_LOG_FORMAT".to_owned(), "json".to_owned())];
    let good = world.database_url.clone();
    world.database_url = "postgres://somebody@127.0.0.1:1/holdfast".to_owned();
    let api = Process::unready_api(&world);
    let address = api.until_logged("listening on http://").await;
    let address = address.split('"').next().unwrap();
    let client = Client::new(&format!("http://{address}"), "nobody");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = client.request(Method::GET, "/v1/skus/mug").header("traceparent", parent);
    assert_eq!(client.send(request).await.status, 503);
    api.until_logged("4bf92f3577b34da6a3ce929d0e0e4736").await;

    let mut in_trace = 0;
    for line in api.log().lines() {
        let line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["timestamp", "level", "fields", "target"] {
            assert!(line.contains_key(field), "no {field} in {line:?}");
        }
        assert!(line["fields"]["message"].is_string(), "{line:?}");
        let Some(span) = line.get("span") else { continue };
        assert_eq!(span["name"], "request");
        assert_eq!(span["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span["http.route"], "/v1/skus/{sku}");
        in_trace += 1;
    }
    assert!(in_trace > 0, "{}", api.log());
    drop(api);
    world.database_url = good;
    world.finish().await;
}
