//! `mail.send`: writes to the customer about a fact.

use std::sync::Arc;

use chrono_tz::Tz;
use holdfast::domain::notice::Notice;
use holdfast::effects::mail::{MailError, Mailer};
use holdfast::message::SendMail;
use holdfast::store::effects::{Effect, EffectKind};

use crate::steps::deliver::{DeliveryOutcome, Outlet};

pub struct Customers {
    pub mailer: Arc<Mailer>,
    /// What times are told in.
    pub time_zone: Tz,
}

impl Outlet for Customers {
    type Command = SendMail;
    const KIND: EffectKind = EffectKind::Mail;
    // Mail servers allow few connections.
    const AT_ONCE: usize = 8;

    fn effect(command: &SendMail) -> Effect {
        Effect { event_id: command.event_id, kind: Self::KIND, order_id: command.order_id }
    }

    async fn tell(&self, notice: &Notice) -> DeliveryOutcome {
        let Some(email) = &notice.email else { return DeliveryOutcome::Nobody };
        if notice.matter.comes_too_late() {
            return DeliveryOutcome::TooLate;
        }
        match self.mailer.send(email, notice, self.time_zone).await {
            Ok(()) => DeliveryOutcome::Told,
            Err(MailError::Refused(reason)) => DeliveryOutcome::Refused { class: "refused", reason },
            Err(MailError::Failed(why)) => DeliveryOutcome::Failed { why, retry_after: None },
        }
    }
}
