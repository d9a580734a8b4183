//! `order.report`: tells the data platform a fact.

use std::sync::Arc;

use holdfast::clock;
use holdfast::domain::notice::Notice;
use holdfast::effects::report::{DataPlatform, ReportError};
use holdfast::message::ReportOrder;
use holdfast::store::effects::{Effect, EffectKind};

use crate::steps::deliver::{DeliveryOutcome, Outlet};

pub struct Platform {
    pub data_platform: Arc<DataPlatform>,
}

impl Outlet for Platform {
    type Command = ReportOrder;
    const KIND: EffectKind = EffectKind::Report;
    const AT_ONCE: usize = 32;

    fn effect(command: &ReportOrder) -> Effect {
        Effect { event_id: command.event_id, kind: Self::KIND, order_id: command.order_id }
    }

    async fn tell(&self, notice: &Notice) -> DeliveryOutcome {
        match self.data_platform.report(notice, clock::now()).await {
            Ok(()) => DeliveryOutcome::Told,
            Err(gone @ ReportError::Gone) => {
                DeliveryOutcome::Refused { class: "gone", reason: gone.to_string() }
            }
            Err(ReportError::Failed { why, retry_after }) => DeliveryOutcome::Failed { why, retry_after },
        }
    }
}
