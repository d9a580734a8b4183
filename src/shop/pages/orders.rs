//! A buyer's orders: all of them, and the page of one, which tells how it stands at every step.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::checkout::to_order;
use super::{Form, Id, Query, new_key};
use crate::shop::answers::{Fact, History, Order, OrderList, Place, Places, Purse};
use crate::shop::api::Call;
use crate::shop::frame::{Frame, draw_anew, page};
use crate::shop::refused::Refused;
use crate::shop::visitor::Visitor;

/// Where a list goes on, and of what.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    after: Option<String>,
    #[serde(default)]
    waiting: Option<String>,
}

#[derive(askama::Template)]
#[template(path = "shop/orders.html")]
struct OrdersPage {
    frame: Frame,
    list: OrderList,
    is_of_waiting: bool,
}

/// The buyer's orders, newest first; or those that wait in line.
pub async fn list(visitor: Visitor, Query(wanted): Query<Wanted>) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let is_of_waiting = wanted.waiting.is_some();
    let after = wanted.after.map(|after| ("after", after));
    let status = is_of_waiting.then(|| ("status", "waiting".to_owned()));
    let query: Vec<_> = after.into_iter().chain(status).collect();
    let path = format!("/v1/orders?{}", serde_urlencoded::to_string(query).unwrap_or_default());
    let (frame, list) = tokio::join!(visitor.frame(), visitor.read::<OrderList>(path));
    Ok(page(&OrdersPage { frame, list: list?, is_of_waiting }))
}

#[derive(askama::Template)]
#[template(path = "shop/order.html")]
struct OrderPage {
    frame: Frame,
    order: Order,
    /// How it came to be as it is.
    story: Vec<Fact>,
    /// Where it stands in line, if it does.
    places: Vec<Place>,
    wallet: Purse,
    points: Purse,
    /// Whether it can be paid by card here.
    has_window: bool,
    /// Repeats of one form are one command.
    key: String,
}

/// One order, as it stands now.
pub async fn show(visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let order: Order = visitor.read(format!("/v1/orders/{id}")).await?;
    let story = async { visitor.read::<History>(format!("/v1/orders/{id}/history")).await };
    let places = places_of(&visitor, &order);
    let purses = async {
        if !order.is("held") {
            return Ok((Purse::default(), Purse::default()));
        }
        tokio::try_join!(visitor.read::<Purse>("/v1/wallet"), visitor.read::<Purse>("/v1/points"))
    };
    let (frame, story, places, purses) = tokio::join!(visitor.frame(), story, places, purses);
    // An order that nobody has decided about has no story yet.
    let story = story.map_or(vec![], |history| history.facts);
    let (wallet, points) = purses?;
    let has_window = visitor.shop.front.window.is_some();
    Ok(page(&OrderPage { frame, order, story, places, wallet, points, has_window, key: new_key() }))
}

/// Where an order stands in line, if it does.
async fn places_of(visitor: &Visitor, order: &Order) -> Vec<Place> {
    if !order.is("waiting") {
        return vec![];
    }
    // Its turn may have come since.
    let found = visitor.read::<Places>(format!("/v1/orders/{}/place", order.id)).await;
    found.map_or(vec![], |found| found.places)
}

impl OrderPage {
    /// How often a script asks whether anything is new: seldom where many wait for long.
    fn asks_every(&self) -> &'static str {
        match self.order.status.as_str() {
            "waiting" => "10s",
            "held" => "5s",
            _ => "2s",
        }
    }

    /// In seconds, when a page without scripts looks again.
    fn look_again_seconds(&self) -> i64 {
        match self.order.expires_in_ms {
            Some(left) if self.order.is("held") => left / 1_000 + 1,
            _ if self.order.is("waiting") => 10,
            _ => 2,
        }
    }

    /// What is left of the hold, in minutes and seconds.
    fn left(&self) -> String {
        let seconds = self.order.expires_in_ms.unwrap_or_default().max(0) / 1_000;
        format!("{}:{:02}", seconds / 60, seconds % 60)
    }

    /// What is offered: all of it, if the wallet has that much.
    fn first_by_wallet(&self) -> i64 {
        if self.most_by_wallet() == self.order.amount_won { self.order.amount_won } else { 0 }
    }

    /// What the wallet can pay of it.
    fn most_by_wallet(&self) -> i64 {
        self.wallet.balance_won.clamp(0, self.order.amount_won)
    }

    fn most_by_points(&self) -> i64 {
        self.points.balance_won.clamp(0, self.order.amount_won)
    }
}

