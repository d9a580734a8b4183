//! The event log: append-only, read back by the relay and by whoever follows one order.

pub mod answers;
pub mod cursors;
pub mod feed;
pub mod figures;
pub mod notices;
pub mod relay;
pub mod restored_log;

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
    /// Its place among the facts of its order, from 1; nothing if a version that did not count wrote one of them.
    pub sequence: Option<i32>,
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
    pub(super) sequence: Option<i32>,
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
            sequence: row.sequence,
            occurred_at: row.occurred_at,
        })
    }
}

/// Appends facts to the log. The rows of their orders are locked, or new. Whoever commits them rings for the relay
/// afterwards: see [`ring`].
pub async fn append(conn: &mut PgConnection, events: &[NewEvent]) -> sqlx::Result<()> {
    let (first, next): (Vec<&NewEvent>, Vec<&NewEvent>) =
        events.iter().partition(|event| event.event.is_first());
    Columns::of(&first).insert_first(&mut *conn).await?;
    Columns::of(&next).insert_next(conn).await
}

#[derive(Default)]
struct Columns {
    orders: Vec<Uuid>,
    commands: Vec<Option<Uuid>>,
    kinds: Vec<String>,
    data: Vec<String>,
}

impl Columns {
    fn of(events: &[&NewEvent]) -> Self {
        let mut columns = Self::default();
        for event in events {
            columns.orders.push(event.order_id.uuid());
            columns.commands.push(event.command_id.map(|command| command.0));
            columns.kinds.push(event.event.kind().to_owned());
            columns.data.push(event.event.data());
        }
        columns
    }

    /// Facts that nothing of their order comes before: there is nothing to look up.
    async fn insert_first(self, conn: &mut PgConnection) -> sqlx::Result<()> {
        if self.orders.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO order_events (transaction_id, order_id, command_id, type, data, sequence)
             SELECT (SELECT log_transaction_id()), order_id, command_id, type, data::jsonb, 1
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS new (order_id, command_id, type, data)",
            &self.orders,
            self.commands.as_slice() as &[Option<Uuid>],
            &self.kinds,
            &self.data,
        )
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Facts that follow others of their order: never with a smaller transaction id than those, or readers could meet
    /// them first (`cursors.rs`). An id from the future is left out: it came with a dump from another server.
    async fn insert_next(self, conn: &mut PgConnection) -> sqlx::Result<()> {
        if self.orders.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "WITH own AS MATERIALIZED (
                 SELECT log_transaction_id() AS id,
                        (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + id_offset)::text::xid8 AS not_yet
                   FROM event_log
             )
             INSERT INTO order_events (transaction_id, order_id, command_id, type, data, sequence)
             SELECT greatest(own.id, CASE WHEN last.transaction_id < own.not_yet THEN last.transaction_id END),
                    new.order_id, command_id, type, data::jsonb,
                    CASE WHEN last.transaction_id IS NULL THEN 0 ELSE last.sequence END
                    + row_number() OVER (PARTITION BY new.order_id ORDER BY place)::integer
               FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) WITH ORDINALITY
                    AS new (order_id, command_id, type, data, place)
              CROSS JOIN own
               LEFT JOIN LATERAL (SELECT transaction_id, sequence FROM order_events e
                                   WHERE e.order_id = new.order_id ORDER BY e.id DESC LIMIT 1) AS last ON true
              ORDER BY place",
            &self.orders,
            self.commands.as_slice() as &[Option<Uuid>],
            &self.kinds,
            &self.data,
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// Wakes the relay, once the facts are committed.
pub async fn ring(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT pg_notify($1, '')::text AS notified", CHANNEL).fetch_one(conn).await?;
    Ok(())
}

/// Facts of one order in one answer.
pub const MAX_FACTS: usize = 1_000;

/// The facts of one order after `after`, oldest first, no more than [`MAX_FACTS`].
pub async fn of_order(conn: &mut PgConnection, order: OrderId, after: i64) -> sqlx::Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"SELECT id, order_id, command_id, type AS kind, data::text AS "data!", sequence, occurred_at
             FROM order_events WHERE order_id = $1 AND id > $2 ORDER BY id LIMIT 1000"#,
        order.uuid(),
        after,
    )
    .fetch_all(conn)
    .await?;
    let event = |row: EventRow| StoredEvent::try_from(row);
    rows.into_iter().map(event).collect()
}

/// The latest facts of one order, oldest first.
pub async fn latest_of_order(
    conn: &mut PgConnection,
    order: OrderId,
    at_most: i64,
) -> sqlx::Result<Vec<StoredEvent>> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"SELECT id, order_id, command_id, type AS kind, data::text AS "data!", sequence, occurred_at
             FROM order_events WHERE order_id = $1 ORDER BY id DESC LIMIT $2"#,
        order.uuid(),
        at_most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().rev().map(StoredEvent::try_from).collect()
}

/// Which of these commands have been answered by a fact already: each of the order beside it. A redelivered command finds itself
/// here. An order may have any number of facts, so they are looked for by command; comparing both columns as a row keeps the
/// planner from the index of orders.
pub async fn answered(
    conn: &mut PgConnection,
    orders: &[OrderId],
    commands: &[CommandId],
) -> sqlx::Result<Vec<CommandId>> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
    let commands: Vec<Uuid> = commands.iter().map(|command| command.0).collect();
    let rows = sqlx::query_scalar!(
        r#"SELECT asked.command_id AS "command_id!"
             FROM unnest($1::uuid[], $2::uuid[]) AS asked (order_id, command_id)
            CROSS JOIN LATERAL (
                  SELECT FROM order_events e
                   WHERE (e.command_id, e.order_id) >= (asked.command_id, asked.order_id)
                     AND (e.command_id, e.order_id) <= (asked.command_id, asked.order_id)
                     AND e.command_id IS NOT NULL AND e.type NOT IN ('order.held', 'order.refused')
                   LIMIT 1) AS answering"#,
        &orders,
        &commands,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(CommandId).collect())
}
