//! Places for those who stay: streams, and callers who wait for an outcome. A stay costs a look at the database every second
//! or two, so there is an end to them, for one customer, for one token and for all.

use std::time::Duration;

use metrics::gauge;

use super::error::{ApiError, Excess};
use crate::config::{StayPlaces, StayRoom};
use crate::domain::ids::CustomerId;
use crate::places::{Place, Places};

/// When there may be room again: most waits are over by then.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// For whom somebody stays.
#[derive(Debug, Clone)]
pub struct Whose {
    /// The customer, whoever acts for them; none where an operator stays.
    pub customer: Option<CustomerId>,
    /// The name of the token.
    token: String,
}

impl Whose {
    /// Whoever has the token of this name.
    pub fn of_token(name: &str) -> Self {
        Self { customer: None, token: name.to_owned() }
    }
}

/// Who has a share of the places.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Sharer {
    Customer(CustomerId),
    /// Whoever has the token of this name.
    Token(String),
}

#[derive(Clone)]
pub struct Stays {
    streams: Places<Sharer>,
    waits: Places<Sharer>,
    room: StayRoom,
}

/// A place of somebody who stays, until it is dropped.
pub type StayPlace = Place<Sharer>;

impl Stays {
    pub fn new(room: StayRoom) -> Self {
        let streams = Places::new(room.streams.in_all, |by| {
            gauge!("holdfast_waiting_callers", "kind" => "stream").increment(by)
        });
        let waits = Places::new(room.waits.in_all, |by| {
            gauge!("holdfast_waiting_callers", "kind" => "wait").increment(by)
        });
        Self { streams, waits, room }
    }

    /// As many places for others: what the ones take is not the others' loss.
    pub fn beside(&self) -> Self {
        Self { streams: self.streams.beside(), waits: self.waits.beside(), room: self.room }
    }

    /// A place for a stream.
    pub fn stream(&self, whose: &Whose) -> Result<StayPlace, ApiError> {
        let place = self.streams.take(&shares(whose, self.room.streams));
        place.map_err(|_| ApiError::TooMany(Excess::Streams, ROOM_AGAIN))
    }

    /// A place for somebody who waits.
    pub fn wait(&self, whose: &Whose) -> Result<StayPlace, ApiError> {
        let place = self.waits.take(&shares(whose, self.room.waits));
        place.map_err(|_| ApiError::TooMany(Excess::Waits, ROOM_AGAIN))
    }
}

/// Who must have room for somebody, and how many of theirs may stay. An operator has no more room than a customer.
fn shares(whose: &Whose, places: StayPlaces) -> Vec<(Sharer, usize)> {
    let token = Sharer::Token(whose.token.clone());
    match &whose.customer {
        Some(customer) => {
            vec![(Sharer::Customer(customer.clone()), places.of_customer), (token, places.of_token)]
        }
        None => vec![(token, places.of_customer)],
    }
}
