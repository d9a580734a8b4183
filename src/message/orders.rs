//! Commands about holds.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Command, Queue, Version};
use crate::domain::ids::{CommandId, CustomerId, Fingerprint, OrderId};
use crate::domain::items::{HoldSeconds, RequestedItems};
use crate::domain::money::Won;
use crate::domain::waiting::WaitTerms;

/// `order.hold`: hold stock for a new order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HoldOrder {
    /// The version of the body.
    pub version: Version,
    /// The order to be.
    pub order_id: OrderId,
    /// Who asks.
    pub customer_id: CustomerId,
    /// For what.
    pub items: RequestedItems,
    /// For how long.
    pub hold_seconds: HoldSeconds,
    /// What was asked for, as a hash.
    pub fingerprint: Fingerprint,
    /// What the buyer was told it costs; for another amount nothing is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_amount_won: Option<Won>,
    /// On which terms it waits if something is missing; without them it is refused then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<WaitTerms>,
}

impl Command for HoldOrder {
    const QUEUE: Queue = Queue::OrderHold;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.expire`: a wake-up call for holds that are due together. The truth is `orders.expires_at`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExpireOrders {
    /// The version of the body.
    pub version: Version,
    /// When their time is up, as it stood when the call was ordered.
    pub due_at: DateTime<Utc>,
    /// The orders to look at.
    pub order_ids: Vec<OrderId>,
}

impl Command for ExpireOrders {
    const QUEUE: Queue = Queue::OrderExpire;
    fn order_id(&self) -> Option<OrderId> {
        None
    }
    fn weight(&self) -> usize {
        self.order_ids.len()
    }
}

/// `order.cancel`: call an order off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CancelOrder {
    /// The version of the body.
    pub version: Version,
    /// This command.
    pub command_id: CommandId,
    /// Which order.
    pub order_id: OrderId,
}

impl Command for CancelOrder {
    const QUEUE: Queue = Queue::OrderCancel;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.extend`: give a hold more time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExtendHold {
    /// The version of the body.
    pub version: Version,
    /// This command.
    pub command_id: CommandId,
    /// Which order.
    pub order_id: OrderId,
    /// How much later the deadline shall be, in seconds.
    pub extend_seconds: HoldSeconds,
}

impl Command for ExtendHold {
    const QUEUE: Queue = Queue::OrderExtend;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}
