//! Replays: dead letters on their way back to their queues, as a set that is frozen when the replay begins. What sends
//! them is a pool of the workers (`replay_dead_letters.rs`): a crash there leaves the rest to another process.

pub mod api;
pub mod pages;

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DeadLetterError, Selection, narrowed};
use crate::domain::reason::Reason;
use crate::ops::dead_letters;
use crate::ops::rights::Actor;
use crate::page;
use crate::store::dead_letters::filter::Which;
use crate::store::dead_letters::lists as dead_letter_lists;
use crate::store::dead_letters::replays::{self, ItemFilter, NewReplay, Replay, ReplayItem};
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};

/// Dead letters in one replay.
pub const MAX_TOTAL: i64 = 100_000;
/// Dead letters sent in a second when nobody says.
pub const DEFAULT_RATE: i32 = 200;
/// The most that anybody may ask for: a worker sends them in batches of a few hundred.
pub const MAX_RATE: i32 = 10_000;
/// Replays and items on one page.
const PAGE: usize = 100;
/// What kind of thing the audit log calls a replay.
const SUBJECT: &str = "replay";

#[derive(Debug, Clone, Copy)]
pub struct ReplayManner<'a> {
    /// Dead letters sent in a second at most, 1 to [`MAX_RATE`].
    pub rate_per_second: i32,
    pub reason: Option<&'a Reason>,
}

/// How many dead letters a replay of this selection would send now.
pub async fn preview(conn: &mut PgConnection, selection: &Selection) -> Result<i64, DeadLetterError> {
    dead_letters::count(conn, selection, Which::Open, MAX_TOTAL).await
}

/// Freezes the set and leaves it to the workers, in the transaction of the caller.
pub async fn start(
    conn: &mut PgConnection,
    actor: &Actor,
    selection: &Selection,
    manner: ReplayManner<'_>,
) -> Result<Replay, DeadLetterError> {
    let ReplayManner { rate_per_second, reason } = manner;
    let reason = reason.map(Reason::as_str);
    if !(1..=MAX_RATE).contains(&rate_per_second) {
        return Err(DeadLetterError::Unfit(format!("the rate must be from 1 to {MAX_RATE} a second")));
    }
    let id = Uuid::now_v7();
    let filter = match selection {
        Selection::Ids(ids) => {
            dead_letters::check_known(conn, ids).await?;
            None
        }
        Selection::Matching(filter) => Some(narrowed(filter, Which::Open)?),
    };
    let stored = filter.as_ref().map(|filter| json!(filter));
    let new = NewReplay { id, filter: stored.clone(), actor: &actor.name, reason, rate_per_second };
    replays::insert(conn, new).await?;
    let total = match (selection, &filter) {
        (Selection::Ids(ids), _) => replays::freeze(conn, id, ids).await?,
        (_, Some(filter)) => dead_letter_lists::freeze_matching(conn, id, filter, MAX_TOTAL + 1).await?,
        (Selection::Matching(_), None) => unreachable!("what matches is found by a filter"),
    };
    if total > MAX_TOTAL.unsigned_abs() {
        return Err(DeadLetterError::TooMany { limit: MAX_TOTAL });
    }
    let total = i32::try_from(total).expect("a set is bounded");
    replays::set_total(conn, id, total).await?;
    let action = NewAction {
        actor: &actor.name,
        act: Act::ReplayStart,
        subject: operators::actions::subject(SUBJECT, id),
        before: None,
        after: Some(json!({"filter": stored, "total": total, "rate_per_second": rate_per_second})),
        reason,
    };
    operators::actions::append(conn, &[action]).await?;
    show(conn, id).await
}

pub async fn show(conn: &mut PgConnection, id: Uuid) -> Result<Replay, DeadLetterError> {
    replays::find(conn, id).await?.ok_or(DeadLetterError::NoSuchReplay(id))
}

/// A page of replays, the latest first, and before which one the next page begins.
pub async fn list(
    conn: &mut PgConnection,
    before: Option<Uuid>,
) -> sqlx::Result<(Vec<Replay>, Option<Uuid>)> {
    let mut replays = replays::list(conn, before, page::rows_to_read(PAGE)).await?;
    let next = page::cut(&mut replays, PAGE).map(|last| last.id);
    Ok((replays, next))
}

/// A page of a replay's items in the order of its set, and behind which place the next page begins.
pub async fn items(
    conn: &mut PgConnection,
    id: Uuid,
    filter: ItemFilter,
) -> Result<(Vec<ReplayItem>, Option<i32>), DeadLetterError> {
    show(conn, id).await?;
    let mut items = replays::items(conn, id, filter, page::rows_to_read(PAGE)).await?;
    let next = page::cut(&mut items, PAGE).map(|last| last.position);
    Ok((items, next))
}

/// Stops a replay, in the transaction of the caller. What has been sent stays sent.
pub async fn cancel(conn: &mut PgConnection, actor: &Actor, id: Uuid) -> Result<Replay, DeadLetterError> {
    let before = show(conn, id).await?;
    if !replays::cancel(conn, id).await? {
        // It may have come to its end since it was looked at.
        return Err(DeadLetterError::WrongStatus(show(conn, id).await?.status.name()));
    }
    let after = show(conn, id).await?;
    let action = NewAction {
        actor: &actor.name,
        act: Act::ReplayCancel,
        subject: operators::actions::subject(SUBJECT, id),
        before: Some(json!({"status": before.status})),
        after: Some(json!({"status": after.status, "handled": after.handled(), "total": after.total})),
        reason: None,
    };
    operators::actions::append(conn, &[action]).await?;
    Ok(after)
}
