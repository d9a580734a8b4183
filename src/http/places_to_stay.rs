//! Places for those who stay: streams, and callers who wait for an outcome. A stay costs a look at the database every second
//! or two, so there is an end to them, for one customer and for all.

use std::time::Duration;

use metrics::gauge;

use super::error::{ApiError, Excess};
use crate::config::StayRoom;
use crate::domain::ids::CustomerId;
use crate::places::{Place, Places};

/// When there may be room again: most waits are over by then.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// Who shares the places.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A customer, whoever acts for them.
    Customer(CustomerId),
    /// Whoever has the token of this name.
    Token(String),
}

/// Who stays.
#[derive(Clone)]
pub struct Stays {
    streams: Places<Whose>,
    waits: Places<Whose>,
}

/// A place of somebody who stays, until it is dropped.
pub type StayPlace = Place<Whose>;

impl Stays {
    /// Nobody yet.
    pub fn new(room: StayRoom) -> Self {
        let streams = Places::new(room.streams, |by| {
            gauge!("holdfast_waiting_callers", "kind" => "stream").increment(by)
        });
        let waits =
            Places::new(room.waits, |by| gauge!("holdfast_waiting_callers", "kind" => "wait").increment(by));
        Self { streams, waits }
    }

    /// As many places for others: what the ones take is not the others' loss.
    pub fn beside(&self) -> Self {
        Self { streams: self.streams.beside(), waits: self.waits.beside() }
    }

    /// A place for a stream.
    pub fn stream(&self, whose: &Whose) -> Result<StayPlace, ApiError> {
        self.streams.take(Some(whose.clone())).map_err(|_| ApiError::TooMany(Excess::Streams, ROOM_AGAIN))
    }

    /// A place for somebody who waits.
    pub fn wait(&self, whose: &Whose) -> Result<StayPlace, ApiError> {
        self.waits.take(Some(whose.clone())).map_err(|_| ApiError::TooMany(Excess::Waits, ROOM_AGAIN))
    }
}
