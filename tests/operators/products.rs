//! The console's pages about products: made, changed, sold in their time, archived and brought back, each written down.

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::order_pages::hidden;
use crate::support::browser::Browser;
use crate::support::client::Client;
use crate::support::world::World;

/// Somebody signed in to the console.
struct Desk {
    browser: Browser,
    cookie: String,
}

impl Desk {
    async fn of(world: &World, shop: &Client, name: &str, role: Role) -> Self {
        let browser = Browser::at(&shop.base);
        let cookie = browser.sign_in(&world.named_token(name, role).await).await;
        Self { browser, cookie }
    }

    async fn page(&self, path: &str) -> (u16, String) {
        let answer = self.browser.get(path, &[("Cookie", &self.cookie)]).await;
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Sends a form: its status, where it leads, and the page that it answers with.
    async fn send(&self, path: &str, form: &[(&str, &str)]) -> (u16, String, String) {
        let answer = self.browser.submit(path, form, &self.cookie).await;
        let status = answer.status().as_u16();
        let leads_to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (status, leads_to.unwrap_or_default(), answer.text().await.unwrap())
    }

    /// Sends a form of a product's page with the version that the page shows.
    async fn act(&self, path: &str, product: &str, form: &[(&str, &str)]) -> u16 {
        let (_, page) = self.page(product).await;
        let version = hidden(&page, "version");
        let mut form = form.to_vec();
        form.push(("version", &version));
        self.send(path, &form).await.0
    }
}

/// A form with other fields in place of some.
fn with<'a>(form: &[(&'a str, &'a str)], others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let stays = form.iter().filter(|(name, _)| others.iter().all(|(other, _)| other != name));
    stays.chain(others).copied().collect()
}

const SHIRT: [(&str, &str); 10] = [
    ("name", "셔츠 <b>"),
    ("description", "# Soft\r\n</textarea><script>"),
    ("description_format", "markdown"),
    ("image_urls", "/shirt.png\r\nhttps://cdn.example.com/shirt.png"),
    ("category", "옷"),
    ("tags", "new, \"a, b\""),
    ("is_active", "true"),
    ("options", "size: S, M\r\n"),
    ("skus", "shirt-s: S\r\nshirt-m: M"),
    ("reason", "the season begins"),
];

async fn audited(world: &World, product: &str) -> Vec<Value> {
    let sql = "SELECT jsonb_build_array(actor, action, before, after, reason) FROM operator_actions
                WHERE subject_kind = 'product' AND subject_id = $1 ORDER BY id";
    sqlx::query_scalar(sql).bind(product).fetch_all(&world.pool).await.unwrap()
}

async fn shop_with_shirts(world: &World) -> Client {
    let shop = world.start_api().await;
    shop.stock("shirt-s", 3).await;
    shop.stock("shirt-m", 0).await;
    shop
}

