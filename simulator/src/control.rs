//! The controls: for tests and for whoever wants to see what happens when a gateway fails. They ask for no key.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::books::NewPayment;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::settings::WebhookFormat;
use crate::world::World;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateBody {
    order_id: String,
    amount: i64,
    #[serde(default)]
    order_name: String,
    payment_key: Option<String>,
    #[serde(default = "yes")]
    authenticated: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsBody {
    latency_ms: Option<u64>,
    webhook_url: Option<String>,
    webhook_format: Option<WebhookFormat>,
    webhook_secrets: Option<Vec<String>>,
    webhook_retry_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockBody {
    advance_seconds: u32,
}

/// A payment as if the buyer had gone through the checkout window.
pub(crate) async fn create_payment(
    State(world): State<Arc<World>>,
    Json(body): Json<CreateBody>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let payment = world.open(NewPayment {
        key: body.payment_key,
        order_id: body.order_id,
        order_name: body.order_name,
        amount: body.amount,
        authenticated: body.authenticated,
    })?;
    let created = json!({"paymentKey": payment.key, "orderId": payment.order_id, "amount": payment.total});
    Ok((StatusCode::CREATED, Json(created)))
}

pub(crate) async fn faults(State(world): State<Arc<World>>) -> Json<Faults> {
    Json(world.faults().clone())
}

pub(crate) async fn replace_faults(State(world): State<Arc<World>>, Json(new): Json<Faults>) -> Json<Faults> {
    world.faults().clone_from(&new);
    Json(new)
}

pub(crate) async fn add_faults(State(world): State<Arc<World>>, Json(more): Json<Faults>) -> Json<Faults> {
    let mut faults = world.faults();
    faults.calls.extend(more.calls);
    faults.webhooks.extend(more.webhooks);
    Json(faults.clone())
}

pub(crate) async fn clear_faults(State(world): State<Arc<World>>) -> StatusCode {
    *world.faults() = Faults::default();
    StatusCode::NO_CONTENT
}

pub(crate) async fn books(State(world): State<Arc<World>>) -> Json<Value> {
    let mut shown = world.books().shown();
    shown["calls"] = json!(world.counts().clone());
    Json(shown)
}

pub(crate) async fn change_settings(
    State(world): State<Arc<World>>,
    Json(body): Json<SettingsBody>,
) -> Result<StatusCode, ApiError> {
    if let Some(ms) = body.latency_ms {
        world.set_latency_ms(ms);
    }
    world
        .webhooks
        .change(body.webhook_url, body.webhook_format, body.webhook_secrets, body.webhook_retry_ms)
        .map_err(|error| ApiError::invalid_request(&error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets time pass for payments: the ten minutes in which they must be confirmed, for example.
pub(crate) async fn advance_clock(
    State(world): State<Arc<World>>,
    Json(body): Json<ClockBody>,
) -> StatusCode {
    world.clock.advance(body.advance_seconds);
    world.expire();
    StatusCode::NO_CONTENT
}

pub(crate) async fn webhooks(State(world): State<Arc<World>>) -> Json<Value> {
    Json(world.webhooks.shown())
}

/// Sends an old webhook again, with what it said then.
pub(crate) async fn resend_webhook(
    State(world): State<Arc<World>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    if world.webhooks.resend(&id) {
        Ok(StatusCode::ACCEPTED)
    } else {
        Err(ApiError::new(404, "NOT_FOUND", "There is no such webhook."))
    }
}
