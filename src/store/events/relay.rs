//! The facts the relay publishes: why nothing is skipped and order is kept, [`super::cursors`] says.

use sqlx::PgConnection;

use super::cursors::{CursorLook, LogPart, LogPosition};
use super::{EventRow, StoredEvent};

/// The next facts, at most `limit`.
pub async fn next_part(
    conn: &mut PgConnection,
    look: &CursorLook,
    limit: i64,
) -> sqlx::Result<(LogPart, Vec<StoredEvent>)> {
    let rows = sqlx::query!(
        r#"SELECT transaction_id::text::bigint AS "transaction!", id, order_id, command_id, type AS kind,
                  data::text AS "data!", sequence, occurred_at
             FROM order_events
            WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2) AND transaction_id < $3::bigint::text::xid8
            ORDER BY transaction_id, id LIMIT $4"#,
        look.position.transaction,
        look.position.id,
        look.horizon,
        limit,
    )
    .fetch_all(conn)
    .await?;
    let facts: Vec<LogPosition> =
        rows.iter().map(|row| LogPosition { transaction: row.transaction, id: row.id }).collect();
    let part = LogPart::of(look, &facts, limit);
    let events = rows.into_iter().map(|row| {
        let (id, order_id, command_id) = (row.id, row.order_id, row.command_id);
        let (kind, data, sequence, occurred_at) = (row.kind, row.data, row.sequence, row.occurred_at);
        EventRow { id, order_id, command_id, kind, data, sequence, occurred_at }.try_into()
    });
    let mut events = events.collect::<sqlx::Result<Vec<StoredEvent>>>()?;
    // Facts of the version before do not say whom they follow: within a part they are put right.
    events.sort_unstable_by_key(|event| event.id);
    Ok((part, events))
}

/// Whether there are facts behind this place, be it too early to read them.
pub async fn is_behind(conn: &mut PgConnection, position: LogPosition) -> sqlx::Result<bool> {
    let next = sqlx::query!(
        "SELECT FROM order_events WHERE (transaction_id, id) > ($1::bigint::text::xid8, $2)
          ORDER BY transaction_id, id LIMIT 1",
        position.transaction,
        position.id,
    );
    Ok(next.fetch_optional(conn).await?.is_some())
}
