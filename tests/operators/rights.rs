//! Who may call what, for every route there is: the cases are made from the route table, so that a new route without a
//! decision of its own fails here.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use holdfast::router;
use holdfast::store::operators::tokens::Role;

use crate::support::world::World;

/// Who a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    Guest,
    Viewer,
    Operator,
    Admin,
    Shop,
    OtherCustomer,
}

/// One method of one route.
#[derive(Debug, Clone)]
struct Route {
    method: Method,
    template: String,
}

/// What anybody may call: the gateway signs its webhooks, probes have no token, and anybody may become a guest or sign in.
const OPEN: [(&str, &str); 5] = [
    ("POST", "/v1/webhooks/{provider}"),
    ("GET", "/readyz"),
    ("POST", "/v1/cart/guests"),
    ("POST", "/v1/sign-ins"),
    ("POST", "/v1/sessions"),
];
/// What anybody may read.
const FOR_ANYBODY: [(&str, &str); 3] =
    [("GET", "/v1/products"), ("GET", "/v1/products/popular"), ("GET", "/v1/products/{product}")];
/// What ends a session, which no token of this test is.
const OF_SESSIONS: [(&str, &str); 1] = [("DELETE", "/v1/sessions/current")];
/// What a guest does beside, with a secret and no token.
const FOR_GUESTS: [(&str, &str); 5] = [
    ("GET", "/v1/cart"),
    ("DELETE", "/v1/cart"),
    ("PUT", "/v1/cart/items/{sku}"),
    ("POST", "/v1/cart/items/{sku}"),
    ("DELETE", "/v1/cart/items/{sku}"),
];
/// What every token may read.
const FOR_ANY_TOKEN: [(&str, &str); 3] =
    [("GET", "/v1/skus"), ("GET", "/v1/skus/{sku}"), ("GET", "/v1/popular")];
/// What shops do, and operators for them.
const FOR_SHOPS_AND_OPERATORS: [(&str, &str); 13] = [
    ("PUT", "/v1/skus/{sku}"),
    ("PATCH", "/v1/skus/{sku}"),
    ("POST", "/v1/skus/{sku}/receipts"),
    ("PUT", "/v1/products/{product}"),
    ("PATCH", "/v1/products/{product}"),
    ("DELETE", "/v1/products/{product}"),
    ("POST", "/v1/catalogue/import"),
    ("GET", "/v1/catalogue/export"),
    ("POST", "/v1/points/charges"),
    ("POST", "/v1/orders/{id}/refunds"),
    ("GET", "/v1/orders/{id}/refunds"),
    ("GET", "/v1/customer"),
    ("PUT", "/v1/customer"),
];

fn documented() -> Vec<Route> {
    let document: Value = serde_json::from_str(&router::openapi().to_json().unwrap()).unwrap();
    let mut routes = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            routes.push(Route { method, template: template.clone() });
        }
    }
    routes
}

/// Every page, by both methods a browser knows.
fn pages() -> Vec<Route> {
    let templates = router::pages().into_iter().map(|(template, _)| template.to_owned());
    templates
        .flat_map(|template| {
            [Method::GET, Method::POST].map(|method| Route { method, template: template.clone() })
        })
        .collect()
}

fn is_one_of(route: &Route, list: &[(&str, &str)]) -> bool {
    list.contains(&(route.method.as_str(), route.template.as_str()))
}

