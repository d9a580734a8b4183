//! The facts the relay publishes.
//!
//! Within a round they go in the order of their ids, which is the order of transitions for every order, because an
//! order's row is locked before its fact is written. Why order survives from round to round: [`super::cursors`].

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::PgConnection;

use super::cursors::Round;
use super::events::{EventRow, StoredEvent};

/// The facts of a round that are not published yet, in order.
pub fn facts<'a>(conn: &'a mut PgConnection, round: &'a Round) -> BoxStream<'a, sqlx::Result<StoredEvent>> {
    sqlx::query_as!(
        EventRow,
        r#"SELECT id, order_id, command_id, type AS kind, data::text AS "data!", occurred_at
             FROM order_events
            WHERE transaction_id >= $1::text::xid8 AND transaction_id < $2::text::xid8 AND id > $3
            ORDER BY id"#,
        round.from,
        round.to,
        round.last_id,
    )
    .fetch(conn)
    .and_then(async |row| row.try_into())
    .boxed()
}

/// Whether there are facts newer than this round.
pub async fn is_behind(conn: &mut PgConnection, round: &Round) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM order_events WHERE transaction_id >= $1::text::xid8) AS "behind!""#,
        round.to,
    )
    .fetch_one(conn)
    .await
}
