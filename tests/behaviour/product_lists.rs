//! Lists of products: searched, sorted, a page at a time.

use holdfast::store::operators::tokens::Role;
use serde_json::json;

use crate::support::client::Client;
use crate::support::world::World;

/// The codes on all pages of a list.
async fn all(shop: &Client, query: &str) -> Vec<String> {
    let (mut codes, mut after) = (vec![], String::new());
    loop {
        let page = shop.get(&format!("/v1/products?limit=2&{query}{after}")).await;
        assert_eq!(page.status, 200, "{query}: {page:?}");
        let products = page.body["products"].as_array().unwrap();
        assert!(products.len() <= 2);
        codes.extend(products.iter().map(|product| product["product"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_str() else { return codes };
        after = format!("&after={next}");
    }
}

#[tokio::test]
async fn products_are_found_by_words_category_and_tag_in_any_order() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let alice = shop.with_token(&world.token(Role::Customer, Some("alice")).await);
    for (code, name, price_won, more) in [
        ("mug", "블루머그컵", 3_000, json!({"category": "주방", "tags": ["new"]})),
        ("cup", "Café cup 컵", 1_000, json!({"category": "주방"})),
        ("pen", "a pen", 2_000, json!({"tags": ["new", "office"]})),
        ("Zoo", "Zoo ticket", 2_000, json!({"sale_from": "2099-01-01T00:00:00Z"})),
        ("old", "old cup", 1, json!({"sale_until": "2020-01-01T00:00:00Z"})),
        ("off", "hidden cup", 1, json!({"is_active": false})),
    ] {
        shop.put(&format!("/v1/skus/{code}"), &json!({"name": name, "price_won": price_won, "on_hand": 1}))
            .await;
        let mut product = json!({"name": name, "skus": [{"sku": code}]});
        product.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(shop.put(&format!("/v1/products/{code}"), &product).await.status, 201);
    }
    shop.put("/v1/products/bare", &json!({"name": "bare cup"})).await;
    for (query, codes) in [
        ("", vec!["Zoo", "pen", "cup", "mug"]),
        ("sort=name", vec!["pen", "cup", "Zoo", "mug"]),
        ("sort=-name", vec!["mug", "Zoo", "cup", "pen"]),
        ("sort=price", vec!["cup", "pen", "Zoo", "mug"]),
        ("sort=-price", vec!["mug", "Zoo", "pen", "cup"]),
        ("q=%EC%BB%B5&sort=price", vec!["cup", "mug"]),
        ("q=CAFE", vec!["cup"]),
        ("q=cup%20%EC%BB%B5", vec!["cup"]),
        ("q=%EB%A8%B8%EA%B7%B8", vec!["mug"]),
        ("q=up", vec![]),
        ("category=%EC%A3%BC%EB%B0%A9", vec!["cup", "mug"]),
        ("tag=new&sort=name", vec!["pen", "mug"]),
        ("tag=new&category=%EC%A3%BC%EB%B0%A9", vec!["mug"]),
        ("tag=office&q=mug", vec![]),
        ("sale_state=upcoming", vec!["Zoo"]),
        ("sale_state=on_sale&sort=price", vec!["cup", "pen", "mug"]),
    ] {
        assert_eq!(all(&alice, query).await, codes, "{query}");
    }
    assert_eq!(all(&shop, "").await, ["bare", "off", "old", "Zoo", "pen", "cup", "mug"]);
    assert_eq!(all(&shop, "sale_state=inactive").await, ["bare", "off"]);
    assert_eq!(all(&shop, "sale_state=ended&q=cup").await, ["old"]);
    // What is archived is on a list of its own, and back on the others when it is put again.
    shop.send(shop.request(reqwest::Method::DELETE, "/v1/products/cup")).await;
    for sort in ["newest", "name", "-name", "price", "-price"] {
        assert_eq!(all(&shop, &format!("sale_state=archived&sort={sort}")).await, ["cup"]);
        assert_eq!(all(&shop, &format!("sale_state=archived&q=caf&sort={sort}")).await, ["cup"]);
    }
    assert_eq!(all(&alice, "q=caf").await, Vec::<String>::new());
    let renamed = json!({"name": "Tasse", "skus": [{"sku": "cup"}]});
    let renamed =
        shop.request(reqwest::Method::PUT, "/v1/products/cup").header("If-Match", "*").json(&renamed);
    assert_eq!(shop.send(renamed).await.status, 200);
    assert_eq!((all(&alice, "q=caf").await.len(), all(&alice, "q=tas").await), (0, vec!["cup".to_owned()]));

    // An item of a list says what a buyer needs to choose.
    let first = &alice.get("/v1/products?q=mug%20&tag=none").await.body;
    assert_eq!(first, &json!({"products": []}));
    let item = &alice.get("/v1/products?tag=office").await.body["products"][0];
    assert_eq!(
        item,
        &json!({"product": "pen", "name": "a pen", "tags": ["new", "office"], "sale_state": "on_sale",
                "price_from_won": 2_000, "price_to_won": 2_000, "discount_ratio": 0.0, "available": 1})
    );
    let cursor = shop.get("/v1/products?limit=1").await.text("next").to_owned();
    for bad in [
        "limit=0",
        "limit=101",
        "sort=size",
        "q=",
        "q=%20!",
        "q=a%20b%20c%20d%20e%20f%20g%20h%20i",
        "after=x",
        "colour=red",
        "sale_state=sold",
        "category=",
        "tag=%20",
        &format!("sort=price&after={cursor}"),
    ] {
        let refused = shop.get(&format!("/v1/products?{bad}")).await;
        assert_eq!((refused.status, refused.problem()), (422, "unprocessable"), "{bad}");
    }
    assert_eq!(alice.get("/v1/products?sale_state=archived").await.status, 403);
    world.finish().await;
}

#[tokio::test]
async fn anybody_sees_what_buyers_see_and_caches_may_show_it_to_all() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 10).await;
    shop.stock("old", 10).await;
    for (product, sku, is_active) in [("mug", "mug", true), ("old", "old", false)] {
        let body = json!({"name": product, "is_active": is_active, "skus": [{"sku": sku}]});
        assert_eq!(shop.put(&format!("/v1/products/{product}"), &body).await.status, 201);
    }
    let anybody = reqwest::Client::new();
    let get = async |path: &str| shop.send(anybody.get(format!("{}{path}", shop.base))).await;
    for path in ["/v1/products", "/v1/products/mug", "/v1/products/popular"] {
        let shown = get(path).await;
        assert_eq!(shown.status, 200, "{shown:?}");
        assert_eq!(shown.headers["cache-control"], "public, max-age=5");
        let tag = shown.headers["etag"].clone();
        let again = shop.send(anybody.get(format!("{}{path}", shop.base)).header("If-None-Match", tag)).await;
        assert_eq!(again.status, 304);
        assert_eq!(shop.with_token("made-up").get(path).await.status, 401);
        assert_eq!(shop.get(path).await.headers["cache-control"], "private, no-cache");
    }
    assert_eq!(get("/v1/products").await.body["products"].as_array().unwrap().len(), 1);
    assert_eq!(get("/v1/products/old").await.status, 404);
    assert_eq!(get("/v1/products?sale_state=inactive").await.status, 403);
    assert_eq!(shop.send(anybody.delete(format!("{}/v1/products/mug", shop.base))).await.status, 401);
    assert_eq!(get("/v1/skus/mug").await.status, 401);
    world.finish().await;
}
