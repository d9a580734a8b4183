//! The console's pages about orders: they work without scripts, and what strangers wrote stays text.

use holdfast::store::operators::tokens::Role;
use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::json;

use crate::support::client::Client;
use crate::support::world::World;

/// A browser of somebody who is signed in with a token.
pub struct Browser {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Browser {
    pub async fn of(world: &World, shop: &Client, role: Role) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Self { http, base: shop.base.clone(), token: world.token(role, None).await }
    }

    /// The status of a page and its text.
    pub async fn page(&self, path: &str) -> (u16, String) {
        let request = self.http.request(Method::GET, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Sends a form; the status and where it leads.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+"))).collect();
        let request =
            self.http.request(Method::POST, format!("{}{path}", self.base)).bearer_auth(&self.token);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(body.join("&")).send().await.unwrap();
        let leads_to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status().as_u16(), leads_to.unwrap_or_default())
    }
}

/// The value of a hidden field of a page.
pub fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[tokio::test]
async fn an_operator_finds_an_order_refunds_a_part_of_it_and_cancels_another() {
    let (world, shop) = World::running().await;
    let operator = Browser::of(&world, &shop, Role::Operator).await;
    shop.stock("mug", 10).await;
    shop.charge(5_000).await;
    let paid = shop.place("mug", 2, 600).await.text("id").to_owned();
    shop.pay(&paid).await;
    let held = shop.place("mug", 1, 600).await.text("id").to_owned();

    let (status, list) = operator.page("/ops/orders?status=paid&order=").await;
    assert_eq!(status, 200);
    assert!(list.contains(&paid) && !list.contains(&held), "{list}");
    assert!(operator.page("/ops/orders?from=yesterday").await.1.contains("role=\"alert\""));
    let path = format!("/ops/orders/{paid}");
    let (_, page) = operator.page(&path).await;
    for part in
        ["Give the money back", "The order is paid", "2,000 won", "Timeline", "Units of mug, at most 2"]
    {
        assert!(page.contains(part), "no {part} in {page}");
    }
    let key = hidden(&page, "key");
    let fields = [
        ("key", key.as_str()),
        ("sku", "mug"),
        ("quantity", "1"),
        ("becomes", "write_off"),
        ("reason", "it broke"),
    ];
    for _ in 0..2 {
        assert_eq!(operator.submit(&format!("{path}/refund"), &fields).await, (303, path.clone()));
    }
    let (_, page) = operator.page(&path).await;
    assert!(page.contains("partly_refunded") && page.contains("1 × mug (written off)"), "{page}");
    assert!(page.contains("Units of mug, at most 1"));

    let path = format!("/ops/orders/{held}");
    assert!(operator.page(&path).await.1.contains("Cancel the order"));
    let cancelled = operator.submit(&format!("{path}/cancel"), &[("reason", "the buyer called")]).await;
    assert_eq!(cancelled, (303, path.clone()));
    let (_, page) = operator.page(&path).await;
    assert!(page.contains("the buyer called") && !page.contains("Cancel the order"), "{page}");
    assert_eq!(operator.submit(&format!("/ops/orders/{paid}/cancel"), &[("reason", "no")]).await.0, 409);
    assert_eq!(operator.submit(&format!("/ops/orders/{paid}/resolve"), &[("reason", "")]).await.0, 422);
    world.finish().await;
}

#[tokio::test]
async fn a_viewer_sees_no_forms_and_what_strangers_wrote_is_never_markup() {
    let (world, shop) = World::running().await;
    let viewer = Browser::of(&world, &shop, Role::Viewer).await;
    let evil = "<script>alert(1)</script>\"'><img src=x>";
    let shop = shop.as_customer("<b>mallory</b>");
    shop.put("/v1/skus/mug", &json!({"name": evil, "price_won": 0, "on_hand": 5})).await;
    let order = shop.place("mug", 1, 600).await.text("id").to_owned();
    for path in [
        "/ops/orders".to_owned(),
        "/ops/orders?customer=<b>mallory</b>".to_owned(),
        "/ops/orders?payment=%22%3E%3Cscript%3E".to_owned(),
        format!("/ops/orders/{order}"),
        "/ops/stock?text=%3Cscript%3E".to_owned(),
        "/ops/stock".to_owned(),
        "/ops/stock/mug".to_owned(),
    ] {
        let (status, page) = viewer.page(&path).await;
        assert_eq!(status, 200, "{path}");
        assert!(
            !page.contains("<script>") && !page.contains("<b>mallory") && !page.contains("<img src=x"),
            "{path}"
        );
        assert!(!page.contains("class=\"sheet act\""), "{path} offers an action to a viewer");
    }
    assert_eq!(viewer.submit(&format!("/ops/orders/{order}/cancel"), &[("reason", "no")]).await.0, 403);
    assert_eq!(viewer.page("/ops/orders/mug").await.0, 404);
    world.finish().await;
}
