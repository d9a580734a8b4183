//! What is written about the API and the broker is what is there.

use std::path::Path;

use holdfast::asyncapi;
use holdfast::broker::topology::{DEFAULT_MAX_LENGTH, Topology};
use holdfast::event::OrderEvent;
use holdfast::message::Queue;
use holdfast::router;
use serde_json::{Value, json};

use crate::support::world::World;

/// A JSON document of the repository.
fn committed(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_openapi_document_lists_every_route_and_is_the_committed_one() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let document = shop.get("/openapi.json").await.body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut routes = vec![];
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            routes.push(format!("{} {path}", method.to_uppercase()));
            let described = ["summary", "operationId"].iter().all(|member| call[member].is_string());
            assert!(
                described && !call["responses"].as_object().unwrap().is_empty(),
                "{method} {path} is not described"
            );
        }
    }
    routes.sort();
    assert_eq!(
        routes,
        [
            "DELETE /v1/cart",
            "DELETE /v1/cart/items/{sku}",
            "DELETE /v1/products/{product}",
            "DELETE /v1/sessions/current",
            "GET /readyz",
            "GET /v1/cart",
            "GET /v1/catalogue/export",
            "GET /v1/customer",
            "GET /v1/ops/actions",
            "GET /v1/ops/dead-letters",
            "GET /v1/ops/dead-letters/export",
            "GET /v1/ops/dead-letters/groups",
            "GET /v1/ops/dead-letters/{id}",
            "GET /v1/ops/health",
            "GET /v1/ops/money",
            "GET /v1/ops/orders",
            "GET /v1/ops/orders/{id}",
            "GET /v1/ops/queues",
            "GET /v1/ops/replays",
            "GET /v1/ops/replays/{id}",
            "GET /v1/ops/replays/{id}/items",
            "GET /v1/ops/stock",
            "GET /v1/ops/stock/{sku}",
            "GET /v1/ops/tokens",
            "GET /v1/ops/workers",
            "GET /v1/orders",
            "GET /v1/orders/{id}",
            "GET /v1/orders/{id}/events",
            "GET /v1/orders/{id}/history",
            "GET /v1/orders/{id}/place",
            "GET /v1/orders/{id}/refunds",
            "GET /v1/points",
            "GET /v1/popular",
            "GET /v1/products",
            "GET /v1/products/popular",
            "GET /v1/products/{product}",
            "GET /v1/skus",
            "GET /v1/skus/{sku}",
            "GET /v1/wallet",
            "GET /v1/wallet/charges/{id}",
            "PATCH /v1/products/{product}",
            "PATCH /v1/skus/{sku}",
            "POST /v1/cart/checkout",
            "POST /v1/cart/guests",
            "POST /v1/cart/items/{sku}",
            "POST /v1/cart/merge",
            "POST /v1/catalogue/import",
            "POST /v1/ops/dead-letters/discard",
            "POST /v1/ops/dead-letters/restore",
            "POST /v1/ops/dead-letters/{id}/edit",
            "POST /v1/ops/orders/{id}/cancel",
            "POST /v1/ops/orders/{id}/payments/{payment}/settle",
            "POST /v1/ops/orders/{id}/refunds",
            "POST /v1/ops/orders/{id}/resolve",
            "POST /v1/ops/pools/{pool}/pause",
            "POST /v1/ops/pools/{pool}/resume",
            "POST /v1/ops/replays",
            "POST /v1/ops/replays/{id}/cancel",
            "POST /v1/ops/stock/{sku}/adjust",
            "POST /v1/ops/stock/{sku}/receive",
            "POST /v1/ops/tokens",
            "POST /v1/ops/tokens/{name}/revoke",
            "POST /v1/orders",
            "POST /v1/orders/{id}/cancel",
            "POST /v1/orders/{id}/extend",
            "POST /v1/orders/{id}/payments",
            "POST /v1/orders/{id}/refunds",
            "POST /v1/points/charges",
            "POST /v1/sessions",
            "POST /v1/sign-ins",
            "POST /v1/skus/{sku}/receipts",
            "POST /v1/wallet/charges",
            "POST /v1/wallet/charges/{id}/payments",
            "POST /v1/webhooks/{provider}",
            "PUT /v1/cart/items/{sku}",
            "PUT /v1/customer",
            "PUT /v1/products/{product}",
            "PUT /v1/skus/{sku}",
        ]
    );
    assert_eq!(
        document["components"]["securitySchemes"]["token"],
        json!({"type": "http", "scheme": "bearer"})
    );

    let built = serde_json::to_value(router::openapi()).unwrap();
    assert_eq!(document, built);
    assert_eq!(committed("openapi.json"), built, "write openapi.json anew with `holdfast openapi`");
    world.finish().await;
}

