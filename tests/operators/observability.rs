//! Metrics: the catalogue, what the code counts, what the programs export, and what dashboard and alerts ask for are one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use holdfast::store::events::cursors::Cursor;
use holdfast::telemetry::catalogue::{CATALOGUE, Metric, MetricKind};
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlLoader};

use crate::promql;
use crate::support::eventually;
use crate::support::processes::Process;
use crate::support::world::World;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn metric(name: &str) -> &'static Metric {
    CATALOGUE.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is not listed"))
}

/// The labels that an expression's result has, if it names only what there is.
fn checked(expression: &str) -> BTreeSet<String> {
    let named = promql::read(expression);
    let mut known = BTreeSet::new();
    let mut selected = BTreeSet::new();
    for (series, labels) in &named.selectors {
        let there = promql::labels_of(series);
        for label in labels {
            assert!(there.contains(&label.as_str()), "{series} has no {label}: {expression}");
            selected.insert(label.clone());
        }
        known.extend(there);
    }
    for label in &named.groups {
        assert!(known.contains(label.as_str()), "nothing has {label}: {expression}");
    }
    named.groups.into_iter().chain(selected).collect()
}

/// The labels that a text takes over, written as `{{name}}` or `{{ $labels.name }}`.
fn taken_over(text: &str) -> Vec<String> {
    text.split("{{")
        .skip(1)
        .map(|part| part.split("}}").next().unwrap().trim())
        .filter(|part| !part.starts_with("$value"))
        .map(|part| part.trim_start_matches("$labels.").to_owned())
        .collect()
}

#[test]
fn alerts_name_what_is_exported_and_tell_what_it_means_and_what_to_do() {
    let rules = YamlLoader::load_from_str(&file("observability/prometheus/alerts.yml")).unwrap();
    let mut names = BTreeSet::new();
    for group in rules[0]["groups"].as_vec().unwrap() {
        for rule in group["rules"].as_vec().unwrap() {
            let text = |value: &Yaml| value.as_str().unwrap_or_else(|| panic!("{rule:?}")).to_owned();
            let name = text(&rule["alert"]);
            assert!(name.starts_with("Holdfast") && names.insert(name.clone()), "{name}");
            let labels = checked(&text(&rule["expr"]));
            assert!(["warning", "critical"].contains(&text(&rule["labels"]["severity"]).as_str()), "{name}");
            assert!(text(&rule["for"]).ends_with('m'), "{name}");
            for field in ["summary", "description", "runbook"] {
                let written = text(&rule["annotations"][field]);
                assert!(written.len() > 20, "{name} has no {field}");
                for label in taken_over(&written) {
                    assert!(labels.contains(&label), "{name}: its {field} takes over {label}");
                }
                for word in written.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
                    assert!(!word.starts_with("holdfast_") || metric(word).help.len() > 1, "{name}: {word}");
                }
            }
        }
    }
    assert!(names.len() >= 20, "{names:?}");
}

#[test]
fn the_dashboard_shows_every_metric_and_no_other() {
    let dashboard: Value = serde_json::from_str(&file("observability/grafana/holdfast.json")).unwrap();
    let mut shown = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have one id");
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            continue;
        }
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let labels = checked(expression);
            for label in taken_over(target["legendFormat"].as_str().unwrap()) {
                assert!(labels.contains(&label), "{title}: {label} is not in {expression}");
            }
            for (series, _) in promql::read(expression).selectors {
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end));
                let is_listed = |name: &str| CATALOGUE.iter().any(|metric| metric.name == name);
                shown.insert(base.filter(|base| is_listed(base)).unwrap_or(&series).to_owned());
            }
        }
    }
    let all: BTreeSet<String> = CATALOGUE.iter().map(|metric| metric.name.to_owned()).collect();
    let missing: Vec<_> = all.difference(&shown).collect();
    assert!(missing.is_empty(), "not shown: {missing:?}");
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_code_counts_what_the_catalogue_lists() {
    let mut files = vec![];
    sources(&root().join("src"), &mut files);
    sources(&root().join("workers/src"), &mut files);
    let mut counted = BTreeSet::new();
    for path in files.iter().filter(|path| !path.ends_with("catalogue.rs")) {
        let code = std::fs::read_to_string(path).unwrap();
        for (at, _) in code.match_indices("\"holdfast_") {
            let (before, literal) = (code[..at].trim_end(), &code[at + 1..]);
            let (name, after) = literal.split_once('"').unwrap();
            // Other names begin so as well, such as those of cookies.
            let is_metric = ["counter!(", "gauge!(", "histogram!(", "const LEADING: &'static str ="];
            if !is_metric.iter().any(|written| before.ends_with(written)) {
                continue;
            }
            let metric = metric(name);
            for (written, kind) in [
                ("counter!(", MetricKind::Counter),
                ("gauge!(", MetricKind::Gauge),
                ("histogram!(", MetricKind::Histogram),
            ] {
                if before.ends_with(written) {
                    assert_eq!(metric.kind, kind, "{name} in {}", path.display());
                    let call = after.split(')').next().unwrap();
                    let labels = call.split("\" =>").filter_map(|part| part.rsplit_once('"')).map(|(_, l)| l);
                    for label in labels.take(call.matches("\" =>").count()) {
                        assert!(metric.labels.contains(&label), "{name} by {label} in {}", path.display());
                    }
                }
            }
            counted.insert(name.to_owned());
        }
    }
    let listed: BTreeSet<String> = CATALOGUE.iter().map(|metric| metric.name.to_owned()).collect();
    assert_eq!(counted, listed);
}

