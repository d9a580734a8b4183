//! What customers do not see of the catalogue: what the shop hides, has archived, or has not put on sale yet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::world::World;

fn codes(list: &Value, of: &str, member: &str) -> Vec<String> {
    let all = list[of].as_array().unwrap_or_else(|| panic!("no {of} in {list}")).iter();
    all.map(|one| one[member].as_str().unwrap().to_owned()).collect()
}

async fn archive(shop: &Client, product: &str) {
    let archived = shop.send(shop.request(Method::DELETE, &format!("/v1/products/{product}"))).await;
    assert_eq!(archived.status, 204);
}

#[tokio::test]
async fn customers_see_no_sku_of_what_products_hide_and_shops_see_all() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    let viewer = shop.with_token(&world.token(Role::Viewer, None).await);
    let (past, future) = ("2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
    for (sku, product, is_seen) in [
        ("alone", None, true),
        ("alone-off", None, false),
        ("archived", Some(json!({})), false),
        ("ended", Some(json!({"sale_until": past})), false),
        ("hidden", Some(json!({"is_active": false})), false),
        ("off", Some(json!({})), false),
        ("shown", Some(json!({})), true),
        ("soon", Some(json!({"sale_from": future})), true),
    ] {
        shop.stock(sku, 3).await;
        if let Some(mut product) = product {
            product["name"] = json!(sku);
            product["skus"] = json!([{"sku": sku}]);
            assert_eq!(shop.put(&format!("/v1/products/{sku}"), &product).await.status, 201);
        }
        if sku.ends_with("off") {
            shop.patch(&format!("/v1/skus/{sku}"), &json!({"is_active": false})).await;
        }
        if sku == "archived" {
            archive(&shop, sku).await;
        }
        let path = format!("/v1/skus/{sku}");
        assert_eq!(alice.get(&path).await.status, if is_seen { 200 } else { 404 }, "{sku}");
        assert_eq!((shop.get(&path).await.status, viewer.get(&path).await.status), (200, 200), "{sku}");
    }
    let sql = "INSERT INTO sku_sales (sku_id, day, units, amount_won)
               SELECT id, (now() AT TIME ZONE 'Asia/Seoul')::date, 10 - id, 0 FROM skus";
    world.execute(sql).await;
    let seen = ["alone", "shown", "soon"];
    assert_eq!(codes(&alice.get("/v1/skus").await.body, "skus", "sku"), seen);
    assert_eq!(codes(&alice.get("/v1/popular?limit=3").await.body, "skus", "sku"), seen);
    for caller in [&shop, &viewer] {
        assert_eq!(codes(&caller.get("/v1/skus").await.body, "skus", "sku").len(), 8);
        assert_eq!(codes(&caller.get("/v1/popular?limit=100").await.body, "skus", "sku").len(), 8);
    }
    // The figures were made up, and the audit would say so.
    world.execute("DELETE FROM sku_sales").await;

    // A page ends somewhere among what is hidden, and says where to go on without telling what is there.
    let sql = "WITH made AS (INSERT INTO skus (code, name, price_won, is_active)
                             SELECT 'b-secret-' || n, 'Secret', 1, false FROM generate_series(1, 2100) n RETURNING id)
               INSERT INTO stock (sku_id) SELECT id FROM made";
    world.execute(sql).await;
    let (mut found, mut after, mut pages) = (vec![], String::new(), 0);
    loop {
        let page = alice.get(&format!("/v1/skus?limit=2{after}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        found.extend(codes(&page.body, "skus", "sku"));
        let Some(next) = page.body["next"].as_str() else { break };
        tells_nothing(next);
        (after, pages) = (format!("&after={next}"), pages + 1);
    }
    assert_eq!(found, seen);
    assert!((2..10).contains(&pages), "{pages}");
    assert_eq!(alice.get("/v1/skus?after=~x").await.problem(), "unprocessable");
    assert_eq!(codes(&alice.get("/v1/skus?after=b").await.body, "skus", "sku"), Vec::<String>::new());
    world.finish().await;
}

/// Fails the test if what is secret can be read in a cursor.
fn tells_nothing(cursor: &str) {
    let bytes = URL_SAFE_NO_PAD.decode(cursor.trim_start_matches('~')).unwrap_or_default();
    let read = format!("{cursor}{}", String::from_utf8_lossy(&bytes));
    assert!(!read.contains("secret") && !read.contains("\"id\""), "{read}");
}

#[tokio::test]
async fn a_cursor_tells_no_customer_at_which_hidden_product_a_page_stopped() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    let sql = "INSERT INTO products (code, name, name_folded)
               SELECT 'secret-' || n, 'secret', 'secret ' || lpad(n::text, 5, '0') FROM generate_series(1, 5100) n";
    world.execute(sql).await;
    for name in ["about", "zebra"] {
        shop.stock(name, 1).await;
        shop.put(&format!("/v1/products/{name}"), &json!({"name": name, "skus": [{"sku": name}]})).await;
    }
    for sort in ["name", "-name", "price", "-price", "newest"] {
        let (mut found, mut after) = (vec![], String::new());
        loop {
            let path = format!("/v1/products?limit=1&sort={sort}{after}");
            let page = alice.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            found.extend(codes(&page.body, "products", "product"));
            let Some(next) = page.body["next"].as_str() else { break };
            tells_nothing(next);
            let again =
                alice.request(Method::GET, &path).header("If-None-Match", page.headers["etag"].clone());
            assert_eq!(alice.send(again).await.status, 304, "the same page has the same cursor");
            let spoiled = format!("{}A", &next[..next.len() - 1]);
            let spoiled = if spoiled == next { format!("{}B", &next[..next.len() - 1]) } else { spoiled };
            let refused = alice.get(&format!("/v1/products?limit=1&sort={sort}&after={spoiled}")).await;
            assert_eq!(refused.status, 422, "{sort}");
            after = format!("&after={next}");
        }
        found.sort();
        assert_eq!(found, ["about", "zebra"], "{sort}");
    }
    // What is no one of ours, or of another order, is refused.
    let cursor = shop.get("/v1/products?limit=1&sort=name").await.text("next").to_owned();
    for bad in [format!("sort=price&after={cursor}"), "after=AAAA".to_owned(), "after=%00".to_owned()] {
        assert_eq!(shop.get(&format!("/v1/products?{bad}")).await.problem(), "unprocessable", "{bad}");
    }
    // Other API processes have the same key.
    let other = alice.with_base(&world.start_api().await.base);
    assert_eq!(other.get(&format!("/v1/products?limit=1&sort=name&after={cursor}")).await.status, 200);
    world.execute("DELETE FROM products WHERE code LIKE 'secret-%'").await;
    world.finish().await;
}
