//! Every route: a table of contents.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse as _;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::http::app::App;
use crate::http::error::ApiError;
use crate::http::{events, health, orders, payments, skus, wallets};
use crate::message::MAX_BODY_BYTES;
use crate::telemetry;

#[derive(OpenApi)]
#[openapi(
    info(title = "Holdfast", description = "Holds stock for an order, takes payment, gives unpaid stock back."),
    security(("token" = []))
)]
struct Api;

/// The documented routes.
fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(orders::place, orders::list))
        .routes(routes!(orders::read))
        .routes(routes!(events::follow))
        .routes(routes!(orders::cancel))
        .routes(routes!(orders::extend))
        .routes(routes!(payments::pay))
        .routes(routes!(wallets::read))
        .routes(routes!(wallets::charge))
        .routes(routes!(skus::put, skus::read))
        .routes(routes!(health::ready))
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let (_, mut document) = documented().split_for_parts();
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document.components.get_or_insert_default().add_security_scheme("token", bearer);
    document
}

/// The whole API.
pub fn router(app: App) -> Router {
    let (routes, _) = documented().split_for_parts();
    routes
        .merge(telemetry::routes())
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi()))
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(CatchPanicLayer::custom(|_| ApiError::Internal.into_response()))
        .with_state(app)
}
