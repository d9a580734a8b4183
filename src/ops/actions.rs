//! The audit log: what operators did.

pub mod api;
pub mod pages;

use sqlx::PgConnection;

use crate::page;
use crate::store::operators;
use crate::store::operators::actions::{Action, ActionFilter};

/// Actions on one page.
const PAGE: usize = 100;

/// A page of actions, the latest first, and before which one the next page begins.
async fn list(conn: &mut PgConnection, filter: &ActionFilter) -> sqlx::Result<(Vec<Action>, Option<i64>)> {
    let mut actions = operators::actions::list(conn, filter, page::rows_to_read(PAGE)).await?;
    let next = page::cut(&mut actions, PAGE).map(|last| last.id);
    Ok((actions, next))
}
