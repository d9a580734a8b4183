//! What is written down about one order beside its own row and its facts.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::OrderId;
use crate::store::effects::{EffectKind, EffectStatus};
use crate::store::operators::actions::Action;
use crate::store::payments::PaymentStatus;

/// Of very many the latest are read; they are told in the order in which they happened.
fn oldest_first<T>(mut latest: Vec<T>) -> Vec<T> {
    latest.reverse();
    latest
}

/// An attempt to pay, as its row has it.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Its id, which is its command's.
    pub id: Uuid,
    pub status: PaymentStatus,
    pub amount_won: i64,
    pub card_won: i64,
    pub wallet_won: i64,
    pub points_won: i64,
    /// The gateway's name of it.
    pub payment_key: Option<String>,
    /// Why nothing was taken.
    pub decline_reason: Option<String>,
    /// The gateway's code of a decline.
    pub decline_code: Option<String>,
    /// How often the gateway was asked.
    pub inquiry_count: i32,
    /// When it last was.
    pub last_inquiry_at: Option<DateTime<Utc>>,
    /// When it was found forgotten.
    pub woken_at: Option<DateTime<Utc>>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
}

/// The attempts to pay an order, oldest first. Those at their end are named by its facts, open ones by an index of theirs: an
/// index of all payments by order would have to be kept while orders are paid.
pub async fn payments_of(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as!(
        Attempt,
        r#"SELECT p.id, p.status AS "status: PaymentStatus", p.amount_won, p.card_won, p.wallet_won, p.points_won,
                  p.payment_key AS "payment_key?", p.decline_reason, p.decline_code, p.inquiry_count,
                  p.last_inquiry_at, p.woken_at, p.created_at
             FROM payments p JOIN (
                  SELECT (e.data ->> 'payment_id')::uuid AS id FROM order_events e
                   WHERE e.order_id = $1 AND e.type IN ('order.paid', 'payment.declined', 'payment.late')
                  UNION
                  SELECT id FROM payments WHERE order_id = $1 AND status IN ('requesting', 'unknown')
                  ) AS named ON named.id = p.id
            ORDER BY p.created_at DESC, p.id DESC LIMIT 200"#,
        order.uuid(),
    )
    .fetch_all(conn)
    .await
    .map(oldest_first)
}

/// A webhook about an order.
#[derive(Debug, Clone)]
pub struct OrderWebhook {
    pub provider: String,
    pub event_id: String,
    /// What it tells, in the gateway's words.
    pub kind: String,
    /// Whether its sender knows one of our secrets.
    pub signed: bool,
    /// The payment it is about; without one it only names the order.
    pub payment_id: Option<Uuid>,
    pub received_at: DateTime<Utc>,
}

/// The webhooks about some payments, or that name the order, oldest first.
pub async fn webhooks_of(
    conn: &mut PgConnection,
    order: OrderId,
    payments: &[Uuid],
) -> sqlx::Result<Vec<OrderWebhook>> {
    sqlx::query_as!(
        OrderWebhook,
        r#"SELECT provider AS "provider!", event_id AS "event_id!", kind AS "kind!", signed AS "signed!", payment_id,
                  received_at AS "received_at!"
             FROM (SELECT id, provider, event_id, kind, signed, payment_id, received_at FROM webhooks
                    WHERE payment_id = ANY($1)
                   UNION
                   SELECT id, provider, event_id, kind, signed, payment_id, received_at FROM webhooks
                    WHERE gateway_order_id = $2) AS heard
            ORDER BY received_at DESC, id DESC LIMIT 200"#,
        payments,
        order.to_string(),
    )
    .fetch_all(conn)
    .await
    .map(oldest_first)
}

/// Something told outside about an order.
#[derive(Debug, Clone)]
pub struct OrderEffect {
    pub event_id: i64,
    /// How it is told.
    pub kind: EffectKind,
    /// How far that has come.
    pub status: EffectStatus,
    /// How often it was tried.
    pub attempts: i32,
    /// What went wrong the last time.
    pub last_error: Option<String>,
    /// When it is tried next.
    pub due_at: DateTime<Utc>,
    /// When it was to be told.
    pub created_at: DateTime<Utc>,
    /// When it was told or given up.
    pub done_at: Option<DateTime<Utc>>,
}

/// Mails and reports of these facts, oldest first.
pub async fn effects_of(conn: &mut PgConnection, events: &[i64]) -> sqlx::Result<Vec<OrderEffect>> {
    sqlx::query_as!(
        OrderEffect,
        r#"SELECT event_id, kind AS "kind: EffectKind", status AS "status: EffectStatus", attempts, last_error, due_at,
                  created_at, done_at
             FROM effects WHERE event_id = ANY($1) ORDER BY event_id DESC, kind DESC LIMIT 200"#,
        events,
    )
    .fetch_all(conn)
    .await
    .map(oldest_first)
}

/// A dead letter about an order.
#[derive(Debug, Clone)]
pub struct Died {
    pub id: Uuid,
    pub queue: String,
    /// What kind of error.
    pub error_class: String,
    /// The error in words.
    pub error_text: String,
    /// What became of it.
    pub status: String,
    /// How often it died.
    pub death_count: i32,
    /// When it first died.
    pub first_died_at: DateTime<Utc>,
    /// When it last died.
    pub last_died_at: DateTime<Utc>,
}

/// The dead letters about an order, oldest first.
pub async fn dead_letters_of(conn: &mut PgConnection, order: OrderId) -> sqlx::Result<Vec<Died>> {
    sqlx::query_as!(
        Died,
        r#"SELECT id, queue, error_class, error_text, status::text AS "status!", death_count, first_died_at,
                  last_died_at
             FROM dead_letters WHERE order_id = $1 ORDER BY first_died_at DESC, id DESC LIMIT 200"#,
        order.uuid(),
    )
    .fetch_all(conn)
    .await
    .map(oldest_first)
}

/// What operators did to an order and to its dead letters, oldest first.
pub async fn actions_on(
    conn: &mut PgConnection,
    order: OrderId,
    dead_letters: &[Uuid],
) -> sqlx::Result<Vec<Action>> {
    let subjects = dead_letters.iter().map(|id| ("dead_letter", id.to_string()));
    let (kinds, ids): (Vec<&str>, Vec<String>) =
        std::iter::once(("order", order.to_string())).chain(subjects).unzip();
    sqlx::query_as!(
        Action,
        "SELECT a.id, a.actor, a.action, a.subject_kind, a.subject_id, a.before, a.after, a.reason, a.created_at
           FROM unnest($1::text[], $2::text[]) AS wanted (kind, id)
           JOIN operator_actions a ON a.subject_kind = wanted.kind AND a.subject_id = wanted.id
          ORDER BY a.id DESC LIMIT 500",
        &kinds as &[&str],
        &ids,
    )
    .fetch_all(conn)
    .await
    .map(oldest_first)
}
