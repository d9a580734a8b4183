//! What those who wait for one order, or follow it, look at together: its answers and its facts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::together::Together;
use crate::domain::allocation::HeldItem;
use crate::domain::ids::CommandId;
use crate::store::events::answers::AnsweredOrder;
use crate::store::events::{MAX_FACTS, StoredEvent};

/// The last looks at one order.
#[derive(Default)]
pub struct Looks {
    /// Of those who wait for an outcome.
    pub(super) answers: Together<Answers>,
    /// Of those who follow.
    pub(super) facts: Together<Facts>,
    /// The commands whose answers are awaited, and by how many.
    awaited: Mutex<BTreeMap<CommandId, usize>>,
}

impl Looks {
    /// One more waits for the answer to a command.
    pub(super) fn await_answer(&self, command: CommandId) {
        *self.awaited.lock().unwrap_or_else(PoisonError::into_inner).entry(command).or_default() += 1;
    }

    /// One less waits for it.
    pub(super) fn forget(&self, command: CommandId) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = awaited.get_mut(&command) {
            *waiting -= 1;
            if *waiting == 0 {
                awaited.remove(&command);
            }
        }
    }

    /// What a look asks for, so that it is good for everybody.
    pub(super) fn awaited(&self) -> Vec<CommandId> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}

/// An order, and what came of the commands that were asked about.
#[derive(Debug)]
pub struct Answers {
    /// Those commands, in order.
    pub commands: Vec<CommandId>,
    /// Nothing while no worker has decided about the order.
    pub order: Option<AnsweredOrder>,
    /// The order's items, once somebody has to tell them: they never change.
    pub items: OnceCell<Vec<HeldItem>>,
}

/// Facts of one order.
#[derive(Debug)]
pub struct Facts {
    /// All of them come after this one,
    pub after: i64,
    /// the oldest first, and no more than fit into one look.
    pub events: Vec<StoredEvent>,
}

impl Facts {
    /// Whether whoever knows all facts up to `last` misses none that there was.
    pub fn serve(&self, last: i64) -> bool {
        self.after == last || (self.after < last && self.events.len() < MAX_FACTS)
    }

    /// The first fact after this one.
    pub fn next(&self, last: i64) -> Option<&StoredEvent> {
        self.events.get(self.events.partition_point(|event| event.id <= last))
    }

    /// The last fact that this look knows of.
    pub fn last(&self) -> i64 {
        self.events.last().map_or(self.after, |event| event.id)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;

    fn facts(after: i64, ids: impl IntoIterator<Item = i64>) -> Facts {
        let event = |id| StoredEvent {
            id,
            order_id: Uuid::nil().into(),
            command_id: None,
            kind: "order.held".to_owned(),
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            sequence: None,
            occurred_at: DateTime::UNIX_EPOCH,
        };
        Facts { after, events: ids.into_iter().map(event).collect() }
    }

    #[test]
    fn facts_serve_whoever_knows_at_least_where_they_begin() {
        let few = facts(10, [12, 15]);
        assert_eq!([9, 10, 12, 15, 99].map(|last| few.serve(last)), [false, true, true, true, true]);
        let next = |last| few.next(last).map(|event| event.id);
        assert_eq!([10, 12, 14, 15, 99].map(next), [Some(12), Some(15), Some(15), None, None]);
        assert_eq!((few.last(), facts(10, []).last()), (15, 10));
    }

    #[test]
    fn facts_that_may_not_be_all_serve_only_whom_they_were_looked_up_for() {
        let full = facts(10, 11..=10 + MAX_FACTS as i64);
        assert_eq!([9, 10, 11].map(|last| full.serve(last)), [false, true, false]);
    }
}
