//! What people did, append-only: the audit log of operators.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Sent a dead letter back to its queue.
    DeadLetterReplay,
    /// Gave a dead letter up.
    DeadLetterDiscard,
    /// Opened a discarded dead letter again.
    DeadLetterRestore,
    /// Sent a changed copy of a dead letter.
    DeadLetterEdit,
    /// Began to replay a set of dead letters.
    ReplayStart,
    /// Stopped such a replay.
    ReplayCancel,
    /// Asked for an order to be cancelled.
    OrderCancel,
    /// Asked for money of an order to be given back.
    OrderRefund,
    /// Asked for a payment to be looked up at its gateway now.
    PaymentResolve,
    /// Said what came of a payment.
    PaymentSettle,
    /// Took units into stock.
    StockReceive,
    /// Corrected how many units are in stock.
    StockAdjust,
    /// Made or changed a product, or brought it back.
    ProductChange,
    /// Took a product off for good.
    ProductArchive,
    /// Stopped a pool of workers.
    PoolPause,
    /// Let a pool of workers go on.
    PoolResume,
    /// Numbered the facts of a restored event log.
    EventLogReset,
    TokenCreate,
    TokenRevoke,
}

impl Act {
    /// As it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeadLetterReplay => "dead_letter.replay",
            Self::DeadLetterDiscard => "dead_letter.discard",
            Self::DeadLetterRestore => "dead_letter.restore",
            Self::DeadLetterEdit => "dead_letter.edit",
            Self::ReplayStart => "replay.start",
            Self::ReplayCancel => "replay.cancel",
            Self::OrderCancel => "order.cancel",
            Self::OrderRefund => "order.refund",
            Self::PaymentResolve => "payment.resolve",
            Self::PaymentSettle => "payment.settle",
            Self::StockReceive => "stock.receive",
            Self::StockAdjust => "stock.adjust",
            Self::ProductChange => "product.change",
            Self::ProductArchive => "product.archive",
            Self::PoolPause => "pool.pause",
            Self::PoolResume => "pool.resume",
            Self::EventLogReset => "event_log.reset",
            Self::TokenCreate => "token.create",
            Self::TokenRevoke => "token.revoke",
        }
    }
}

/// An action to write down.
#[derive(Debug, Clone)]
pub struct NewAction<'a> {
    pub actor: &'a str,
    pub act: Act,
    /// To what: the kind of thing, such as `order`, and its id.
    pub subject: (&'static str, String),
    /// How the thing was.
    pub before: Option<Value>,
    /// How it is now, or what was asked for.
    pub after: Option<Value>,
    pub reason: Option<&'a str>,
}

pub async fn append(conn: &mut PgConnection, actions: &[NewAction<'_>]) -> sqlx::Result<()> {
    let actors: Vec<&str> = actions.iter().map(|action| action.actor).collect();
    let acts: Vec<&str> = actions.iter().map(|action| action.act.name()).collect();
    let kinds: Vec<&str> = actions.iter().map(|action| action.subject.0).collect();
    let ids: Vec<&str> = actions.iter().map(|action| action.subject.1.as_str()).collect();
    let befores: Vec<Option<Value>> = actions.iter().map(|action| action.before.clone()).collect();
    let afters: Vec<Option<Value>> = actions.iter().map(|action| action.after.clone()).collect();
    let reasons: Vec<Option<&str>> = actions.iter().map(|action| action.reason).collect();
    sqlx::query!(
        "INSERT INTO operator_actions (actor, action, subject_kind, subject_id, before, after, reason)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::text[])",
        &actors as &[&str],
        &acts as &[&str],
        &kinds as &[&str],
        &ids as &[&str],
        &befores as &[Option<Value>],
        &afters as &[Option<Value>],
        &reasons as &[Option<&str>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// An action as it was written down.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = OperatorAction)]
pub struct Action {
    /// Its number; later actions have higher ones.
    pub id: i64,
    /// Who did it.
    pub actor: String,
    /// What, such as `order.cancel`.
    pub action: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// To which one.
    pub subject_id: String,
    /// How the thing was.
    pub before: Option<Value>,
    /// How it was afterwards, or what was asked for.
    pub after: Option<Value>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Which actions to list.
#[derive(Debug, Clone, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ActionFilter {
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only to this kind of thing, such as `order`.
    pub subject_kind: Option<String>,
    /// Only to this thing.
    pub subject_id: Option<String>,
    /// Only those before this one: the next page.
    pub before_id: Option<i64>,
}

impl ActionFilter {
    /// A form sends the fields that were left empty, too: they filter nothing.
    pub fn without_blanks(self) -> Self {
        // PostgreSQL takes no NUL, and nothing on record has one.
        let filled = |text: Option<String>| {
            text.filter(|text| !text.trim().is_empty()).map(|text| text.replace('\0', "\u{fffd}"))
        };
        Self {
            actor: filled(self.actor),
            subject_kind: filled(self.subject_kind),
            subject_id: filled(self.subject_id),
            before_id: self.before_id,
        }
    }
}

/// Actions, the latest first.
pub async fn list(conn: &mut PgConnection, filter: &ActionFilter, limit: i64) -> sqlx::Result<Vec<Action>> {
    sqlx::query_as!(
        Action,
        "SELECT id, actor, action, subject_kind, subject_id, before, after, reason, created_at
           FROM operator_actions
          WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR subject_kind = $2)
            AND ($3::text IS NULL OR subject_id = $3) AND ($4::bigint IS NULL OR id < $4)
          ORDER BY id DESC LIMIT $5",
        filter.actor.as_deref(),
        filter.subject_kind.as_deref(),
        filter.subject_id.as_deref(),
        filter.before_id,
        limit,
    )
    .fetch_all(conn)
    .await
}

/// The subject of an action on a thing with a uuid.
pub fn subject(kind: &'static str, id: Uuid) -> (&'static str, String) {
    (kind, id.to_string())
}