/// What a page has seen of an order.
#[derive(Debug, Deserialize)]
pub struct Seen {
    seen: String,
}

/// Has the page draw itself again once the order is not as it was.
pub async fn state(
    visitor: Visitor,
    Id(id): Id,
    Query(Seen { seen }): Query<Seen>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let order: Order = visitor.read(format!("/v1/orders/{id}")).await?;
    let places = places_of(&visitor, &order).await;
    Ok(if order.seen(&places) == seen { StatusCode::NO_CONTENT.into_response() } else { draw_anew() })
}

/// What the buttons of an order send.
#[derive(Debug, Deserialize)]
pub struct Pressed {
    key: String,
}

/// A command about an order, and what is told of it. One that came too late is no error: the order's page says how it is.
async fn give(visitor: &Visitor, id: &str, call: Call, done: &str) -> Result<Response, Refused> {
    let order = format!("/shop/orders/{id}");
    match visitor.ask(call).await {
        Ok(answer) if answer.status == StatusCode::ACCEPTED => Ok(visitor.told("told-under-way", &order)),
        Ok(_) => Ok(visitor.told(done, &order)),
        Err(refused) if matches!(refused.status, StatusCode::CONFLICT | StatusCode::GONE) => {
            Ok(visitor.told("told-not-possible", &order))
        }
        Err(refused) => Err(refused),
    }
}

pub async fn cancel(
    visitor: Visitor,
    Id(id): Id,
    Form(Pressed { key }): Form<Pressed>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let call = Call::post(format!("/v1/orders/{id}/cancel"), json!({})).once(key);
    give(&visitor, &id, call, "told-cancelled").await
}

/// Gives the buyer ten minutes more.
pub async fn extend(
    visitor: Visitor,
    Id(id): Id,
    Form(Pressed { key }): Form<Pressed>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let call = Call::post(format!("/v1/orders/{id}/extend"), json!({"extend_seconds": 600})).once(key);
    give(&visitor, &id, call, "told-extended").await
}

/// Takes a paid order back.
pub async fn give_back(
    visitor: Visitor,
    Id(id): Id,
    Form(Pressed { key }): Form<Pressed>,
) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let call = Call::post(format!("/v1/orders/{id}/refunds"), json!({"reason": "returned by the customer"}))
        .once(key);
    give(&visitor, &id, call, "told-returned").await
}

/// Puts what was in an order into the cart once more.
pub async fn again(visitor: Visitor, Id(id): Id) -> Result<Response, Refused> {
    visitor.signed_in()?;
    let order: Order = visitor.read(format!("/v1/orders/{id}")).await?;
    let cart = visitor.cart().await?.unwrap_or_default();
    for item in &order.items {
        let path = format!("/v1/cart/items/{}", super::sku_code(item.sku.clone())?);
        // As many at least: pressed twice it is the same.
        let there = cart.items.iter().find(|there| there.sku == item.sku).map_or(0, |there| there.quantity);
        match visitor.ask(Call::put(path, json!({"quantity": there.max(item.quantity)}))).await {
            Ok(_) => {}
            // What the shop no longer has is left out.
            Err(refused) if refused.status == StatusCode::NOT_FOUND => {}
            Err(refused) => return Err(refused),
        }
    }
    if order.items.is_empty() {
        return Ok(to_order(&id));
    }
    Ok(Redirect::to("/shop/cart").into_response())
}