/// Whether an answer fits: the right to call comes before everything else that may be wrong with a request.
fn fits(route: &Route, caller: Caller, status: StatusCode) -> bool {
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
    let is_page = route.template.starts_with("/ops");
    let is_for_operators = is_page || route.template.starts_with("/v1/ops/");
    let is_for_admins = route.template.contains("/tokens");
    // Pages are tried with both methods that browsers know; one that is not there does nothing.
    if is_one_of(route, &OPEN) || (is_page && status == StatusCode::METHOD_NOT_ALLOWED) {
        return true;
    }
    if is_one_of(route, &FOR_ANYBODY) || (caller == Caller::Guest && is_one_of(route, &FOR_GUESTS)) {
        return !refused;
    }
    if [Caller::Nobody, Caller::Guest].contains(&caller) {
        return status == if is_page { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
    }
    if is_one_of(route, &OF_SESSIONS) {
        return status == StatusCode::FORBIDDEN;
    }
    if is_for_operators {
        return match caller {
            Caller::Shop | Caller::OtherCustomer => status == StatusCode::FORBIDDEN,
            Caller::Viewer if is_for_admins || !route.method.is_safe() => status == StatusCode::FORBIDDEN,
            Caller::Operator if is_for_admins => status == StatusCode::FORBIDDEN,
            _ => !refused,
        };
    }
    if is_one_of(route, &FOR_ANY_TOKEN) {
        return !refused;
    }
    match caller {
        Caller::Shop => !refused,
        Caller::Viewer => status == StatusCode::FORBIDDEN,
        Caller::Operator | Caller::Admin if is_one_of(route, &FOR_SHOPS_AND_OPERATORS) => true,
        Caller::Operator | Caller::Admin => status == StatusCode::FORBIDDEN,
        // Whether cards are taken at all comes first, and in this world they are not.
        Caller::OtherCustomer if route.template == "/v1/wallet/charges/{id}/payments" => {
            status == StatusCode::UNPROCESSABLE_ENTITY
        }
        // Another's order or charge is not there; whatever has no id is the customer's own, or not for customers.
        Caller::OtherCustomer if route.template.contains("{id}") => {
            [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&status)
        }
        Caller::OtherCustomer | Caller::Nobody | Caller::Guest => true,
    }
}

/// A body that reads well, where the thing is only looked for once it does.
fn body(route: &Route) -> Value {
    match route.template.as_str() {
        "/v1/orders/{id}/payments" => json!({"method": "wallet"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_is_for_and_nobody_else() {
    let world = World::idle().await;
    world.start_all_workers();
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    let order = shop.place("mug", 1, 600).await.text("id").to_owned();

    let guest = format!("hfg_{}", "0".repeat(64));
    let mut tokens = vec![(Caller::Nobody, None), (Caller::Guest, None)];
    for (caller, role, customer) in [
        (Caller::Viewer, Role::Viewer, None),
        (Caller::Operator, Role::Operator, None),
        (Caller::Admin, Role::Admin, None),
        (Caller::Shop, Role::Shop, None),
        (Caller::OtherCustomer, Role::Customer, Some("mallory")),
    ] {
        tokens.push((caller, Some(world.token(role, customer).await)));
    }

    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let routes: Vec<Route> = documented().into_iter().chain(pages()).collect();
    assert!(routes.iter().filter(|route| route.template.contains("/ops")).count() > 6, "{routes:?}");
    let mut wrong = Vec::new();
    for route in &routes {
        let path =
            route.template.replace("{id}", &order).replace("{sku}", "mug").replace("{pool}", "order.hold");
        let path = path
            .replace("{product}", "mug")
            .replace("{name}", "nobody")
            .replace("{provider}", "toss")
            .replace("{payment}", &order);
        assert!(!path.contains('{'), "the test does not know what to put into {}", route.template);
        for (caller, token) in &tokens {
            let mut request = http.request(route.method.clone(), format!("{}{path}", shop.base));
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if *caller == Caller::Guest {
                request = request.header("Holdfast-Guest", &guest);
            }
            if *caller == Caller::Shop {
                request = request.header("Holdfast-Customer", &shop.customer);
            }
            if !route.method.is_safe() {
                request = request.header("Idempotency-Key", "a-key").json(&body(route));
            }
            let status = request.send().await.unwrap().status();
            if status.is_server_error() || !fits(route, *caller, status) {
                wrong.push(format!("{} {} as {caller:?}: {status}", route.method, route.template));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    world.finish().await;
}
