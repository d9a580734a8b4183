//! Every route: the gateway's API, the checkout window, the controls.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

use crate::world::World;
use crate::{api, checkout, control};

pub(crate) fn routes(world: Arc<World>) -> Router {
    Router::new()
        .route("/v1/payments/confirm", post(api::confirm))
        .route("/v1/payments/{payment_key}", get(api::find))
        .route("/v1/payments/orders/{order_id}", get(api::find_by_order))
        .route("/v1/payments/{payment_key}/cancel", post(api::cancel))
        .route("/v1/transactions", get(api::transactions))
        .route("/checkout", get(checkout::window).post(checkout::decide))
        .route("/control/payments", post(control::create_payment))
        .route(
            "/control/faults",
            get(control::faults)
                .put(control::replace_faults)
                .post(control::add_faults)
                .delete(control::clear_faults),
        )
        .route("/control/books", get(control::books))
        .route("/control/settings", put(control::change_settings))
        .route("/control/clock", post(control::advance_clock))
        .route("/control/webhooks", get(control::webhooks))
        .route("/control/webhooks/{id}/resend", post(control::resend_webhook))
        .route("/livez", get(async || "alive\n"))
        .fallback(api::nothing)
        .with_state(world)
}
