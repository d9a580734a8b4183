//! Every route: a table of contents.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::routes::{
    carts, catalogue, charges, checkout, customers, events, health, histories, lines, orders, payments,
    popular, product_lists, products, receipts, refunds, sessions, sign_ins, sku_lists, skus, wallets,
    webhooks,
};
use crate::http::{body, document, observe, problem};
use crate::message::MAX_BODY_BYTES;
use crate::ops::console::{self, sign_in};
use crate::ops::dead_letters::replays::{api, pages};
use crate::ops::{self, rights};
use crate::shop::settings::ShopFront;
use crate::{shop, telemetry};

#[derive(OpenApi)]
#[openapi(
    info(title = "Holdfast", description = "Holds stock for an order, takes payment, gives unpaid stock back."),
    security(("token" = []))
)]
struct Api;

/// What back ends and customers call.
fn shops() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(orders::place))
        .routes(routes!(orders::read))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::extend))
        .routes(routes!(checkout::check_out))
        .routes(routes!(payments::pay))
        .routes(routes!(refunds::refund, refunds::list))
        .routes(routes!(webhooks::receive))
        .routes(routes!(wallets::read))
        .routes(routes!(wallets::charge))
        .routes(routes!(charges::read))
        .routes(routes!(charges::pay))
        .routes(routes!(wallets::read_points))
        .routes(routes!(wallets::charge_points))
        .routes(routes!(customers::read, customers::put))
        .routes(routes!(health::ready))
}

/// What they may wait for while orders go on: lists, the catalogue, carts, signing in and streams.
fn reads() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(orders::list))
        .routes(routes!(lines::place_in_line))
        .routes(routes!(histories::read))
        .routes(routes!(events::follow))
        .routes(routes!(sku_lists::list))
        .routes(routes!(skus::put, skus::patch, skus::read))
        .routes(routes!(receipts::receive))
        .routes(routes!(product_lists::list))
        .routes(routes!(products::read, products::put, products::patch, products::archive))
        .routes(routes!(popular::list))
        .routes(routes!(carts::read, carts::clear))
        .routes(routes!(carts::put, carts::add, carts::remove))
        .routes(routes!(carts::become_guest))
        .routes(routes!(carts::merge_guests))
        .routes(routes!(sign_ins::ask))
        .routes(routes!(sessions::begin))
        .routes(routes!(sessions::end))
        .routes(routes!(popular::products))
        .routes(routes!(catalogue::take_in))
        .routes(routes!(catalogue::take_out))
}

/// What operators call, behind the guard.
fn operators() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(ops::actions::api::list))
        .routes(routes!(ops::access::api::list, ops::access::api::create))
        .routes(routes!(ops::access::api::revoke))
        .routes(routes!(ops::dead_letters::api::list))
        .routes(routes!(ops::dead_letters::api::groups))
        .routes(routes!(ops::dead_letters::api::export))
        .routes(routes!(ops::dead_letters::api::discard))
        .routes(routes!(ops::dead_letters::api::restore))
        .routes(routes!(ops::dead_letters::api::read))
        .routes(routes!(ops::dead_letters::api::edit))
        .routes(routes!(api::start, api::list))
        .routes(routes!(api::read))
        .routes(routes!(api::items))
        .routes(routes!(api::cancel))
        .routes(routes!(ops::health::api::read))
        .routes(routes!(ops::money::api::list))
        .routes(routes!(ops::queues::api::list))
        .routes(routes!(ops::workers::api::list))
        .routes(routes!(ops::workers::api::pause))
        .routes(routes!(ops::workers::api::resume))
        .routes(routes!(ops::orders::api::search))
        .routes(routes!(ops::orders::api::read))
        .routes(routes!(ops::orders::api::cancel))
        .routes(routes!(ops::orders::api::resolve))
        .routes(routes!(ops::orders::api::settle))
        .routes(routes!(ops::orders::api::refund))
        .routes(routes!(ops::stock::api::list))
        .routes(routes!(ops::stock::api::read))
        .routes(routes!(ops::stock::api::receive))
        .routes(routes!(ops::stock::api::adjust))
}