/// Every family of an exposition, with its samples; panics unless each is listed as it is exported.
fn families(exposition: &str) -> BTreeMap<String, Vec<String>> {
    let mut families: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut described = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            described.insert(name.to_owned(), help.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(kind, metric(name).kind.name(), "{name}");
            assert_eq!(described.get(name).map(String::as_str), Some(metric(name).help), "{name}");
            families.insert(name.to_owned(), vec![]);
        } else {
            let series = line.split(['{', ' ']).next().unwrap();
            let labels = promql::labels_of(series);
            let written = line.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
            for label in written.split("\",").filter(|part| !part.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                assert!(labels.contains(&label), "{line}");
                let is_id = value.split(['/', '"']).any(|part| part.parse::<uuid::Uuid>().is_ok());
                assert!(!is_id, "an id in {line}");
            }
            let family = families.keys().rfind(|name| series.starts_with(name.as_str())).unwrap().clone();
            families.get_mut(&family).unwrap().push(line.to_owned());
        }
    }
    families
}

async fn scrape(base: &str) -> BTreeMap<String, Vec<String>> {
    let answer = reqwest::get(format!("{base}/metrics")).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    families(&answer.text().await.unwrap())
}

#[tokio::test]
async fn both_programs_export_what_the_catalogue_lists() {
    let world = World::idle().await;
    let (_api, shop) = Process::api(&world).await;
    let worker = Process::worker(&world, "");
    let workers = format!("http://{}", worker.until_logged("listening on http://").await);
    shop.stock("mug", 5).await;
    shop.charge(5_000).await;
    let order = shop.place("mug", 1, 60).await;
    shop.pay(order.text("id")).await;
    assert_eq!(shop.place("mug", 50, 60).await.status, 409);
    let called_off = shop.place("mug", 1, 60).await;
    shop.post(&format!("/v1/orders/{}/cancel", called_off.text("id")), &json!({})).await;
    let runs_out = shop.place("mug", 1, 1).await;
    shop.until(runs_out.text("id"), "expired").await;
    shop.get(&format!("/nowhere/{}", uuid::Uuid::now_v7())).await;
    world.publish_raw("order.hold", b"rubbish").await;
    world.dead_letter("malformed").await;

    let has = |families: &BTreeMap<String, Vec<String>>, sample: &str| {
        families.values().flatten().any(|line| line.starts_with(sample))
    };
    let api = scrape(&shop.base).await;
    for sample in [
        "holdfast_build_info{program=\"holdfast\",version=\"",
        "holdfast_http_requests_total{method=\"POST\",route=\"/v1/orders\",status_class=\"2xx\"}",
        "holdfast_http_requests_total{method=\"POST\",route=\"/v1/orders\",status_class=\"4xx\"}",
        "holdfast_http_requests_total{method=\"POST\",route=\"/v1/orders/{id}/cancel\",status_class=\"2xx\"}",
        "holdfast_http_requests_total{method=\"GET\",route=\"none\",status_class=\"4xx\"}",
        "holdfast_http_request_seconds_bucket{method=\"POST\",route=\"/v1/orders\",le=\"0.001\"}",
        "holdfast_http_requests_in_flight 1",
        "holdfast_commands_accepted_total{queue=\"order.hold\"}",
        "holdfast_database_connections{state=\"idle\"}",
        "holdfast_database_connections_max",
        "holdfast_database_acquire_seconds_count",
        "holdfast_broker_connected 1",
    ] {
        assert!(has(&api, sample), "no {sample} in {api:#?}");
    }
    // What the event log tells takes a moment to be told.
    let every = [
        "holdfast_build_info{program=\"holdfast-workers\",version=\"",
        "holdfast_consumers{queue=\"order.hold\"} 2",
        "holdfast_messages_total{queue=\"order.hold\",outcome=\"dead\"}",
        "holdfast_orders_decided_total{outcome=\"held\",reason=\"none\"} 3",
        "holdfast_orders_decided_total{outcome=\"refused\",reason=\"out_of_stock\"} 1",
        "holdfast_orders_decided_total{outcome=\"paid\",reason=\"none\"} 1",
        "holdfast_orders_decided_total{outcome=\"cancelled\",reason=\"none\"} 1",
        "holdfast_orders_decided_total{outcome=\"expired\",reason=\"none\"} 1",
        "holdfast_release_lateness_seconds_count 1",
        "holdfast_payments_total{outcome=\"captured\"} 1",
        "holdfast_dead_letters_total{queue=\"order.hold\"} 1",
        "holdfast_dead_letters_open",
        "holdfast_dead_letters_oldest_seconds",
        "holdfast_overdue_holds 0",
        "holdfast_open_payments{kind=\"payment\",status=\"unknown\"} 0",
        "holdfast_open_payments_oldest_seconds{kind=\"refund\",status=\"requesting\"} 0",
        "holdfast_unread_events{reader=\"relay\"}",
        "holdfast_unread_events_oldest_seconds{reader=\"feed\"}",
        "holdfast_open_effects 0",
        "holdfast_relay_leading 1",
        "holdfast_audit_violations{truth=\"stock_is_never_oversold\"} 0",
        "holdfast_audit_finished_timestamp_seconds",
        "holdfast_backlog_read_timestamp_seconds",
        "holdfast_apply_seconds_bucket{queue=\"order.hold\",le=\"+Inf\"}",
        "holdfast_batch_size_bucket{queue=\"order.hold\",le=\"500\"}",
    ];
    eventually("the workers export everything", async || {
        let exported = scrape(&workers).await;
        let missing: Vec<_> = every.iter().filter(|sample| !has(&exported, sample)).collect();
        if !missing.is_empty() {
            eprintln!("not yet: {missing:?}");
        }
        missing.is_empty().then_some(())
    })
    .await;
    drop(worker);
    world.finish().await;
}

