//! `/v1/webhooks/{provider}`: what payment gateways tell us by themselves.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use futures_util::FutureExt as _;
use metrics::counter;
use tracing::warn;

use crate::clock;
use crate::http::app::App;
use crate::http::body;
use crate::http::command::publish;
use crate::http::error::ApiError;
use crate::http::headers::Trace;
use crate::http::views::Problem;
use crate::message::{ChargeWallet, ResolvePayment, Version};
use crate::peers::webhook::WebhookError;
use crate::store::webhooks::{self, About, NewWebhook};

/// Take a webhook
///
/// It is a hint: it is stored once, and the gateway is asked what is true.
#[utoipa::path(
    post, path = "/v1/webhooks/{provider}", tag = "payments", params(("provider" = String, Path)), security(()),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, description = "Stored, now or before"),
        (status = 401, description = "Not signed by the gateway, or too old", body = Problem),
    )
)]
pub async fn receive(
    State(app): State<App>,
    Path(provider): Path<String>,
    Trace(trace): Trace,
    headers: HeaderMap,
    body::Raw(bytes): body::Raw,
) -> Result<StatusCode, ApiError> {
    let gateway =
        app.gateway.as_ref().filter(|gateway| gateway.name() == provider).ok_or(ApiError::NotFound)?;
    let event = gateway.verify_webhook(&headers, &bytes, clock::now()).map_err(|error| {
        warn!(provider, %error, "a webhook was not taken");
        match error {
            WebhookError::Malformed => ApiError::Malformed(error.to_string()),
            _ => ApiError::NotSigned,
        }
    })?;
    let provider = gateway.name();
    let about = app
        .write(move |tx| {
            async move {
                let webhook = NewWebhook {
                    provider,
                    event_id: &event.id,
                    kind: &event.kind,
                    payment_key: event.payment.as_ref(),
                    gateway_order_id: event.order.as_ref(),
                    signed: event.signed,
                };
                Ok(webhooks::store(tx, &webhook).await?)
            }
            .boxed()
        })
        .await?;
    let outcome = if about.is_some() { "matched" } else { "unmatched" };
    counter!("holdfast_webhooks_total", "provider" => provider, "outcome" => outcome).increment(1);
    // A gateway that hears 503 sends it again, and finds it stored.
    let (version, is_hint) = (Version, true);
    match about {
        Some(About::Payment(payment_id, order_id)) => {
            publish(&app, &ResolvePayment::hint(payment_id, order_id), trace.as_deref()).await?;
        }
        Some(About::Charge(charge_id)) => {
            publish(&app, &ChargeWallet { version, charge_id, is_hint }, trace.as_deref()).await?;
        }
        None => {}
    }
    Ok(StatusCode::OK)
}
