//! Money that may need a person: what a gateway has not settled, and what it told of that is not ours.

pub mod api;
pub mod pages;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::page;
use crate::store::payments;
use crate::store::payments::unsettled::{OnItsWay, UnmatchedWebhook};

/// Rows of a list. Nobody works through more at once, and what is settled makes room.
const LISTED: usize = 100;

/// What is not settled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MoneyView {
    /// Payments, refunds and charges at a gateway, the oldest 100 first.
    pub on_its_way: Vec<OnItsWay>,
    /// Whether there are more.
    pub more_on_its_way: bool,
    /// Webhooks of the last day about no payment of ours, the latest 100 first.
    pub unmatched_webhooks: Vec<UnmatchedWebhook>,
    /// Whether there are more.
    pub more_unmatched_webhooks: bool,
}

/// Reads it.
pub async fn look(conn: &mut PgConnection) -> sqlx::Result<MoneyView> {
    let limit = page::rows_to_read(LISTED);
    let mut on_its_way = payments::unsettled::on_its_way(conn, limit).await?;
    let mut unmatched_webhooks = payments::unsettled::unmatched_webhooks(conn, limit).await?;
    Ok(MoneyView {
        more_on_its_way: page::cut(&mut on_its_way, LISTED),
        on_its_way,
        more_unmatched_webhooks: page::cut(&mut unmatched_webhooks, LISTED),
        unmatched_webhooks,
    })
}