/// The pages of the operators' console, behind the guard: where they are and what answers. What only changes something
/// has no page of its own to read.
pub fn pages() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/ops", get(ops::health::pages::read)),
        ("/ops/health", get(ops::health::pages::live)),
        ("/ops/queues", get(ops::queues::pages::list)),
        ("/ops/queues/live", get(ops::queues::pages::live)),
        ("/ops/pools/{pool}/pause", post(ops::queues::pages::pause)),
        ("/ops/pools/{pool}/resume", post(ops::queues::pages::resume)),
        ("/ops/actions", get(ops::actions::pages::list)),
        ("/ops/tokens", get(ops::access::pages::list).post(ops::access::pages::create)),
        ("/ops/tokens/revoke", post(ops::access::pages::revoke)),
        ("/ops/dead-letters", get(ops::dead_letters::pages::list).post(ops::dead_letters::pages::act)),
        ("/ops/dead-letters/export", get(ops::dead_letters::api::export)),
        ("/ops/dead-letters/{id}", get(ops::dead_letters::pages::show)),
        (
            "/ops/dead-letters/{id}/edit",
            get(ops::dead_letters::pages::edit_form).post(ops::dead_letters::pages::edit),
        ),
        ("/ops/replays", get(pages::list)),
        ("/ops/replays/{id}", get(pages::show)),
        ("/ops/replays/{id}/cancel", post(pages::cancel)),
        ("/ops/orders", get(ops::orders::pages::search)),
        ("/ops/orders/{id}", get(ops::orders::pages::show)),
        ("/ops/orders/{id}/cancel", post(ops::orders::pages::cancel)),
        ("/ops/orders/{id}/resolve", post(ops::orders::pages::resolve)),
        ("/ops/orders/{id}/settle", post(ops::orders::pages::settle)),
        ("/ops/orders/{id}/refund", post(ops::orders::pages::refund)),
        ("/ops/money", get(ops::money::pages::show)),
        ("/ops/products", get(ops::products::pages::list)),
        ("/ops/products/new", long_form(get(ops::products::pages::new).post(ops::products::acts::make))),
        (
            "/ops/products/{product}",
            long_form(get(ops::products::pages::show).post(ops::products::acts::change)),
        ),
        ("/ops/products/{product}/sale", post(ops::products::acts::set_sale)),
        ("/ops/products/{product}/archive", post(ops::products::acts::archive)),
        ("/ops/products/{product}/restore", post(ops::products::acts::bring_back)),
        ("/ops/stock", get(ops::stock::pages::list)),
        ("/ops/stock/{sku}", get(ops::stock::pages::show)),
        ("/ops/stock/{sku}/receive", post(ops::stock::pages::receive)),
        ("/ops/stock/{sku}/adjust", post(ops::stock::pages::adjust)),
    ]
}

/// A page whose form holds as much as a body of the API: browsers send up to three letters for each byte.
fn long_form(page: MethodRouter<App>) -> MethodRouter<App> {
    page.layer(DefaultBodyLimit::max(3 * MAX_BODY_BYTES))
}

/// What of the console a stranger may see.
fn door() -> Router<App> {
    Router::new()
        .route("/ops/sign-in", get(sign_in::form).post(sign_in::sign_in))
        .route("/ops/sign-out", post(sign_in::sign_out))
        .route("/ops/assets/{name}", get(console::assets::serve))
}

pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = shops().merge(reads()).merge(operators()).split_for_parts();
    document::complete(&mut document);
    document
}

/// Everything that the API's process serves; with pages for buyers, if there is a front for them.
pub fn router(app: App, front: Option<Arc<ShopFront>>) -> Router {
    let (time_zone, behind_tls) = (app.time_zone, app.behind_tls);
    let (for_reads, for_operators) = (app.for_reads(), app.for_operators());
    let guard = from_fn_with_state(for_operators.clone(), rights::guard);
    let (shops, _) = shops().split_for_parts();
    let (reads, _) = reads().split_for_parts();
    let (operators, _) = operators().route_layer(guard.clone()).split_for_parts();
    let guarded = pages().into_iter().fold(Router::new(), |router, (path, page)| router.route(path, page));
    let console = guarded.route_layer(guard).merge(door()).route_layer(from_fn(console::finish));
    let buyers = shops.with_state(app).merge(reads.with_state(for_reads));
    // The pages of the shop call what any other front end calls, through the same layers.
    // What they ask is a part of the request that is observed.
    let shop = front.map(|front| shop::router(finished(buyers.clone()), front, time_zone, behind_tls));
    let all = buyers
        .merge(operators.merge(console).with_state(for_operators))
        .merge(telemetry::routes())
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi()))
        .merge(shop.unwrap_or_default());
    finished(all).layer(from_fn(observe::observe))
}

/// What holds for every request.
fn finished(router: Router) -> Router {
    router
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(from_fn(body::in_time))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(map_response(problem::as_problem))
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal.into_response()))
}
