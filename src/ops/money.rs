//! Money that may need a person: what a gateway has not settled, and what it told of that is not ours.

pub mod api;
pub mod pages;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::page;
use crate::store::payments;
use crate::store::payments::unsettled::{Concerned, OnItsWay, UnmatchedWebhook};

/// Rows of a list. Nobody works through more at once, and what is settled makes room.
const LISTED: usize = 100;

/// What is not settled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MoneyView {
    /// Payments, refunds and charges at a gateway, the oldest 100 first.
    pub on_its_way: Vec<OnItsWay>,
    /// Whether there are more.
    pub more_on_its_way: bool,
    /// Webhooks of the last day that name an order or a charge of ours or are signed, and whose payment is not known here: the
    /// latest 100.
    pub unmatched_webhooks: Vec<UnmatchedWebhook>,
    /// Whether there may be more: the latest 1,000 without a payment are looked at.
    pub more_unmatched_webhooks: bool,
    /// Webhooks of the last day that nobody signed and that name nothing of ours, as anybody can send them: the latest 100.
    pub strange_webhooks: Vec<UnmatchedWebhook>,
    /// Whether there may be more: the latest 1,000 are looked at.
    pub more_strange_webhooks: bool,
}

pub async fn look(conn: &mut PgConnection) -> sqlx::Result<MoneyView> {
    let limit = page::rows_to_read(LISTED);
    let mut on_its_way = payments::unsettled::on_its_way(conn, limit).await?;
    let (unmatched_webhooks, more_unmatched_webhooks) = webhooks(conn, Concerned::Us).await?;
    let (strange_webhooks, more_strange_webhooks) = webhooks(conn, Concerned::Nobody).await?;
    Ok(MoneyView {
        more_on_its_way: page::cut(&mut on_its_way, LISTED).is_some(),
        on_its_way,
        unmatched_webhooks,
        more_unmatched_webhooks,
        strange_webhooks,
        more_strange_webhooks,
    })
}

/// The latest of them, and whether there may be more.
async fn webhooks(
    conn: &mut PgConnection,
    concerned: Concerned,
) -> sqlx::Result<(Vec<UnmatchedWebhook>, bool)> {
    let (mut found, may_be_more) = payments::unsettled::unmatched_webhooks(conn, concerned).await?;
    let has_more = page::cut(&mut found, LISTED).is_some();
    Ok((found, has_more || may_be_more))
}
