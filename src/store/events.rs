//! The event log: append-only, read back by the relay and by whoever follows one order.

use chrono::{DateTime, Utc};
use serde_json::Value;
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
    /// What belongs to it.
    pub data: Value,
    /// When its transaction began.
    pub occurred_at: DateTime<Utc>,
}

/// Appends facts to the log and wakes the relay when the transaction commits.
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
        "WITH appended AS (
             INSERT INTO order_events (order_id, command_id, type, data)
             SELECT order_id, command_id, type, data::jsonb
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
                 AS new (order_id, command_id, type, data)
         )
         SELECT pg_notify($5, '')::text AS notified",
        &order_ids,
        command_ids.as_slice() as &[Option<Uuid>],
        &kinds,
        &data,
        CHANNEL,
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// The facts of one order after `after`, oldest first.
pub async fn of_order(conn: &mut PgConnection, order: OrderId, after: i64) -> sqlx::Result<Vec<StoredEvent>> {
    let rows = sqlx::query!(
        "SELECT id, order_id, command_id, type AS kind, data, occurred_at
           FROM order_events WHERE order_id = $1 AND id > $2 ORDER BY id LIMIT 1000",
        order.uuid(),
        after,
    )
    .fetch_all(conn)
    .await?;
    let events = rows.into_iter().map(|row| StoredEvent {
        id: row.id,
        order_id: row.order_id.into(),
        command_id: row.command_id.map(CommandId),
        kind: row.kind,
        data: row.data,
        occurred_at: row.occurred_at,
    });
    Ok(events.collect())
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

/// The fact that answered one command.
pub async fn answer_to(
    conn: &mut PgConnection,
    order: OrderId,
    command: CommandId,
) -> sqlx::Result<Option<(String, Value)>> {
    let row = sqlx::query!(
        "SELECT type AS kind, data FROM order_events WHERE order_id = $1 AND command_id = $2 ORDER BY id LIMIT 1",
        order.uuid(),
        command.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| (row.kind, row.data)))
}
