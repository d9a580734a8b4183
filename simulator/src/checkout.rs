//! The checkout window: what the buyer sees of the gateway.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Redirect, Response};
use reqwest::Url;
use serde::Deserialize;

use crate::books::NewPayment;
use crate::error::ApiError;
use crate::world::World;

/// What the shop's page asks the window for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    order_id: String,
    amount: i64,
    #[serde(default)]
    order_name: String,
    success_url: String,
    fail_url: String,
}

/// What the buyer did with it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decided {
    order_id: String,
    amount: i64,
    #[serde(default)]
    order_name: String,
    success_url: String,
    fail_url: String,
    action: Action,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Pay,
    Decline,
    Close,
}

pub(crate) async fn window(Query(asked): Query<Asked>) -> Result<Response, ApiError> {
    web_address(&asked.success_url, "INCORRECT_SUCCESS_URL_FORMAT")?;
    web_address(&asked.fail_url, "INCORRECT_FAIL_URL_FORMAT")?;
    // Nothing of the page is loaded from anywhere; its forms may lead back to any shop.
    let policy = [(CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'")];
    Ok((policy, Html(page(&asked))).into_response())
}

/// A button was pressed: back to the shop.
pub(crate) async fn decide(
    State(world): State<Arc<World>>,
    Form(decided): Form<Decided>,
) -> Result<Redirect, ApiError> {
    let mut success = web_address(&decided.success_url, "INCORRECT_SUCCESS_URL_FORMAT")?;
    let mut fail = web_address(&decided.fail_url, "INCORRECT_FAIL_URL_FORMAT")?;
    let to = match decided.action {
        Action::Pay => {
            let payment = world.open(NewPayment {
                key: None,
                order_id: decided.order_id,
                order_name: decided.order_name,
                amount: decided.amount,
                authenticated: true,
            })?;
            success
                .query_pairs_mut()
                .append_pair("paymentType", "NORMAL")
                .append_pair("paymentKey", &payment.key)
                .append_pair("orderId", &payment.order_id)
                .append_pair("amount", &payment.total.to_string());
            success
        }
        Action::Decline => {
            fail.query_pairs_mut()
                .append_pair("code", "REJECT_CARD_COMPANY")
                .append_pair("message", "The card company declined.")
                .append_pair("orderId", &decided.order_id);
            fail
        }
        // The real window does not say the order here either: the buyer may have closed it before there was one.
        Action::Close => {
            fail.query_pairs_mut()
                .append_pair("code", "PAY_PROCESS_CANCELED")
                .append_pair("message", "The buyer closed the window.");
            fail
        }
    };
    Ok(Redirect::to(to.as_str()))
}

/// An address a browser may be sent to: `javascript:` and the like are none.
fn web_address(text: &str, code: &str) -> Result<Url, ApiError> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| ApiError::new(400, code, "The address must begin with http:// or https://."))
}

fn page(asked: &Asked) -> String {
    let fields: String = [
        ("orderId", asked.order_id.as_str()),
        ("amount", &asked.amount.to_string()),
        ("orderName", &asked.order_name),
        ("successUrl", &asked.success_url),
        ("failUrl", &asked.fail_url),
    ]
    .iter()
    .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value)))
    .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Checkout (simulated)</title>\n\
         <style>body{{font:1rem sans-serif;max-width:24rem;margin:3rem auto}}button{{margin-right:.5rem}}</style>\n\
         </head><body>\n<h1>Checkout (simulated)</h1>\n<p>{name}</p>\n<p><strong>{amount} won</strong></p>\n\
         <p>Order {order}</p>\n<form method=\"post\" action=\"/checkout\">\n{fields}\
         <button name=\"action\" value=\"pay\">Pay</button>\
         <button name=\"action\" value=\"decline\">Decline</button>\
         <button name=\"action\" value=\"close\">Close</button>\n</form>\n</body></html>\n",
        name = escaped(&asked.order_name),
        amount = asked.amount,
        order = escaped(&asked.order_id),
    )
}

/// Text that is safe between tags and within quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shop_names_stays_text_in_the_window() {
        let asked = Asked {
            order_id: "order-1".to_owned(),
            amount: 1,
            order_name: "<script>\"&'".to_owned(),
            success_url: "http://shop/\"><b>".to_owned(),
            fail_url: "http://shop/".to_owned(),
        };
        let page = page(&asked);
        assert!(page.contains("&lt;script&gt;&quot;&amp;&#39;"));
        assert!(!page.contains("<script>") && !page.contains("<b>"));
    }

    #[test]
    fn a_browser_is_sent_to_web_addresses_only() {
        assert!(web_address("https://shop/paid?a=1", "X").is_ok());
        assert!(web_address("javascript:alert(1)", "X").is_err());
        assert!(web_address("/relative", "X").is_err());
    }
}
