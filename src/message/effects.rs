//! Commands to tell somebody what happened.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Command, Queue, Version};
use crate::domain::ids::OrderId;

/// `mail.send`: write to the customer about a fact. What is left to do, its row in the outbox says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SendMail {
    /// The version of the body.
    pub version: Version,
    /// The fact's place in the event log.
    pub event_id: i64,
    /// The order it is about.
    pub order_id: OrderId,
}

impl Command for SendMail {
    const QUEUE: Queue = Queue::MailSend;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}

/// `order.report`: tell the data platform a fact. What is left to do, its row in the outbox says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReportOrder {
    /// The version of the body.
    pub version: Version,
    /// The fact's place in the event log.
    pub event_id: i64,
    /// The order it is about.
    pub order_id: OrderId,
}

impl Command for ReportOrder {
    const QUEUE: Queue = Queue::OrderReport;
    fn order_id(&self) -> Option<OrderId> {
        Some(self.order_id)
    }
}
