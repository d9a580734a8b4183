//! The life of an order. Each state carries only what it has; a transition consumes the state it leaves, and answers with the
//! state that follows and the step for the store to write down. What cannot be is refused: the state comes back as it was.

mod status;
mod step;

#[cfg(test)]
mod life;

use std::mem;

use chrono::{DateTime, Utc};

use super::refusal::Refusal;
pub use status::OrderStatus;
pub(crate) use step::EXPIRE;
pub use step::{OrderStep, RefundStep, table};

/// Where an order stands.
#[derive(Debug, Default, PartialEq)]
pub enum OrderState {
    /// Waiting in the queue: no row yet.
    #[default]
    Accepted,
    /// In line for units that others have.
    Waiting(Wait),
    /// Stock is set aside until the hold's deadline.
    Held(Hold),
    /// Money is being asked for; expiry leaves it alone.
    Paying(Hold),
    Paid {
        paid_at: DateTime<Utc>,
    },
    /// Paid, and some of it given back.
    PartlyRefunded,
    /// Paid, and all of it given back.
    Refunded,
    Refused(Refusal),
    /// Not paid in time; its units are given back.
    Expired {
        /// The deadline it missed.
        expires_at: DateTime<Utc>,
        /// When its units were given back.
        released_at: DateTime<Utc>,
    },
    /// Called off by the buyer; its units are given back.
    Cancelled {
        cancelled_at: DateTime<Utc>,
    },
}

/// A place in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub since: DateTime<Utc>,
    /// Its turn comes before this instant or not at all.
    pub until: DateTime<Utc>,
}

/// Stock set aside for one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// When the hold began.
    pub began_at: DateTime<Utc>,
    /// From this instant on it cannot be paid, released or not.
    pub expires_at: DateTime<Utc>,
    /// How often it was extended.
    pub extension_count: i16,
}

impl Hold {
    /// Whether its time is up. Validity is this comparison; release is bookkeeping that follows.
    pub fn is_overdue(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }
}

/// The state that follows and the step that leads there, or the state as it was.
pub type Transition = Result<(OrderState, OrderStep), OrderState>;

impl OrderState {
    /// Stock is set aside for an order that waited in the queue: it was no more than [`Self::Accepted`], so it has no state to
    /// be consumed.
    pub fn hold(hold: Hold) -> (Self, OrderStep) {
        (Self::Held(hold), step::HOLD)
    }

    /// Nothing is set aside for it.
    pub fn refuse(refusal: Refusal) -> (Self, OrderStep) {
        (Self::Refused(refusal), step::REFUSE)
    }

    /// Others have what it wants, and it waits in line.
    pub fn wait(wait: Wait) -> (Self, OrderStep) {
        (Self::Waiting(wait), step::WAIT)
    }

    /// It is its turn: what it waited for is set aside.
    pub fn serve(self, hold: Hold) -> Transition {
        match self {
            Self::Waiting(wait) if hold.began_at < wait.until => Ok((Self::Held(hold), step::SERVE)),
            other => Err(other),
        }
    }

    /// It has waited for as long as it wanted.
    pub fn give_up(self, refusal: Refusal, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Waiting(wait) if wait.until <= now => Ok((Self::Refused(refusal), step::GIVE_UP)),
            other => Err(other),
        }
    }

    /// All of the money was at hand, in time.
    pub fn pay(self, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Held(hold) if !hold.is_overdue(now) => Ok((Self::Paid { paid_at: now }, step::PAY)),
            other => Err(other),
        }
    }

    /// A gateway is asked for money, in time: from here on the hold does not expire.
    pub fn ask(self, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Held(hold) if !hold.is_overdue(now) => Ok((Self::Paying(hold), step::ASK)),
            other => Err(other),
        }
    }

    /// The gateway took the money, however long that took.
    pub fn capture(self, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Paying(_) => Ok((Self::Paid { paid_at: now }, step::CAPTURE)),
            other => Err(other),
        }
    }

    /// The gateway took nothing: the hold goes on, or ends at once if its time is up meanwhile.
    pub fn decline(self) -> Transition {
        match self {
            Self::Paying(hold) => Ok((Self::Held(hold), step::DECLINE)),
            other => Err(other),
        }
    }

    /// Its time is up.
    pub fn expire(self, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Held(Hold { expires_at, .. }) if expires_at <= now => {
                Ok((Self::Expired { expires_at, released_at: now }, step::EXPIRE))
            }
            other => Err(other),
        }
    }

    /// The buyer wants it no more. While a gateway is asked for money, nobody knows yet.
    pub fn cancel(self, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Held(_) => Ok((Self::Cancelled { cancelled_at: now }, step::CANCEL)),
            Self::Waiting(_) => Ok((Self::Cancelled { cancelled_at: now }, step::LEAVE)),
            other => Err(other),
        }
    }

    /// Money came for an order that no longer waited for it. Whether its units are still there the caller knows.
    pub fn pay_late(self, now: DateTime<Utc>) -> Transition {
        match self {
            Self::Held(_) => Ok((Self::Paid { paid_at: now }, step::LATE_FOR_HELD)),
            Self::Expired { .. } => Ok((Self::Paid { paid_at: now }, step::LATE_FOR_EXPIRED)),
            other => Err(other),
        }
    }

    /// Money goes back. Which state follows depends on what is left, which the store counts.
    pub fn refund(self) -> Result<RefundStep, OrderState> {
        match self {
            Self::Paid { .. } => Ok(step::FIRST_REFUND),
            Self::PartlyRefunded => Ok(step::NEXT_REFUND),
            other => Err(other),
        }
    }

    /// Makes a transition in place. What cannot be leaves the state as it is, and there is no step to write down.
    pub fn go(&mut self, transition: impl FnOnce(OrderState) -> Transition) -> Option<OrderStep> {
        let (state, step) = match transition(mem::take(self)) {
            Ok((next, step)) => (next, Some(step)),
            Err(same) => (same, None),
        };
        *self = state;
        step
    }

    /// Which state it is, without what it has there.
    pub fn status(&self) -> OrderStatus {
        match self {
            Self::Accepted => OrderStatus::Accepted,
            Self::Waiting(_) => OrderStatus::Waiting,
            Self::Held(_) => OrderStatus::Held,
            Self::Paying(_) => OrderStatus::Paying,
            Self::Paid { .. } => OrderStatus::Paid,
            Self::PartlyRefunded => OrderStatus::PartlyRefunded,
            Self::Refunded => OrderStatus::Refunded,
            Self::Refused(_) => OrderStatus::Refused,
            Self::Expired { .. } => OrderStatus::Expired,
            Self::Cancelled { .. } => OrderStatus::Cancelled,
        }
    }

    /// Whether it can be called off, be it only after the payment that is on its way.
    pub fn can_be_cancelled(&self) -> bool {
        matches!(self, Self::Waiting(_) | Self::Held(_) | Self::Paying(_))
    }

    pub fn name(&self) -> &'static str {
        self.status().name()
    }

    /// Whether only a refund or late money can still change it.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Accepted | Self::Waiting(_) | Self::Held(_) | Self::Paying(_))
    }
}
