//! Wallet and points, and charging the wallet by card.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::window::{self, ToPay};
use super::{Form, Id, Query, new_key};
use crate::shop::answers::{Charge, Purse};
use crate::shop::api::Call;
use crate::shop::frame::{Frame, page};
use crate::shop::refused::Refused;
use crate::shop::visitor::Visitor;

#[derive(askama::Template)]
#[template(path = "shop/wallet.html")]
struct WalletPage {
    frame: Frame,
    wallet: Purse,
    points: Purse,
    has_window: bool,
    key: String,
    refused: Option<Refused>,
}

pub async fn show(visitor: Visitor) -> Result<Response, Refused> {
    visitor.signed_in()?;
    shown(&visitor, None).await
}

async fn shown(visitor: &Visitor, refused: Option<Refused>) -> Result<Response, Refused> {
    let purses =
        async { tokio::try_join!(visitor.read::<Purse>("/v1/wallet"), visitor.read::<Purse>("/v1/points")) };
    let (frame, purses) = tokio::join!(visitor.frame(), purses);
    let (wallet, points) = purses?;
    let status = refused.as_ref().map_or(StatusCode::OK, |refused| refused.status);
    let has_window = visitor.shop.front.window.is_some();
    let mut response = page(&WalletPage { frame, wallet, points, has_window, key: new_key(), refused });
    *response.status_mut() = status;
    Ok(response)
}

/// What the form of the wallet sends.
#[derive(Debug, Deserialize)]
pub struct ChargeIt {
    key: String,
    amount_won: i64,
}

/// Begins a charge and leads to the window.
pub async fn charge(visitor: Visitor, Form(form): Form<ChargeIt>) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let front = &visitor.shop.front;
    let Some(window) = &front.window else {
        return Ok(visitor.told("told-no-card", "/shop/wallet"));
    };
    let body = json!({"amount_won": form.amount_won, "method": "card"});
    let charge: Charge = match visitor.ask(Call::post("/v1/wallet/charges", body).once(form.key)).await {
        Ok(answer) => answer.read()?,
        Err(refused) if matches!(refused.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) => {
            return shown(&visitor, Some(refused)).await;
        }
        Err(refused) => return Err(refused),
    };
    let page = format!("{}/shop/wallet/{}", front.url.as_str(), charge.id);
    let to_pay = ToPay {
        id: charge.id,
        name: visitor.words.t("wallet-charge"),
        amount_won: charge.amount_won,
        paid: format!("{page}/paid"),
        not_paid: page,
    };
    let frame = visitor.frame().await;
    Ok(window::open(window, &to_pay, frame))
}

/// What the window's page of success says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CameBack {
    payment_key: String,
    order_id: String,
    amount: i64,
}

/// Asks for the payment of a charge. Who looks at this page again asks for the same one.
pub async fn came_back(
    visitor: Visitor,
    Id(id): Id,
    Query(back): Query<CameBack>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let page = format!("/shop/wallet/{id}");
    if back.order_id != id {
        return Ok(visitor.told("told-other-order", &page));
    }
    let body = json!({"payment_key": back.payment_key, "amount_won": back.amount});
    let call = Call::post(format!("/v1/wallet/charges/{id}/payments"), body)
        .once(format!("card-{}", back.payment_key));
    let told = match visitor.ask(call).await {
        Ok(_) => "told-charge-paid",
        Err(refused) => match refused.status {
            StatusCode::PAYMENT_REQUIRED => "told-declined",
            StatusCode::CONFLICT => "told-not-possible",
            StatusCode::UNPROCESSABLE_ENTITY => "told-other-amount",
            _ => return Err(refused),
        },
    };
    Ok(visitor.told(told, &page))
}

#[derive(askama::Template)]
#[template(path = "shop/charge.html")]
struct ChargePage {
    frame: Frame,
    of: Charge,
}

/// How a charge stands.
pub async fn show_charge(visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let (frame, charge) =
        tokio::join!(visitor.frame(), visitor.read::<Charge>(format!("/v1/wallet/charges/{id}")));
    Ok(page(&ChargePage { frame, of: charge? }))
}