#[test]
fn every_call_says_that_one_may_ask_too_often() {
    let document = serde_json::to_value(router::openapi()).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            let told = operation["responses"]["429"]["description"].as_str().unwrap();
            assert!(told.contains("sked too often; Retry-After says when to try again"), "{path}: {told}");
        }
    }
}

#[tokio::test]
async fn health_metrics_and_the_documentation_answer_without_a_token() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    shop.place("mug", 1, 60).await;
    let http = reqwest::Client::new();
    let get = async |path: &str| {
        let answer = http.get(format!("{}{path}", shop.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await, (200, "alive\n".to_owned()));
    let (status, ready) = get("/readyz").await;
    assert_eq!(
        (status, ready.parse::<Value>().unwrap()),
        (200, json!({"database": true, "broker": true, "refused": []}))
    );
    let (status, metrics) = get("/metrics").await;
    assert_eq!(status, 200);
    for name in [
        "holdfast_commands_accepted_total{queue=\"order.hold\"} ",
        "holdfast_orders_decided_total{outcome=\"held\",reason=\"none\"} ",
        "holdfast_messages_total{",
        "holdfast_apply_seconds_bucket{",
        "holdfast_batch_size_bucket{",
    ] {
        assert!(metrics.contains(name), "no {name} in {metrics}");
    }
    let (status, page) = get("/docs").await;
    assert!(status == 200 && page.contains("<html") && page.contains("swagger"), "{status} {page}");
    world.finish().await;
}

#[tokio::test]
async fn a_process_whose_database_has_an_older_schema_or_none_is_alive_and_not_ready() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let older = "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    for sql in [older, "DROP TABLE _sqlx_migrations"] {
        world.execute(sql).await;
        let ready = shop.get("/readyz").await;
        assert_eq!(
            (ready.status, &ready.body),
            (503, &json!({"database": false, "broker": true, "refused": []}))
        );
        assert_eq!(shop.get("/livez").await.status, 200);
    }
    world.finish().await;
}

#[tokio::test]
async fn the_definitions_file_is_the_topology_and_the_broker_has_all_of_it() {
    let definitions = Topology::new(DEFAULT_MAX_LENGTH).definitions();
    assert_eq!(
        committed("rabbitmq/definitions.json"),
        definitions,
        "write it anew with `holdfast topology show`"
    );

    let world = World::idle().await;
    let http = reqwest::Client::new();
    for (kind, members) in [
        ("exchanges", &["name", "type", "durable", "auto_delete", "internal", "arguments"][..]),
        ("queues", &["name", "durable", "auto_delete", "arguments"]),
        ("bindings", &["source", "destination", "destination_type", "routing_key", "arguments"]),
    ] {
        let url = format!("{}/{kind}/{}", world.servers.rabbitmq_api, world.vhost);
        let there: Vec<Value> = http.get(url).send().await.unwrap().json().await.unwrap();
        let only = |object: &Value| -> Value {
            members.iter().map(|member| (member.to_string(), object[*member].clone())).collect()
        };
        let there: Vec<Value> = there.iter().map(only).collect();
        for wanted in definitions[kind].as_array().unwrap() {
            assert!(there.contains(&only(wanted)), "the broker has no {kind} {wanted}");
        }
    }
    world.finish().await;
}

#[test]
fn the_asyncapi_document_names_every_queue_and_every_fact() {
    let document = asyncapi::document();
    assert_eq!(committed("asyncapi.json"), document, "write asyncapi.json anew with `holdfast asyncapi`");
    assert!(references(&document).len() > 50);
    for reference in references(&document) {
        let there = document.pointer(reference.trim_start_matches('#'));
        assert!(there.is_some(), "{reference} leads nowhere");
    }
    let mut channels: Vec<_> = document["channels"].as_object().unwrap().keys().cloned().collect();
    let mut queues: Vec<_> =
        Queue::ALL.iter().map(|queue| queue.name().to_owned()).chain(["events".to_owned()]).collect();
    channels.sort();
    queues.sort();
    assert_eq!(channels, queues);
    let facts =
        &document["components"]["messages"]["facts"]["payload"]["items"]["properties"]["type"]["enum"];
    let kinds: Vec<String> = OrderEvent::KINDS.iter().map(|kind| format!("holdfast.{kind}")).collect();
    assert_eq!(facts, &json!(kinds));
}

/// Everything that a document refers to.
fn references(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value {
                Value::String(reference) if name == "$ref" => vec![reference.as_str()],
                value => references(value),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(references).collect(),
        _ => vec![],
    }
}
