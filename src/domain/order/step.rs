//! The steps of an order's life: one table, of which ARCHITECTURE's picture is made.

use super::OrderStatus::{
    self, Accepted, Cancelled, Expired, Held, Paid, PartlyRefunded, Paying, Refunded, Refused, Waiting,
};

/// A step that an order takes, for the store to write down. Only the transitions of [`super::OrderState`] hand one out, and
/// only the store reads it. It cannot be copied, so the same step is not taken for two orders.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a step that nobody writes down was not taken"]
pub struct OrderStep {
    pub(super) from: OrderStatus,
    pub(super) name: &'static str,
    pub(super) to: OrderStatus,
}

/// The step of a refund. Which of the two it is, the store knows: it counts what was given back.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a step that nobody writes down was not taken"]
pub struct RefundStep {
    /// If units are left with the buyer.
    pub(crate) part: OrderStep,
    /// If none are. It leaves the same state.
    pub(crate) whole: OrderStep,
}

pub(super) const HOLD: OrderStep = step(Accepted, "hold", Held);
pub(super) const REFUSE: OrderStep = step(Accepted, "refuse", Refused);
pub(super) const WAIT: OrderStep = step(Accepted, "wait", Waiting);
pub(super) const SERVE: OrderStep = step(Waiting, "its turn", Held);
pub(super) const GIVE_UP: OrderStep = step(Waiting, "wait in vain", Refused);
pub(super) const LEAVE: OrderStep = step(Waiting, "cancel", Cancelled);
pub(super) const PAY: OrderStep = step(Held, "pay", Paid);
pub(super) const ASK: OrderStep = step(Held, "ask the gateway", Paying);
pub(super) const CAPTURE: OrderStep = step(Paying, "money taken", Paid);
pub(super) const DECLINE: OrderStep = step(Paying, "declined", Held);
/// The one step that is written where the state is not at hand: PostgreSQL ends all holds that are due by its own clock.
pub(crate) const EXPIRE: OrderStep = step(Held, "expire", Expired);
pub(super) const CANCEL: OrderStep = step(Held, "cancel", Cancelled);
pub(super) const LATE_FOR_HELD: OrderStep = step(Held, "late money", Paid);
pub(super) const LATE_FOR_EXPIRED: OrderStep = step(Expired, "late money", Paid);
pub(super) const FIRST_REFUND: RefundStep =
    RefundStep { part: step(Paid, "refund a part", PartlyRefunded), whole: step(Paid, "refund", Refunded) };
pub(super) const NEXT_REFUND: RefundStep = RefundStep {
    part: step(PartlyRefunded, "refund a part", PartlyRefunded),
    whole: step(PartlyRefunded, "refund the rest", Refunded),
};

/// All steps there are.
const STEPS: [OrderStep; 18] = [
    HOLD,
    REFUSE,
    WAIT,
    SERVE,
    GIVE_UP,
    LEAVE,
    PAY,
    ASK,
    CAPTURE,
    DECLINE,
    EXPIRE,
    CANCEL,
    LATE_FOR_HELD,
    LATE_FOR_EXPIRED,
    FIRST_REFUND.part,
    FIRST_REFUND.whole,
    NEXT_REFUND.part,
    NEXT_REFUND.whole,
];

/// Every step's state that it leaves, name, and state that it leads to.
pub fn table() -> impl Iterator<Item = (OrderStatus, &'static str, OrderStatus)> {
    STEPS.into_iter().map(|OrderStep { from, name, to }| (from, name, to))
}

const fn step(from: OrderStatus, name: &'static str, to: OrderStatus) -> OrderStep {
    OrderStep { from, name, to }
}

impl OrderStep {
    /// The state that it leaves.
    pub fn from(&self) -> OrderStatus {
        self.from
    }

    /// The state that it leads to.
    pub fn to(&self) -> OrderStatus {
        self.to
    }
}
