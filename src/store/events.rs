//! The event log: append-only, read back by the relay and by whoever follows one order.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::ids::{CommandId, OrderId};
use crate::event::OrderEvent;

/// The channel on which PostgreSQL wakes the relay.
pub const CHANNEL: &str = "order_events";

/// A fact to write down.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Whose fact it is.
    pub order_id: OrderId,
    /// The command it answers, where a caller may wait for exactly that.
    pub command_id: Option<CommandId>,
    /// What happened.
    pub event: OrderEvent,
}

/// A fact that was written down.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its place in the log.
    pub id: i64,
    /// Whose fact it is.
    pub order_id: OrderId,
    /// The command it answers.
    pub command_id: Option<CommandId>,
    /// Its name, such as `order.held`.
    pub kind: String,
    /// What belongs to it, as JSON that is only handed on.
    pub data: Box<RawValue>,
    /// When its transaction began.
    pub occurred_at: DateTime<Utc>,
}

/// The columns as they come.
pub(super) struct EventRow {
    pub(super) id: i64,
    pub(super) order_id: Uuid,
    pub(super) command_id: Option<Uuid>,
    pub(super) kind: String,
    pub(super) data: String,
    pub(super) occurred_at: DateTime<Utc>,
}

impl TryFrom<EventRow> for StoredEvent {
    type Error = sqlx::Error;

    fn try_from(row: EventRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.id,
            order_id: row.order_id.into(),
            command_id: row.command_id.map(CommandId),
            kind: row.kind,
            data: RawValue::from_string(row.data).map_err(|error| sqlx::Error::Decode(error.into()))?,
            occurred_at: row.occurred_at,
        })
    }
}

/// Appends facts to the log. Whoever commits them rings for the relay afterwards: see [`ring`].
pub async fn append(conn: &mut PgConnection, events: &[NewEvent]) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let order_ids: Vec<Uuid> = events.iter().map(|event| event.order_id.uuid()).collect();
    let command_ids: Vec<Option<Uuid>> =
        events.iter().map(|event| event.command_id.map(|command| command.0)).collect();
    let kinds: Vec<String> = events.iter().map(|event| event.event.kind().to_owned()).collect();
    let data: Vec<String> = events.iter().map(|event| event.event.data()).collect();
    sqlx::query!(
        "INSERT INTO order_events (order_id, command_id, type, data)
         SELECT order_id, command_id, type, data::jsonb
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS new (order_id, command_id, type, data)",
        &order_ids,
        command_ids.as_slice() as &[Option<Uuid>],
        &kinds,
        &data,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Wakes the relay, once the facts are committed.
pub async fn ring(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_notify($1, '')::text AS notified", CHANNEL).fetch_one(conn).await?;
    Ok(())
}

/// The facts of one order after `after`, oldest first.
pub async fn of_order(conn: &mut PgConnection, order: OrderId, after: i64) -> sqlx::Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"SELECT id, order_id, command_id, type AS kind, data::text AS "data!", occurred_at
             FROM order_events WHERE order_id = $1 AND id > $2 ORDER BY id LIMIT 1000"#,
        order.uuid(),
        after,
    )
    .fetch_all(conn)
    .await?;
    let event = |row: EventRow| StoredEvent::try_from(row);
    rows.into_iter().map(event).collect()
}

/// Which of these commands have been answered by a fact already. A redelivered command finds itself here.
pub async fn answered(
    conn: &mut PgConnection,
    orders: &[OrderId],
    commands: &[CommandId],
) -> sqlx::Result<Vec<CommandId>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let commands: Vec<Uuid> = commands.iter().map(|command| command.0).collect();
    let rows = sqlx::query_scalar!(
        r#"SELECT command_id AS "command_id!" FROM order_events
            WHERE order_id = ANY($1) AND command_id = ANY($2)"#,
        &orders,
        &commands,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(CommandId).collect())
}