#[tokio::test]
async fn an_operator_makes_changes_and_sells_a_product_archives_it_and_brings_it_back() {
    let world = World::idle().await;
    let shop = shop_with_shirts(&world).await;
    let olga = Desk::of(&world, &shop, "olga", Role::Operator).await;
    let path = "/ops/products/shirt";

    assert!(olga.page("/ops/products/new").await.1.contains("name=\"product\""));
    let made = olga.send("/ops/products/new", &with(&SHIRT, &[("product", "shirt")])).await;
    assert_eq!((made.0, made.1.as_str()), (303, path), "{}", made.2);
    let product = shop.get("/v1/products/shirt").await.body;
    assert_eq!(
        (&product["tags"], &product["category"], &product["description"]),
        (&json!(["new", "a, b"]), &json!("옷"), &json!("# Soft\n</textarea><script>"))
    );
    assert_eq!(product["skus"][1]["choices"], json!(["M"]));
    let (_, page) = olga.page(path).await;
    for part in ["href=\"/ops/stock/shirt-s\"", "1,000 won", "src=\"/shirt.png\"", "shirt-m: M", "Asia/Seoul"]
    {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(
        !page.contains("셔츠 <b>") && !page.contains("<script>") && !page.contains("src=\"https://"),
        "{page}"
    );

    // What is sent as it was shown changes nothing, and is not written down.
    assert_eq!(olga.act(path, path, &SHIRT).await, 303);
    let other = with(&SHIRT, &[("name", "Shirt"), ("skus", "shirt-s: S"), ("reason", "M is gone")]);
    assert_eq!(olga.act(path, path, &other).await, 303);
    assert_eq!(shop.get("/v1/products/shirt").await.body["skus"].as_array().unwrap().len(), 1);

    // A day of the shop's own clock.
    let sale = format!("{path}/sale");
    let fields =
        [("sale_from", "2030-01-01T00:00"), ("sale_until", "2030-01-02T00:00:00"), ("is_active", "true")];
    let fields = with(&fields, &[("reason", "new year"), ("button", "save")]);
    assert_eq!(olga.act(&sale, path, &fields).await, 303);
    let product = shop.get("/v1/products/shirt").await.body;
    assert_eq!(product["sale_from"], "2029-12-31T15:00:00Z");
    assert_eq!(
        (&product["sale_state"], &product["sale_until"]),
        (&json!("upcoming"), &json!("2030-01-01T15:00:00Z"))
    );
    let sku = shop.get("/v1/skus/shirt-s").await.body;
    assert_eq!(sku["sale_from"], "2029-12-31T15:00:00Z", "the sale is that of its SKUs: {sku}");
    assert!(olga.page(path).await.1.contains("2030-01-01 00:00:00 KST"));
    let found = olga.page("/ops/products?text=shi&state=upcoming").await.1;
    assert!(
        found.contains(&format!("href=\"{path}\"")) && found.contains("2030-01-02 00:00:00 KST"),
        "{found}"
    );
    assert!(olga.page("/ops/products?text=shi&state=ended").await.1.contains("No product fits"));
    assert!(olga.page("/ops/products?text=%21").await.1.contains("role=\"alert\""));
    for (button, state) in [("off", "inactive"), ("on", "on_sale")] {
        assert_eq!(olga.act(&sale, path, &[("button", button), ("reason", button)]).await, 303);
        assert_eq!(shop.get("/v1/products/shirt").await.body["sale_state"], state);
    }

    assert_eq!(olga.act(&format!("{path}/archive"), path, &[("reason", "over")]).await, 303);
    assert!(olga.page("/ops/products?state=archived").await.1.contains(path));
    assert!(!olga.page("/ops/products").await.1.contains(path));
    assert_eq!(olga.act(&format!("{path}/restore"), path, &[("reason", "not over")]).await, 303);
    assert_eq!(shop.get("/v1/products/shirt").await.body["sale_state"], "on_sale");

    let rows = audited(&world, "shirt").await;
    let acts: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row[1], &row[4])).collect();
    let change = json!("product.change");
    let reasons =
        ["the season begins", "M is gone", "new year", "off", "on", "over", "not over"].map(Value::from);
    let archive = json!("product.archive");
    let expected: Vec<(&Value, &Value)> =
        reasons.iter().map(|reason| (if reason == "over" { &archive } else { &change }, reason)).collect();
    assert_eq!(acts, expected);
    assert_eq!(
        (&rows[0][0], &rows[0][2], &rows[0][3]["name"]),
        (&json!("olga"), &Value::Null, &json!("셔츠 <b>"))
    );
    assert_eq!(rows[3][2], json!({"is_active": true}));
    assert_eq!((&rows[5][2], &rows[5][3]), (&json!({"is_archived": false}), &json!({"is_archived": true})));
    world.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_told_beside_it_and_nothing_that_was_typed_is_lost() {
    let world = World::idle().await;
    let shop = shop_with_shirts(&world).await;
    let olga = Desk::of(&world, &shop, "olga", Role::Operator).await;
    let path = "/ops/products/shirt";
    let new = with(&SHIRT, &[("product", "shirt"), ("reason", " ")]);
    let (status, _, page) = olga.send("/ops/products/new", &new).await;
    assert!(status == 422 && page.contains("Reason must be") && page.contains("shirt-m: M"), "{page}");
    assert_eq!(olga.send("/ops/products/new", &with(&SHIRT, &[("product", "shirt")])).await.0, 303);
    let (status, _, page) = olga.send("/ops/products/new", &with(&SHIRT, &[("product", "shirt")])).await;
    assert!(status == 409 && page.contains("a product of this code already"), "{page}");

    let (_, page) = olga.page(path).await;
    let version = hidden(&page, "version");
    let typed = with(&SHIRT, &[("version", &version), ("category", "socks")]);
    // A description of the longest kind, of which each letter is nine in a form.
    let long = "가".repeat(10_000);
    for (field, value, status, told) in [
        ("options", "size", 422, "Options must be"),
        ("options", "size: \"S", 422, "Options must be"),
        ("skus", "shirt-s: L", 422, "SKUs must be"),
        ("skus", "mug: S", 422, "there is no SKU mug"),
        ("tags", "a, a", 422, "Tags must be"),
        ("image_urls", "javascript:alert(1)", 422, "Pictures must be"),
        ("sale_until", "soon", 422, "Sale until must be"),
        ("description", &format!("{long}!"), 422, "Description must be"),
        ("reason", "", 422, "Reason must be"),
    ] {
        let (found, _, page) = olga.send(path, &with(&typed, &[(field, value)])).await;
        assert_eq!(found, status, "{field}");
        assert!(page.contains(told) && page.contains("value=\"socks\""), "{field}: {page}");
        assert!(told.starts_with("there") || page.contains("aria-invalid=\"true\""), "{field}: {page}");
    }
    let sale =
        [("version", &*version), ("sale_from", "2030-01-02T00:00"), ("sale_until", "2030-01-01T00:00")];
    let (status, _, page) = olga.send(&format!("{path}/sale"), &with(&sale, &[("reason", "new year")])).await;
    assert!(status == 422 && page.contains("later than") && page.contains("value=\"new year\""), "{page}");
    let (status, _, page) =
        olga.send(&format!("{path}/archive"), &[("version", &version), ("reason", "")]).await;
    assert!(status == 422 && page.contains("Reason must be"), "{page}");

    // Somebody else is faster.
    let patched = shop.patch("/v1/products/shirt", &json!({"name": "Hemd"})).await;
    assert_eq!(patched.status, 200);
    let mine = with(&typed, &[("description", &long)]);
    let (status, _, page) = olga.send(path, &mine).await;
    assert!(status == 412 && page.contains("Somebody else has changed it"), "{page}");
    assert!(
        page.contains("<pre>Hemd</pre>") && page.contains("value=\"socks\"") && page.contains(&long),
        "{page}"
    );
    assert_eq!(
        olga.send(&format!("{path}/sale"), &[("version", &version), ("button", "off"), ("reason", "x")])
            .await
            .0,
        412
    );
    assert_eq!(olga.send(&format!("{path}/archive"), &[("version", &version), ("reason", "x")]).await.0, 412);
    assert_eq!(shop.get("/v1/products/shirt").await.body["name"], "Hemd");
    let seen = hidden(page.split_once("id=\"all\"").unwrap().1, "version");
    assert_ne!(seen, version);
    assert_eq!(olga.send(path, &with(&mine, &[("version", &seen)])).await.0, 303);
    let rows = audited(&world, "shirt").await;
    assert_eq!(rows.len(), 2);
    let told = rows[1][3]["description"].as_str().unwrap();
    assert!(told.ends_with("가… (10000 characters)") && told.chars().count() < 600, "{told}");

    // A SKU of another product, and the code that is an address, too.
    let other = with(&SHIRT, &[("product", "new"), ("skus", ""), ("reason", "why not")]);
    let to = olga.send("/ops/products/new", &other).await.1;
    assert!(
        to != "/ops/products/new" && olga.page(&to).await.1.contains("<span class=\"mono\">new</span>"),
        "{to}"
    );
    let (status, _, page) = olga.send(&to, &with(&SHIRT, &[("version", "1")])).await;
    assert!(status == 409 && page.contains("belongs to another product"), "{page}");
    world.finish().await;
}

