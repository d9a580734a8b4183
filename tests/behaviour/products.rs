//! Products: made, changed, read and archived, apart from the stock of their SKUs.

use futures_util::future::join_all;
use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::world::World;

/// A product of two sizes, once its SKUs are there.
fn shirt() -> Value {
    json!({"name": "Shirt", "options": [{"name": "size", "values": ["S", "M"]}],
           "skus": [{"sku": "shirt-s", "choices": ["S"]}, {"sku": "shirt-m", "choices": ["M"]}]})
}

async fn call(shop: &Client, method: Method, path: &str, seen: Option<&str>, body: Option<&Value>) -> Answer {
    let mut request = shop.request(method, path);
    if let Some(seen) = seen {
        request = request.header("If-Match", seen);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    shop.send(request).await
}

fn tag(answer: &Answer) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_product_is_made_replaced_patched_and_archived_by_those_who_have_seen_it() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("shirt-s", 3).await;
    shop.stock("shirt-m", 0).await;
    let path = "/v1/products/shirt";
    let whole = json!({"name": "셔츠 👕", "description": "# Soft\n<script>x</script>", "description_format": "markdown",
        "image_urls": ["https://cdn.example.com/s.png", "/t.svg"], "category": "옷", "tags": ["new", "면"],
        "options": [{"name": "size", "values": ["S", "M"]}],
        "skus": [{"sku": "shirt-m", "choices": ["M"]}, {"sku": "shirt-s", "choices": ["S"]}]});
    let created = shop.put(path, &whole).await;
    assert_eq!(created.status, 201, "{created:?}");
    let sku = |code: &str, choice: &str, available: i64| {
        json!({"sku": code, "choices": [choice], "price_won": 1_000, "discount_ratio": 0.0, "discounted_won": 1_000, "is_on_sale": true,
               "available": available})
    };
    let expected = json!({"product": "shirt", "name": "셔츠 👕", "image_url": "https://cdn.example.com/s.png",
        "image_urls": ["https://cdn.example.com/s.png", "/t.svg"], "category": "옷", "tags": ["new", "면"],
        "description": "# Soft\n<script>x</script>", "description_format": "markdown", "description_html": "<h1>Soft</h1>\n",
        "sale_state": "on_sale", "is_active": true, "price_from_won": 1_000, "price_to_won": 1_000, "discount_ratio": 0.0,
        "available": 3, "options": [{"name": "size", "values": ["S", "M"]}],
        "skus": [sku("shirt-m", "M", 0), sku("shirt-s", "S", 3)]});
    assert_eq!(created.body, expected);
    let read = shop.get(path).await;
    assert_eq!((read.status, &read.body, tag(&read)), (200, &expected, tag(&created)));

    // What is there is replaced by nobody who has not seen it, and what is not is not replaced.
    let unseen = shop.put(path, &shirt()).await;
    assert_eq!((unseen.status, unseen.problem()), (428, "precondition-required"));
    for (method, path, seen) in [
        (Method::PUT, path, "\"7-0\""),
        (Method::PUT, path, "W/\"1\""),
        (Method::PATCH, path, "\"7-0\""),
        (Method::DELETE, path, "\"7-0\""),
        (Method::PUT, "/v1/products/other", "*"),
    ] {
        let body = if method == Method::PUT { shirt() } else { json!({}) };
        let failed = call(&shop, method, path, Some(seen), Some(&body)).await;
        assert_eq!((failed.status, failed.problem()), (412, "precondition-failed"), "{seen}");
    }
    let only_new = shop.request(Method::PUT, path).header("If-None-Match", "*").json(&shirt());
    assert_eq!(shop.send(only_new).await.problem(), "precondition-failed");

    // A unit that is sold, or a price that changes, spoils no edit of texts.
    shop.put("/v1/skus/shirt-s", &json!({"name": "S", "price_won": 2_000, "discount_ratio": 0.25})).await;
    let read = shop.get(path).await;
    assert_ne!(tag(&read), tag(&created));
    assert_eq!(
        (&read.body["price_from_won"], &read.body["price_to_won"], &read.body["discount_ratio"]),
        (&json!(1_000), &json!(1_500), &json!(0.25))
    );
    let replaced = call(&shop, Method::PUT, path, Some(&tag(&created)), Some(&shirt())).await;
    assert_eq!(
        (replaced.status, &replaced.body["category"]),
        (200, &Value::Null),
        "what PUT does not name is emptied"
    );
    let again = call(&shop, Method::PUT, path, Some(&tag(&replaced)), Some(&shirt())).await;
    assert_eq!(tag(&again), tag(&replaced), "what stays as it is keeps its version");

    // A patch changes what it names.
    let patch = json!({"category": "옷", "sale_from": "2099-01-01T00:00:00+09:00"});
    let patched = call(&shop, Method::PATCH, path, None, Some(&patch)).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let state = |answer: &Answer| answer.text("sale_state").to_owned();
    assert_eq!((state(&patched), patched.text("name")), ("upcoming".to_owned(), "Shirt"));
    assert_eq!(patched.body["skus"].as_array().unwrap().len(), 2);
    let patched =
        call(&shop, Method::PATCH, path, Some(&tag(&patched)), Some(&json!({"sale_from": null}))).await;
    assert_eq!((state(&patched), patched.text("category")), ("on_sale".to_owned(), "옷"));

    // Archived, it is there for the shop alone; PUT brings it back.
    for _ in 0..2 {
        assert_eq!(call(&shop, Method::DELETE, path, Some(&tag(&patched)), None).await.status, 204);
    }
    assert_eq!(call(&shop, Method::DELETE, "/v1/products/none", None, None).await.status, 404);
    let archived = shop.get(path).await;
    assert_eq!(state(&archived), "archived");
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    assert_eq!(alice.get(path).await.status, 404);
    assert_eq!(call(&shop, Method::PUT, path, Some(&tag(&archived)), Some(&shirt())).await.status, 200);
    assert_eq!(alice.get(path).await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn buyers_read_what_is_for_them_and_are_told_once_what_has_not_changed() {
    let (world, shop) = World::running().await;
    shop.stock("shirt-s", 3).await;
    shop.stock("shirt-m", 1).await;
    shop.put("/v1/products/shirt", &shirt()).await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    let path = "/v1/products/shirt";
    let first = alice.get(path).await;
    assert_eq!(
        (first.status, &first.headers["cache-control"]),
        (200, &"private, max-age=5".parse().unwrap())
    );
    assert_eq!(shop.get(path).await.headers["cache-control"], "private, no-cache");
    for path in [path, "/v1/products"] {
        let seen = tag(&alice.get(path).await);
        let again = alice.request(Method::GET, path).header("If-None-Match", format!("\"x\", W/{seen}"));
        let again = alice.send(again).await;
        assert_eq!((again.status, tag(&again), again.body.as_str()), (304, seen, Some("")));
    }
    // A hold is seen, and one whose time is up no longer.
    let held = shop.place("shirt-s", 2, 600).await;
    let changed = alice.request(Method::GET, path).header("If-None-Match", tag(&first));
    let changed = alice.send(changed).await;
    assert_eq!(
        (changed.status, &changed.body["available"], &changed.body["skus"][0]["available"]),
        (200, &json!(2), &json!(1))
    );
    shop.post(&format!("/v1/orders/{}/cancel", held.text("id")), &json!({})).await;

    for (patch, status) in [
        (json!({"sale_until": "2020-01-01T00:00:00Z"}), 404),
        (json!({"sale_until": null, "is_active": false}), 404),
        (json!({"is_active": true, "sale_from": "2099-01-01T00:00:00Z"}), 200),
        (json!({"sale_from": null, "skus": []}), 404),
    ] {
        assert_eq!(call(&shop, Method::PATCH, path, None, Some(&patch)).await.status, 200);
        assert_eq!((alice.get(path).await.status, shop.get(path).await.status), (status, 200), "{patch}");
    }
    world.finish().await;

    let world = World::idle().await;
    world.start_workers_of(&[holdfast::message::Queue::OrderHold]);
    let shop = world.start_api().await;
    shop.stock("shirt-s", 3).await;
    shop.put("/v1/products/shirt", &json!({"name": "Shirt", "skus": [{"sku": "shirt-s"}]})).await;
    let held = shop.place("shirt-s", 2, 600).await;
    world.make_overdue(held.text("id")).await;
    assert_eq!(shop.get("/v1/products/shirt").await.body["available"], 3);
    assert_eq!(shop.get("/v1/products").await.body["products"][0]["available"], 3);
}

/// A change that makes a good product break a rule per line.
const UNFIT: &str = r#"
{"name":""}
{"name":null}
{"name":7}
{"price_won":1}
{"version":1}
{"description":"a\u0000b"}
{"description_format":"html"}
{"image_urls":["http://example.com/a.png"]}
{"image_urls":["javascript:alert(1)"]}
{"category":" a"}
{"tags":["a","a"]}
{"tags":"a"}
{"sale_from":"tomorrow"}
{"sale_from":"2026-12-02T00:00:00Z","sale_until":"2026-12-01T00:00:00Z"}
{"sale_until":"+12026-12-02T00:00:00Z"}
{"options":[]}
{"options":[{"name":"size","values":["S"]}]}
{"options":[{"name":"size","values":["S","M"],"kind":1}]}
{"skus":[{"sku":"shirt-s","choices":["S"]},{"sku":"shirt-m","choices":["S"]}]}
{"skus":[{"sku":"shirt-s","choices":[]}]}
{"skus":[{"sku":"none","choices":["S"]}]}
"#;

#[tokio::test]
async fn products_that_break_a_rule_are_refused_and_a_sku_belongs_to_one() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for sku in ["shirt-s", "shirt-m"] {
        shop.stock(sku, 1).await;
    }
    assert_eq!(shop.put("/v1/products/kept", &json!({"name": "Kept"})).await.status, 201);
    let many = json!({"tags": (0..21).map(|n| n.to_string()).collect::<Vec<_>>()}).to_string();
    for line in UNFIT.trim().lines().chain([many.as_str()]) {
        let change: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let mut body = shirt();
        body.as_object_mut().unwrap().extend(change);
        let refused = shop.put("/v1/products/shirt", &body).await;
        assert_eq!((refused.status, refused.problem()), (422, "unprocessable"), "{line}");
        let refused = call(&shop, Method::PATCH, "/v1/products/kept", None, Some(&body)).await;
        let is_removal = line.contains("null");
        assert_eq!((refused.status, refused.problem()), (422, "unprocessable"), "{line} {is_removal}");
    }
    for code in ["a%20b", "%EB%A8%B8"] {
        assert_eq!(shop.put(&format!("/v1/products/{code}"), &shirt()).await.status, 422, "{code}");
    }
    assert_eq!(world.count("SELECT count(*) FROM products").await, 1);

    assert_eq!(shop.put("/v1/products/shirt", &shirt()).await.status, 201);
    let other = json!({"name": "Other", "skus": [{"sku": "shirt-s"}]});
    let taken = shop.put("/v1/products/other", &other).await;
    assert_eq!((taken.status, taken.problem()), (409, "conflict"));
    // Many who make, patch and reprice at once leave a product that agrees with its SKUs, which the audit checks.
    let tasks = (0..12).map(|n| {
        let shop = shop.clone();
        async move {
            match n % 4 {
                0 => {
                    let skus = json!({"skus": [{"sku": "shirt-s", "choices": ["S"]}]});
                    call(&shop, Method::PATCH, "/v1/products/shirt", None, Some(&skus)).await.status
                }
                1 => call(&shop, Method::PATCH, "/v1/products/shirt", None, Some(&shirt())).await.status,
                _ => {
                    let sku = if n % 4 == 2 { "shirt-s" } else { "shirt-m" };
                    // Not by PUT: one that has just left the product is off, which a PUT has to name.
                    shop.patch(&format!("/v1/skus/{sku}"), &json!({"price_won": n * 100})).await.status
                }
            }
        }
    });
    let statuses = join_all(tasks).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    world.finish().await;
}

#[tokio::test]
async fn a_products_sale_is_that_of_its_skus_and_one_of_them_may_be_off_alone() {
    let (world, shop) = World::running().await;
    for sku in ["shirt-s", "shirt-m"] {
        shop.stock(sku, 20).await;
    }
    let path = "/v1/products/shirt";
    let change = async |body: Value| call(&shop, Method::PATCH, path, None, Some(&body)).await;
    let mut upcoming = shirt();
    upcoming["sale_from"] = json!("2099-01-01T00:00:00Z");
    assert_eq!(shop.put(path, &upcoming).await.body["skus"][0]["is_on_sale"], false);
    let place = async |sku: &str| shop.place(sku, 1, 60).await.status;
    assert_eq!(shop.place("shirt-s", 1, 60).await.problem(), "off-sale");
    change(json!({"sale_from": null})).await;
    assert_eq!(place("shirt-s").await, 201);

    // A SKU that is off alone stays off whatever is written of its product, until that is sold at other times.
    let off = shop.request(Method::PATCH, "/v1/skus/shirt-m").json(&json!({"is_active": false}));
    assert_eq!(shop.send(off).await.status, 200);
    let renamed = change(json!({"name": "Blouse"})).await;
    assert_eq!(
        (&renamed.body["skus"][0]["is_on_sale"], &renamed.body["skus"][1]["is_on_sale"]),
        (&json!(true), &json!(false))
    );
    assert_eq!((place("shirt-s").await, place("shirt-m").await), (201, 409));
    change(json!({"is_active": false})).await;
    assert_eq!(place("shirt-s").await, 409);
    change(json!({"is_active": true})).await;
    assert_eq!((place("shirt-s").await, place("shirt-m").await), (201, 201));

    // Another time of the sale puts no SKU on that is off alone.
    shop.patch("/v1/skus/shirt-m", &json!({"is_active": false})).await;
    change(json!({"sale_until": "2099-01-01T00:00:00Z"})).await;
    assert_eq!((place("shirt-s").await, place("shirt-m").await), (201, 409));

    // What is archived stays so whatever is written of it, but for a PUT.
    assert_eq!(call(&shop, Method::DELETE, path, None, None).await.status, 204);
    for body in [json!({}), json!({"name": "Cup"}), json!({"sale_until": null}), json!({"is_active": true})] {
        let changed = change(body.clone()).await;
        assert_eq!((changed.status, changed.text("sale_state")), (200, "archived"), "{body}");
        assert_eq!((place("shirt-s").await, place("shirt-m").await), (409, 409), "{body}");
    }
    assert_eq!(shop.get("/v1/products?sale_state=archived&q=cup").await.body["products"][0]["name"], "Cup");
    let back = shop.request(Method::PUT, path).header("If-Match", "*").json(&shirt());
    assert_eq!(shop.send(back).await.text("sale_state"), "on_sale");
    assert_eq!((place("shirt-s").await, place("shirt-m").await), (201, 201));

    // A SKU that leaves its product is off until the shop says otherwise, and its product's times are no longer its own.
    change(json!({"sale_until": "2099-01-01T00:00:00Z"})).await;
    let left = change(json!({"skus": [{"sku": "shirt-s", "choices": ["S"]}]})).await;
    assert_eq!(left.body["skus"].as_array().unwrap().len(), 1);
    let alone = shop.get("/v1/skus/shirt-m").await.body;
    assert_eq!((&alone["is_active"], &alone["sale_until"]), (&json!(false), &Value::Null));
    assert_eq!((place("shirt-s").await, place("shirt-m").await), (201, 409));
    let other = json!({"name": "Other", "skus": [{"sku": "shirt-m"}]});
    assert_eq!(shop.put("/v1/products/other", &other).await.body["sale_state"], "inactive");
    shop.patch("/v1/skus/shirt-m", &json!({"is_active": true})).await;
    assert_eq!(
        (place("shirt-m").await, shop.get("/v1/products/other").await.text("sale_state")),
        (201, "on_sale")
    );
    world.finish().await;
}