#[tokio::test]
async fn what_waits_is_counted() {
    use holdfast::store::workers::backlog;
    let world = World::idle().await;
    let shop = world.start_api().await;
    world.start_workers(holdfast_workers::pools::Pool::Commands(holdfast::message::Queue::OrderHold));
    world.start_workers(holdfast_workers::pools::Pool::DeadLetters);
    shop.stock("mug", 5).await;
    let order = shop.place("mug", 1, 60).await;
    world.make_overdue(order.text("id")).await;
    world.publish_raw("order.hold", b"rubbish").await;
    world.dead_letter("malformed").await;
    let mut conn = world.pool.acquire().await.unwrap();

    let letters = backlog::dead_letters(&mut conn, 10).await.unwrap();
    assert_eq!(letters.count, 1);
    let overdue = backlog::overdue_holds(&mut conn, 10).await.unwrap();
    assert!(overdue.count == 1 && overdue.oldest_seconds >= 1.0, "{overdue:?}");
    // No relay runs: the only fact is unread. The feed has no use for it.
    let unread = backlog::unread(&mut conn, Cursor::Events, 10).await.unwrap();
    assert!(unread.count == 1 && unread.oldest_seconds >= 0.0, "{unread:?}");
    assert_eq!(backlog::unread(&mut conn, Cursor::Effects, 10).await.unwrap().count, 0);
    assert_eq!(backlog::effects(&mut conn, 10).await.unwrap().count, 0);
    assert!(backlog::open_money(&mut conn, 10).await.unwrap().is_empty());

    world.start_workers(holdfast_workers::pools::Pool::Relay);
    eventually("the relay has read everything", async || {
        (backlog::unread(&mut conn, Cursor::Events, 10).await.unwrap().count == 0).then_some(())
    })
    .await;
    drop(conn);
    world.execute("UPDATE orders SET expires_at = now() + interval '1 hour' WHERE status = 'held'").await;
    world.finish().await;
}
