//! The audit log: what operators did.

pub mod api;
pub mod pages;

use crate::store::operators::actions::Action;

/// Actions on one page.
pub const PAGE: i64 = 100;

/// Where the next page begins, if there may be one.
fn next(actions: &[Action]) -> Option<i64> {
    let is_full = i64::try_from(actions.len()).is_ok_and(|length| length == PAGE);
    actions.last().filter(|_| is_full).map(|action| action.id)
}
