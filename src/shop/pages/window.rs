//! The gateway's window, where buyers pay by card: they leave for it, and come back to one of two pages with what it says.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::shop::frame::{Frame, page};
use crate::shop::settings::Window;

/// What is to be paid there.
#[derive(Debug)]
pub(super) struct ToPay {
    /// The id of an order or of a charge.
    pub id: String,
    /// What it is called.
    pub name: String,
    pub amount_won: i64,
    /// Where the buyer comes back.
    pub paid: String,
    pub not_paid: String,
}

/// What the window's page of success says, and what we gave it along.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CameBack {
    payment_key: String,
    order_id: String,
    amount: i64,
    /// What the wallet pays beside the card.
    #[serde(default)]
    pub(super) wallet: i64,
    #[serde(default)]
    pub(super) points: i64,
}

impl CameBack {
    /// Whether it is about the order or charge of this id.
    pub(super) fn is_about(&self, id: &str) -> bool {
        self.order_id == id
    }

    /// The payment that the buyer has authenticated, as the API takes it.
    pub(super) fn card(&self) -> Value {
        json!({"payment_key": self.payment_key, "amount_won": self.amount})
    }

    /// Who comes back once more asks for the same payment.
    pub(super) fn key(&self) -> String {
        format!("card-{}", self.payment_key)
    }
}

#[derive(askama::Template)]
#[template(path = "shop/window.html")]
struct WindowPage<'a> {
    frame: Frame,
    client_key: &'a str,
    to_pay: &'a ToPay,
}

/// The script of Toss Payments comes from their own site, which opens frames and asks servers of theirs.
const TOSS_POLICY: &str = "default-src 'none'; script-src 'self' https://js.tosspayments.com; style-src 'self' 'unsafe-inline'; \
     img-src 'self' https:; connect-src 'self' https://*.tosspayments.com; frame-src https://*.tosspayments.com; \
     form-action 'self' https://*.tosspayments.com; base-uri 'none'; frame-ancestors 'none'";

/// Sends the buyer there.
pub(super) fn open(window: &Window, to_pay: &ToPay, frame: Frame) -> Response {
    match window {
        Window::Page(site) => {
            let query = serde_urlencoded::to_string([
                ("orderId", to_pay.id.as_str()),
                ("amount", &to_pay.amount_won.to_string()),
                ("orderName", &to_pay.name),
                ("successUrl", &to_pay.paid),
                ("failUrl", &to_pay.not_paid),
            ]);
            Redirect::to(&format!("{}?{}", site.as_str(), query.unwrap_or_default())).into_response()
        }
        Window::Toss { client_key } => {
            let mut response = page(&WindowPage { frame, client_key, to_pay });
            let policy = HeaderValue::from_static(TOSS_POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
    }
}
