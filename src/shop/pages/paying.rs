//! Paying: what the wallet and points do not pay is paid in the gateway's window. What its pages say on the way back is only
//! passed on; how the order stands is the API's word.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::checkout::to_order;
use super::window::{self, CameBack, ToPay};
use super::{Form, Id, Query};
use crate::shop::answers::Order;
use crate::shop::api::Call;
use crate::shop::frame::Frame;
use crate::shop::refused::Refused;
use crate::shop::visitor::Visitor;

/// What the form of a held order sends.
#[derive(Debug, Deserialize)]
pub struct Parts {
    key: String,
    #[serde(default)]
    wallet_won: String,
    #[serde(default)]
    points_won: String,
}

/// The window takes no longer name of what is paid for.
const LONGEST_NAME: usize = 100;

/// A field for won, which may be empty.
fn won(text: &str) -> Result<i64, Refused> {
    let text = text.trim().replace(',', "");
    let won: i64 = if text.is_empty() { 0 } else { text.parse().map_err(|_| Refused::bad_form())? };
    if won < 0 { Err(Refused::bad_form()) } else { Ok(won) }
}

/// Pays from wallet and points, or leads to the window for the rest.
pub async fn pay(visitor: Visitor, Id(id): Id, Form(parts): Form<Parts>) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let (wallet, points) = (won(&parts.wallet_won)?, won(&parts.points_won)?);
    let order: Order = visitor.read(format!("/v1/orders/{id}")).await?;
    let page = format!("/shop/orders/{id}");
    if !order.is("held") {
        return Ok(to_order(&id));
    }
    let by_card = order.amount_won.saturating_sub(wallet).saturating_sub(points);
    if by_card < 0 {
        return Ok(visitor.told("told-too-much", &page));
    }
    if by_card == 0 {
        let body = json!({"method": "mixed", "wallet_won": wallet, "points_won": points});
        return paid(&visitor, &id, body, parts.key).await;
    }
    let front = &visitor.shop.front;
    let Some(window) = &front.window else {
        return Ok(visitor.told("told-no-card", &page));
    };
    let to_pay = ToPay {
        name: order.title().chars().take(LONGEST_NAME).collect(),
        amount_won: by_card,
        paid: format!("{}{page}/paid?wallet={wallet}&points={points}", front.url.as_str()),
        not_paid: format!("{}{page}/not-paid", front.url.as_str()),
        id,
    };
    let frame = Frame { place: page, ..visitor.frame().await };
    Ok(window::open(window, &to_pay, frame))
}

/// Asks for the payment that the buyer has authenticated. Who looks at this page again asks for the same one.
pub async fn came_back(
    visitor: Visitor,
    Id(id): Id,
    Query(back): Query<CameBack>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    if !back.is_about(&id) {
        return Ok(visitor.told("told-other-order", &format!("/shop/orders/{id}")));
    }
    let body = json!({
        "method": "mixed", "wallet_won": back.wallet, "points_won": back.points, "card": back.card(),
    });
    paid(&visitor, &id, body, back.key()).await
}

/// Gives the payment, and leads to the order, which tells how it stands.
async fn paid(visitor: &Visitor, id: &str, body: Value, key: String) -> Result<Response, Refused> {
    let page = format!("/shop/orders/{id}");
    let call = Call::post(format!("/v1/orders/{id}/payments"), body).once(key);
    let told = match visitor.ask(call).await {
        Ok(answer) if answer.status == StatusCode::ACCEPTED => "told-under-way",
        Ok(_) => return Ok(to_order(id)),
        Err(refused) => match refused.status {
            StatusCode::PAYMENT_REQUIRED if refused.problem["reason"] == "insufficient_balance" => {
                "told-wallet-short"
            }
            StatusCode::PAYMENT_REQUIRED if refused.problem["reason"] == "insufficient_points" => {
                "told-points-short"
            }
            StatusCode::PAYMENT_REQUIRED => "told-declined",
            StatusCode::CONFLICT | StatusCode::GONE => "told-not-possible",
            StatusCode::UNPROCESSABLE_ENTITY if refused.kind == "key-reused" => "told-not-possible",
            StatusCode::UNPROCESSABLE_ENTITY => "told-other-amount",
            _ => return Err(refused),
        },
    };
    Ok(visitor.told(told, &page))
}

/// What the window's page of failure says.
#[derive(Debug, Deserialize)]
pub struct CameBackInVain {
    #[serde(default)]
    code: String,
}

/// What the window says of it, which may be old; the order's page says how it is.
pub async fn came_back_in_vain(
    visitor: Visitor,
    Id(id): Id,
    Query(back): Query<CameBackInVain>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let told = match back.code.as_str() {
        "PAY_PROCESS_CANCELED" | "USER_CANCEL" => "told-window-closed",
        code if code.starts_with("REJECT_") => "told-card-failed",
        _ => "told-window-left",
    };
    Ok(visitor.told(told, &format!("/shop/orders/{id}")))
}
