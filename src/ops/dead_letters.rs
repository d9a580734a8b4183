//! Dead letters: find, understand, discard and restore them. Replays are a subject of their own.

pub mod api;
pub mod body;
pub mod detail;
pub mod edit;
pub mod error;
pub mod export;
pub mod pages;
pub mod replays;
pub mod request;

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

pub use self::error::DeadLetterError;
use super::rights::Actor;
use crate::domain::reason::Reason;
use crate::store::dead_letters::filter::{DeadLetterFilter, Which};
use crate::store::dead_letters::lists::{Group, LetterPosition, Page, Summary};
use crate::store::dead_letters::{self, DeadLetterStatus, SUBJECT};
use crate::store::operators;
use crate::store::operators::actions::{Act, NewAction};

/// Dead letters on one page.
pub const PAGE_SIZE: usize = 100;
/// Dead letters discarded or restored at once: in one transaction, and within the time an answer may take.
pub const MAX_CHANGED: i64 = 5_000;

/// Which dead letters to do something to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    Ids(Vec<Uuid>),
    Matching(DeadLetterFilter),
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Changed {
    /// Dead letters that were changed.
    pub changed: usize,
    /// Dead letters that were named, but are of another status by now.
    pub skipped: usize,
}

/// A page of dead letters, those that died last first.
pub async fn list(
    conn: &mut PgConnection,
    filter: &DeadLetterFilter,
    after: Option<LetterPosition>,
) -> sqlx::Result<Page<Summary>> {
    dead_letters::lists::page(conn, filter, after, PAGE_SIZE).await
}

/// Groups of dead letters, the largest first.
pub async fn groups(conn: &mut PgConnection, filter: &DeadLetterFilter) -> sqlx::Result<Vec<Group>> {
    dead_letters::lists::groups(conn, filter).await
}

/// How many of a selection have a status, counted up to one more than `limit` where they are not named.
pub async fn count(
    conn: &mut PgConnection,
    selection: &Selection,
    which: Which,
    limit: i64,
) -> Result<i64, DeadLetterError> {
    let counted = match (selection, which.status()) {
        (Selection::Ids(ids), Some(status)) => {
            check_known(conn, ids).await?;
            dead_letters::count_of(conn, ids, status).await?
        }
        (Selection::Ids(ids), None) => i64::try_from(distinct(ids)).unwrap_or(i64::MAX),
        (Selection::Matching(filter), _) => {
            let filter = narrowed(filter, which)?;
            dead_letters::lists::count(conn, &filter, limit.saturating_add(1)).await?
        }
    };
    if counted > limit { Err(DeadLetterError::TooMany { limit }) } else { Ok(counted) }
}

/// A filter for those of one status: what asks for another one by name must not act on these.
pub(crate) fn narrowed(filter: &DeadLetterFilter, which: Which) -> Result<DeadLetterFilter, DeadLetterError> {
    match filter.status {
        Some(asked) if asked != which && asked != Which::Any => {
            Err(DeadLetterError::Unfit(format!("only {} ones can be chosen here", which.name())))
        }
        _ => Ok(filter.of_status(which)),
    }
}

/// A change of many dead letters at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Give open ones up.
    Discard,
    /// Open discarded ones again.
    Restore,
}

impl Change {
    pub const fn of(self) -> Which {
        match self {
            Self::Discard => Which::Open,
            Self::Restore => Which::Discarded,
        }
    }

    const fn statuses(self) -> (DeadLetterStatus, DeadLetterStatus, Act) {
        match self {
            Self::Discard => (DeadLetterStatus::Open, DeadLetterStatus::Discarded, Act::DeadLetterDiscard),
            Self::Restore => (DeadLetterStatus::Discarded, DeadLetterStatus::Open, Act::DeadLetterRestore),
        }
    }
}

/// Discards or restores a selection, in the transaction of the caller.
pub async fn change(
    conn: &mut PgConnection,
    actor: &Actor,
    selection: &Selection,
    change: Change,
    reason: Option<&Reason>,
) -> Result<Changed, DeadLetterError> {
    if change == Change::Discard && reason.is_none() {
        return Err(DeadLetterError::Unfit("a dead letter is discarded with a reason".to_owned()));
    }
    let (before, after, act) = change.statuses();
    let (ids, skipped) = match selection {
        Selection::Ids(named) => {
            check_known(conn, named).await?;
            let locked = dead_letters::lock_status(conn, named, before).await?;
            let skipped = distinct(named) - locked.len();
            (locked, skipped)
        }
        Selection::Matching(filter) => {
            let filter = narrowed(filter, change.of())?;
            (dead_letters::lists::lock_matching(conn, &filter, MAX_CHANGED + 1).await?, 0)
        }
    };
    if i64::try_from(ids.len()).unwrap_or(i64::MAX) > MAX_CHANGED {
        return Err(DeadLetterError::TooMany { limit: MAX_CHANGED });
    }
    dead_letters::mark(conn, &ids, after).await?;
    let actions: Vec<NewAction<'_>> = ids
        .iter()
        .map(|id| NewAction {
            actor: &actor.name,
            act,
            subject: operators::actions::subject(SUBJECT, *id),
            before: Some(json!({"status": before})),
            after: Some(json!({"status": after})),
            reason: reason.map(Reason::as_str),
        })
        .collect();
    operators::actions::append(conn, &actions).await?;
    Ok(Changed { changed: ids.len(), skipped })
}

/// Refuses a selection that names what is not there, before anything is done.
pub async fn check_known(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(), DeadLetterError> {
    match dead_letters::unknown(conn, ids).await?.first() {
        Some(id) => Err(DeadLetterError::NoSuchLetter(*id)),
        None => Ok(()),
    }
}

fn distinct(ids: &[Uuid]) -> usize {
    ids.iter().collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_asked_for_by_name_is_never_taken_for_another() {
        let asked = |status| DeadLetterFilter { status, ..DeadLetterFilter::default() };
        for fits in [None, Some(Which::Any), Some(Which::Open)] {
            assert_eq!(narrowed(&asked(fits), Which::Open).unwrap().status, Some(Which::Open));
        }
        assert!(narrowed(&asked(Some(Which::Discarded)), Which::Open).is_err());
    }
}
