//! `/v1/wallet/charges/{id}`: charges by card, from placing them to their outcome.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::{StatusCode, header, request};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use sqlx::PgConnection;
use tracing::warn;
use uuid::Uuid;

use super::payments::PayCard;
use crate::domain::charge::{NotAsked, may_ask};
use crate::domain::ids::{CommandId, CustomerId, IdempotencyKey};
use crate::domain::ledger::Purse;
use crate::domain::money::Won;
use crate::domain::refusal::DeclineReason;
use crate::http::app::App;
use crate::http::auth::Buyer;
use crate::http::body;
use crate::http::command::{applied, publish};
use crate::http::error::ApiError;
use crate::http::headers::{Trace, Wait};
use crate::http::patience::Patience;
use crate::http::views::{ChargeView, Problem};
use crate::http::visit::Stay;
use crate::message::{CardPart, ChargeWallet, Version};
use crate::store::charges::{self, Charge, ChargeStatus};
use crate::store::payments;

/// The charge of the path, before it is known whose it is. What is no id at all is nobody's.
pub struct ChargeId(CommandId);

impl FromRequestParts<App> for ChargeId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut request::Parts, app: &App) -> Result<Self, ApiError> {
        let id = Path::<Uuid>::from_request_parts(parts, app).await;
        id.map(|Path(id)| Self(CommandId(id))).map_err(|_| ApiError::NotFound)
    }
}

/// An amount that a purse can take at all.
pub(super) fn charge_amount(purse: Purse, amount_won: i64) -> Result<Won, ApiError> {
    let most = purse.limit().0;
    if (1..=most).contains(&amount_won) {
        Ok(Won(amount_won))
    } else {
        Err(ApiError::Unprocessable(format!("amount_won must be a whole number from 1 to {most}")))
    }
}

/// The charge that a customer asked for with a key.
pub(super) fn charge_id(purse: Purse, customer: &CustomerId, key: &IdempotencyKey) -> CommandId {
    let kind = match purse {
        Purse::Wallet => "charge",
        Purse::Points => "points",
    };
    CommandId::derive(kind, customer, key)
}

/// The status of something made now, or by an earlier call of the same key.
pub(super) fn made(is_new: bool) -> StatusCode {
    if is_new { StatusCode::CREATED } else { StatusCode::OK }
}

/// Places a charge that is to be paid by card.
pub(super) async fn place(
    app: &App,
    customer: CustomerId,
    key: &IdempotencyKey,
    amount_won: i64,
) -> Result<(StatusCode, Json<ChargeView>), ApiError> {
    if app.gateway.is_none() {
        return Err(ApiError::Unprocessable("card payments are not set up here".to_owned()));
    }
    let amount = charge_amount(Purse::Wallet, amount_won)?;
    let id = charge_id(Purse::Wallet, &customer, key);
    let (charge, is_new) = app
        .write(move |tx| async move { Ok(charges::by_card::place(tx, id, &customer, amount).await?) }.boxed())
        .await?;
    if charge.amount != amount || !charge.is_by_card {
        return Err(ApiError::KeyReused);
    }
    Ok((made(is_new), Json(ChargeView::from(&charge))))
}

/// Read a charge
#[utoipa::path(
    get, path = "/v1/wallet/charges/{id}", tag = "wallet", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The charge", body = ChargeView),
        (status = 404, description = "No charge of this customer", body = Problem),
    )
)]
pub async fn read(
    State(app): State<App>,
    Buyer(customer): Buyer,
    ChargeId(id): ChargeId,
) -> Result<Response, ApiError> {
    let charge = find(&app, id, &customer).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(ChargeView::from(&charge))).into_response())
}

async fn find(app: &App, id: CommandId, customer: &CustomerId) -> Result<Charge, ApiError> {
    let found = app.read(async |conn| charges::find(conn, id, customer, Purse::Wallet).await).await?;
    found.ok_or(ApiError::NotFound)
}

