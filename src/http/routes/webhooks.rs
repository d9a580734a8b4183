//! `/v1/webhooks/{provider}`: what payment gateways tell us by themselves.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use futures_util::FutureExt as _;
use metrics::counter;
use tracing::warn;

use crate::clock;
use crate::http::app::App;
use crate::http::body;
use crate::http::command::publish;
use crate::http::error::{ApiError, Excess};
use crate::http::headers::Trace;
use crate::http::views::Problem;
use crate::message::{ChargeWallet, ResolvePayment, Version};
use crate::peers::webhook::WebhookError;
use crate::store::webhooks::{self, About, NewWebhook, Taken};

/// When strangers' webhooks are taken again.
const NEXT_MINUTE: Duration = Duration::from_secs(60);

/// Take a webhook
///
/// It is a hint: it is stored once, and the gateway is asked what is true. Of those that nobody signed and that name no payment,
/// order or charge of ours, few are taken a minute; a gateway sends the rest again.
#[utoipa::path(
    post, path = "/v1/webhooks/{provider}", tag = "payments", params(("provider" = String, Path)), security(()),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, description = "Stored, now or before"),
        (status = 401, description = "Not signed by the gateway, or too old", body = Problem),
        (status = 429, description = "It names nothing of ours, and too many of those came lately", body = Problem),
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
    let strange_per_minute = i64::from(app.strange_webhooks_per_minute);
    let taken = app
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
                Ok(webhooks::take(tx, &webhook, strange_per_minute).await?)
            }
            .boxed()
        })
        .await?;
    let outcome = match taken {
        Taken::Matched(_) => "matched",
        Taken::Unmatched => "unmatched",
        Taken::Strange => "strange",
        Taken::TooMany => "refused",
    };
    counter!("holdfast_webhooks_total", "provider" => provider, "outcome" => outcome).increment(1);
    // A gateway that hears 503 sends it again, and finds it stored.
    let (version, is_hint) = (Version, true);
    match taken {
        Taken::Matched(About::Payment(payment_id, order_id)) => {
            publish(&app, &ResolvePayment::hint(payment_id, order_id), trace.as_deref()).await?;
        }
        Taken::Matched(About::Charge(charge_id)) => {
            publish(&app, &ChargeWallet { version, charge_id, is_hint }, trace.as_deref()).await?;
        }
        Taken::Unmatched | Taken::Strange => {}
        Taken::TooMany => return Err(ApiError::TooMany(Excess::Webhooks, NEXT_MINUTE)),
    }
    Ok(StatusCode::OK)
}