#[tokio::test]
async fn viewers_change_no_product_and_operators_leave_a_row_by_the_api_too() {
    let world = World::idle().await;
    let shop = shop_with_shirts(&world).await;
    let shirt = json!({"name": "Shirt", "skus": [{"sku": "shirt-s"}]});
    assert_eq!(shop.put("/v1/products/shirt", &shirt).await.status, 201);
    let vera = Desk::of(&world, &shop, "vera", Role::Viewer).await;
    let (status, page) = vera.page("/ops/products/shirt").await;
    assert!(status == 200 && !page.contains("class=\"sheet act\"") && page.contains("shirt-s"), "{page}");
    assert!(!vera.page("/ops/products/new").await.1.contains("class=\"sheet act\""));
    assert!(!vera.page("/ops/products").await.1.contains("Make a product"));
    let form = with(&SHIRT, &[("product", "hat"), ("version", "1")]);
    for path in ["new", "shirt", "shirt/sale", "shirt/archive", "shirt/restore"] {
        assert_eq!(vera.send(&format!("/ops/products/{path}"), &form).await.0, 403, "{path}");
    }
    assert_eq!(vera.page("/ops/products/hat").await.0, 404);

    let olga = shop.with_token(&world.named_token("olga", Role::Operator).await);
    let call = async |method: Method, reason: &str, body: Option<&Value>| {
        let mut request = olga.request(method, "/v1/products/shirt").header("If-Match", "*");
        if !reason.is_empty() {
            request = request.header("Holdfast-Reason", reason.as_bytes());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        olga.send(request).await.status
    };
    assert_eq!(call(Method::PATCH, "시즌", Some(&json!({"name": "Hemd"}))).await, 200);
    assert_eq!(call(Method::PATCH, "again", Some(&json!({"name": "Hemd"}))).await, 200);
    assert_eq!(call(Method::DELETE, "", None).await, 204);
    assert_eq!(call(Method::DELETE, "", None).await, 204);
    assert_eq!(call(Method::PUT, &"x".repeat(501), Some(&shirt)).await, 400);
    assert_eq!(call(Method::PUT, "back", Some(&shirt)).await, 200);
    let named =
        |before: Value, after: Value, act: &str, reason: Value| json!(["olga", act, before, after, reason]);
    assert_eq!(
        audited(&world, "shirt").await,
        [
            named(json!({"name": "Shirt"}), json!({"name": "Hemd"}), "product.change", json!("시즌")),
            named(
                json!({"is_archived": false}),
                json!({"is_archived": true}),
                "product.archive",
                Value::Null
            ),
            named(
                json!({"name": "Hemd", "is_archived": true}),
                json!({"name": "Shirt", "is_archived": false}),
                "product.change",
                json!("back")
            ),
        ]
    );
    world.finish().await;
}