/// Pay for a charge by card
///
/// A charge is paid with one card; a repeated call hears how that one stands.
#[utoipa::path(
    post, path = "/v1/wallet/charges/{id}/payments", tag = "wallet", params(("id" = Uuid, Path)),
    request_body = PayCard,
    responses(
        (status = 200, description = "Posted: the amount is in the wallet", body = ChargeView),
        (status = 202, description = "The gateway is being asked", body = ChargeView),
        (status = 402, description = "Declined; nothing was added", body = Problem),
        (status = 404, description = "No charge of this customer", body = Problem),
        (status = 409, description = "The wallet would hold more than 100,000 won; the charge stays open", body = Problem),
        (status = 422, description = "A rule is broken, or the amount is not the charge's", body = Problem),
        (status = 429, description = "Too many callers wait, of this customer or in all", body = Problem),
    )
)]
pub async fn pay(
    State(app): State<App>,
    Buyer(customer): Buyer,
    ChargeId(id): ChargeId,
    wait: Wait,
    Trace(trace): Trace,
    body::Json(card): body::Json<PayCard>,
) -> Result<Response, ApiError> {
    let card = card.parse(&app)?;
    let stay = wait.begin(&app.stays)?;
    let owner = customer.clone();
    let (charge, is_hint) =
        app.write(move |tx| async move { request(tx, id, &owner, &card).await }.boxed()).await?;
    if outcome(&charge).is_none() {
        // What is written down is not forgotten: without this message the sweeper finds it, only later.
        let command = ChargeWallet { version: Version, charge_id: id, is_hint };
        if let Err(error) = publish(&app, &command, trace.as_deref()).await {
            warn!(charge_id = %id.0, ?error, "the broker did not take a charge, the sweeper will wake it");
        }
    }
    let patience = stay.as_ref().map(|stay| stay.patience);
    let answered = wait_for(&app, charge, &customer, stay).await;
    Ok(applied(answered.unwrap_or_else(|error| error.into_response()), patience))
}

/// Notes that the gateway is to be asked for the money. Returns the charge as it is then, and whether it was noted before.
/// Locks charge, wallet and key, in this order.
async fn request(
    tx: &mut PgConnection,
    id: CommandId,
    customer: &CustomerId,
    card: &CardPart,
) -> Result<(Charge, bool), ApiError> {
    let mut charge = charges::by_card::lock_own(tx, id, customer).await?.ok_or(ApiError::NotFound)?;
    if !charge.is_by_card {
        return Err(ApiError::Unprocessable("this charge is not paid by card".to_owned()));
    }
    if charge.status != ChargeStatus::Open && charge.amount == card.amount_won {
        return Ok((charge, true));
    }
    let fill = charges::lock(tx, customer, Purse::Wallet).await?;
    let in_use = payments::keys_in_use(tx, &[&card.payment_key]).await?.contains(&card.payment_key);
    let limit = Purse::Wallet.limit();
    match may_ask(charge.amount, card.amount_won, fill, limit, in_use) {
        Err(NotAsked::AmountDiffers) => {
            Err(ApiError::Unprocessable("amount_won is not the charge's amount".to_owned()))
        }
        Err(NotAsked::Full) => Err(ApiError::PurseFull { purse: Purse::Wallet, balance_won: fill.balance.0 }),
        Err(NotAsked::KeyInUse) => {
            let reason = DeclineReason::KeyInUse.name().to_owned();
            Err(ApiError::ChargeDeclined { charge: id, reason })
        }
        Ok(()) => {
            charges::by_card::request(tx, id, &card.payment_key).await?;
            charge.status = ChargeStatus::Requesting;
            Ok((charge, false))
        }
    }
}

/// Looks at the row until there is an outcome or the caller's time is over. No fact tells of charges, so there is nobody to
/// call.
async fn wait_for(
    app: &App,
    mut charge: Charge,
    customer: &CustomerId,
    stay: Option<Stay>,
) -> Result<Response, ApiError> {
    let mut patience = Patience::new(app, stay);
    while outcome(&charge).is_none() && patience.again(None).await {
        let looking = async { find(app, charge.id, customer).await.map(Some) };
        if let Some(found) = patience.look(looking).await {
            charge = found?;
        }
    }
    answer(&charge)
}

fn answer(charge: &Charge) -> Result<Response, ApiError> {
    let status = outcome(charge).unwrap_or(Ok(StatusCode::ACCEPTED))?;
    let at = [(header::LOCATION, format!("/v1/wallet/charges/{}", charge.id.0))];
    Ok((status, at, Json(ChargeView::from(charge))).into_response())
}

/// What a payment came to, or `None` while that is open. Money that came late and went back changes no answer.
fn outcome(charge: &Charge) -> Option<Result<StatusCode, ApiError>> {
    match charge.status {
        ChargeStatus::Open | ChargeStatus::Requesting | ChargeStatus::Unknown => None,
        ChargeStatus::Posted => Some(Ok(StatusCode::OK)),
        ChargeStatus::Refused | ChargeStatus::Declined | ChargeStatus::Returning | ChargeStatus::Returned => {
            let reason = charge.decline_reason.clone().unwrap_or_default();
            Some(Err(ApiError::ChargeDeclined { charge: charge.id, reason }))
        }
    }
}
