//! An order together with the facts that answer its commands, as of one moment.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::domain::ids::{CommandId, OrderId};
use crate::store::orders::{OrderRow, OrderStatus, RawOrder};

/// The fact that answered a command.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct AnsweringFact {
    /// Its name, such as `order.paid`.
    pub kind: String,
    /// What belongs to it.
    pub data: Value,
}

/// An order, and which of some commands have been answered by then.
#[derive(Debug)]
pub struct AnsweredOrder {
    pub row: OrderRow,
    /// The answers, by command.
    pub answers: HashMap<CommandId, AnsweringFact>,
}

/// The order as it is, with the facts that answer these commands: in one statement, so that no fact is told with the order of
/// before it. A command is answered by its first fact; by that it paid after all, if late money did. The facts are looked for as
/// [`super::answered`] does, each by itself: joined, they would be looked for in a whole index that counts as empty.
pub async fn find(
    conn: &mut PgConnection,
    order: OrderId,
    commands: &[CommandId],
) -> sqlx::Result<Option<AnsweredOrder>> {
    let commands: Vec<Uuid> = commands.iter().map(|command| command.0).collect();
    let found = sqlx::query!(
        r#"SELECT id, customer_id, status AS "status: OrderStatus", amount_won, refunded_won, fingerprint, refusal,
                  extension_count, created_at, held_at, expires_at, closed_at, now() AS "read_at!",
                  (SELECT jsonb_object_agg(command_id, jsonb_build_object('kind', type, 'data', data))
                     FROM unnest($2::uuid[]) AS asked (command_id) CROSS JOIN LATERAL (
                          SELECT e.type, e.data FROM order_events e
                           WHERE (e.command_id, e.order_id) >= (asked.command_id, orders.id)
                             AND (e.command_id, e.order_id) <= (asked.command_id, orders.id)
                             AND e.command_id IS NOT NULL AND e.type NOT IN ('order.held', 'order.refused')
                           ORDER BY e.type = 'order.paid' DESC, e.id LIMIT 1) AS answering
                  ) AS "answers: Json<HashMap<Uuid, AnsweringFact>>"
             FROM orders WHERE id = $1"#,
        order.uuid(),
        &commands,
    )
    .fetch_optional(conn)
    .await?;
    let Some(found) = found else { return Ok(None) };
    let answers = found.answers.map(|Json(answers)| answers).unwrap_or_default();
    let row = RawOrder {
        id: found.id,
        customer_id: found.customer_id,
        status: found.status,
        amount_won: found.amount_won,
        refunded_won: found.refunded_won,
        fingerprint: found.fingerprint,
        refusal: found.refusal,
        extension_count: found.extension_count,
        created_at: found.created_at,
        held_at: found.held_at,
        expires_at: found.expires_at,
        closed_at: found.closed_at,
        read_at: found.read_at,
    };
    Ok(Some(AnsweredOrder {
        row: row.try_into()?,
        answers: answers.into_iter().map(|(command, answer)| (CommandId(command), answer)).collect(),
    }))
}
