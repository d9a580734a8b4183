//! Pages for buyers at `/shop`: a front end as any shop may have one of its own. It calls `/v1` in this process with what
//! the buyer's browser shows, and knows nothing that the API does not tell.

pub mod addresses;
pub mod answers;
pub mod api;
pub mod assets;
pub mod cookies;
pub mod frame;
pub mod pages;
pub mod refused;
pub mod settings;
pub mod visitor;
pub mod words;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, get, post};
use chrono_tz::Tz;
use tower_http::services::ServeDir;

use self::api::Api;
use self::pages::{cart, checkout, orders, paying, products, sign_in, wallet};
use self::refused::Refused;
use self::settings::ShopFront;

/// What every page shares.
#[derive(Clone)]
pub struct Shop {
    api: Api,
    front: Arc<ShopFront>,
    time_zone: Tz,
    behind_tls: bool,
}

/// Where each page is and what answers. What only changes something has no page of its own to read.
pub fn pages() -> Vec<(&'static str, MethodRouter<Shop>)> {
    vec![
        ("/shop", get(products::list)),
        ("/shop/products/{product}", get(products::show)),
        ("/shop/products/{product}/live", get(products::live)),
        ("/shop/products/{product}/order", post(checkout::order_now)),
        ("/shop/cart", get(cart::show).post(cart::put)),
        ("/shop/cart/change", post(cart::change)),
        ("/shop/checkout", get(checkout::form).post(checkout::check_out)),
        ("/shop/orders", get(orders::list)),
        ("/shop/orders/{id}", get(orders::show)),
        ("/shop/orders/{id}/state", get(orders::state)),
        ("/shop/orders/{id}/cancel", post(orders::cancel)),
        ("/shop/orders/{id}/extend", post(orders::extend)),
        ("/shop/orders/{id}/return", post(orders::give_back)),
        ("/shop/orders/{id}/again", post(orders::again)),
        ("/shop/orders/{id}/pay", post(paying::pay)),
        ("/shop/orders/{id}/paid", get(paying::came_back)),
        ("/shop/orders/{id}/not-paid", get(paying::came_back_in_vain)),
        ("/shop/wallet", get(wallet::show).post(wallet::charge)),
        ("/shop/wallet/{id}", get(wallet::show_charge)),
        ("/shop/wallet/{id}/paid", get(wallet::came_back)),
        ("/shop/sign-in", get(sign_in::form).post(sign_in::ask_for_link)),
        ("/shop/sign-in/confirm", get(sign_in::confirm_form).post(sign_in::confirm)),
        ("/shop/sign-out", post(sign_in::sign_out)),
        ("/shop/language", post(sign_in::choose_language)),
    ]
}

/// The pages over an API, which is asked as if by the buyer's own browser.
pub fn router(api: Router, front: Arc<ShopFront>, time_zone: Tz, behind_tls: bool) -> Router {
    let pictures = front.pictures.clone();
    // A cookie that pays goes over nothing else where buyers come by https.
    let behind_tls = behind_tls || front.url.is_https();
    let shop = Shop { api: Api::new(api), front, time_zone, behind_tls };
    let no_method = async || Refused::of_status(StatusCode::METHOD_NOT_ALLOWED);
    let pages = pages()
        .into_iter()
        .fold(Router::new(), |router, (path, page)| router.route(path, page.fallback(no_method)));
    pages
        .route("/shop/assets/{name}", get(assets::serve))
        .route("/shop/{*elsewhere}", any(async || Refused::not_found()))
        .merge(pictures.map(served).unwrap_or_default())
        .route_layer(from_fn_with_state(shop.clone(), frame::finish))
        .with_state(shop)
}

/// The shop's own pictures.
fn served(folder: PathBuf) -> Router<Shop> {
    Router::new().nest_service("/shop/pictures", ServeDir::new(folder))
}
