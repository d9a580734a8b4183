//! Wallet and points, and charging the wallet by card.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::window::{self, CameBack, ToPay};
use super::{Form, Id, Query, new_key};
use crate::domain::ledger;
use crate::shop::answers::{Charge, Customer, Purse};
use crate::shop::api::Call;
use crate::shop::frame::{Frame, page, page_with};
use crate::shop::refused::Refused;
use crate::shop::visitor::Visitor;

#[derive(askama::Template)]
#[template(path = "shop/wallet.html")]
struct WalletPage {
    frame: Frame,
    /// Whose wallet it is, so that nobody charges another's.
    email: Option<String>,
    wallet: Purse,
    points: Purse,
    has_window: bool,
    key: String,
    refused: Option<Refused>,
}

impl WalletPage {
    /// What can be charged before the wallet is full.
    fn room_won(&self) -> i64 {
        room_won(self.wallet)
    }
}

fn room_won(wallet: Purse) -> i64 {
    (ledger::Purse::Wallet.limit().0 - wallet.balance_won - wallet.reserved_won).max(0)
}

pub async fn show(visitor: Visitor) -> Result<Response, Refused> {
    visitor.signed_in()?;
    shown(&visitor, None).await
}

async fn shown(visitor: &Visitor, refused: Option<Refused>) -> Result<Response, Refused> {
    let owned = async {
        tokio::try_join!(
            visitor.read::<Purse>("/v1/wallet"),
            visitor.read::<Purse>("/v1/points"),
            visitor.read::<Customer>("/v1/customer")
        )
    };
    let (frame, owned) = tokio::join!(visitor.frame(), owned);
    let (wallet, points, customer) = owned?;
    let status = refused.as_ref().map_or(StatusCode::OK, |refused| refused.status);
    let (email, has_window) = (customer.email, visitor.shop.front.window.is_some());
    let shown = WalletPage { frame, email, wallet, points, has_window, key: new_key(), refused };
    Ok(page_with(status, &shown))
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
    // It is told before the card is asked, not after.
    if form.amount_won > room_won(visitor.read("/v1/wallet").await?) {
        return shown(&visitor, Some(Refused::wallet_full())).await;
    }
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
    let frame = Frame { place: "/shop/wallet".to_owned(), ..visitor.frame().await };
    Ok(window::open(window, &to_pay, frame))
}

/// Asks for the payment of a charge. Who looks at this page again asks for the same one.
pub async fn came_back(
    visitor: Visitor,
    Id(id): Id,
    Query(back): Query<CameBack>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let page = format!("/shop/wallet/{id}");
    if !back.is_about(&id) {
        return Ok(visitor.told("told-other-order", &page));
    }
    let call = Call::post(format!("/v1/wallet/charges/{id}/payments"), back.card()).once(back.key());
    let told = match visitor.ask(call).await {
        Ok(answer) if answer.status == StatusCode::ACCEPTED => "told-under-way",
        Ok(_) => "told-charge-paid",
        Err(refused) => match refused.status {
            StatusCode::PAYMENT_REQUIRED => "told-charge-declined",
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => "told-charge-not-possible",
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
