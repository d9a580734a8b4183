//! Acts on orders: the worker decides, and the operator waits a little for what comes of it.

use std::time::Duration;

use futures_util::FutureExt as _;
use uuid::Uuid;

use super::Desk;
use crate::broker::envelope::Outgoing;
use crate::domain::card::Stated;
use crate::domain::ids::{CommandId, IdempotencyKey, OrderId};
use crate::domain::reason::Reason;
use crate::domain::refund::Asked;
use crate::http::command::decide;
use crate::http::error::ApiError;
use crate::http::headers::Wait;
use crate::http::outcome::Awaited;
use crate::http::patience::Patience;
use crate::http::routes::refunds::check_key;
use crate::http::views::OrderView;
use crate::http::visit::Stay;
use crate::ops::orders::view::{OrderDetail, Resolved};
use crate::ops::orders::{self, actions};

/// Whoever does not say how long they wait is told the outcome if it comes this soon.
const SOON: Duration = Duration::from_secs(3);

/// What came of an act on an order.
pub struct Given {
    /// Whether a worker has decided.
    pub is_decided: bool,
    /// The order as it stands then.
    pub order: OrderView,
}

impl Desk {
    /// Has an order called off.
    pub async fn cancel_order(&self, order: OrderId, reason: Reason, wait: Wait) -> Result<Given, ApiError> {
        let stay = self.stay(wait)?;
        let act = self
            .commit(move |tx, actor| async move { actions::cancel(tx, actor, order, &reason).await }.boxed());
        self.give(order, stay, Awaited::Cancellation, act).await
    }

    /// Has money given back. A key that was used for another refund is refused, also if that becomes known only now,
    /// because another process took it at the same time.
    pub async fn refund_order(
        &self,
        order: OrderId,
        (key, asked): (IdempotencyKey, Asked),
        reason: Reason,
        wait: Wait,
    ) -> Result<Given, ApiError> {
        let stay = self.stay(wait)?;
        let id = self.app.read(async |conn| actions::refund_id(conn, order, &key).await).await?;
        check_key(&self.app, id, &asked).await?;
        let wanted = asked.clone();
        let act = self.commit(move |tx, actor| {
            async move { actions::refund(tx, actor, order, (id, wanted), &reason).await }.boxed()
        });
        let given = self.give(order, stay, Awaited::Refund(id), act).await?;
        if given.is_decided {
            check_key(&self.app, id, &asked).await?;
        }
        Ok(given)
    }

    /// Has the gateway asked about what is not settled.
    pub async fn resolve_order(
        &self,
        order: OrderId,
        reason: Reason,
        wait: Wait,
    ) -> Result<Resolved, ApiError> {
        let stay = self.stay(wait)?;
        let act = self.commit(move |tx, actor| {
            async move { actions::resolve(tx, actor, order, &reason).await }.boxed()
        });
        self.settle(order, stay, act).await
    }

    /// Says what came of a payment.
    pub async fn settle_payment(
        &self,
        order: OrderId,
        said: (CommandId, Stated),
        reason: Reason,
        wait: Wait,
    ) -> Result<Resolved, ApiError> {
        let stay = self.stay(wait)?;
        let act = self.commit(move |tx, actor| {
            async move { actions::settle(tx, actor, order, said, &reason).await }.boxed()
        });
        self.settle(order, stay, async { Ok((vec![said.0.0], act.await?)) }).await
    }

    /// Waits as long as the operator says, or a little, if there is a place. Taken before anything is done: whoever finds none
    /// has done nothing.
    fn stay(&self, wait: Wait) -> Result<Option<Stay>, ApiError> {
        wait.begin_or_for(SOON, &self.app.stays)
    }

    async fn give(
        &self,
        order: OrderId,
        stay: Option<Stay>,
        awaited: Awaited,
        act: impl Future<Output = Result<Vec<Outgoing>, ApiError>>,
    ) -> Result<Given, ApiError> {
        let giving = async { self.publish(act.await?).await };
        match decide(&self.app, order, stay, awaited, giving).await? {
            Some(outcome) => outcome.map(|(_, order)| Given { is_decided: true, order }),
            None => Ok(Given { is_decided: false, order: OrderView::accepted(order) }),
        }
    }

    /// Does what moves an order's money, and tells how it stands once it is settled, or when nobody waits any longer.
    async fn settle(
        &self,
        order: OrderId,
        stay: Option<Stay>,
        act: impl Future<Output = Result<(Vec<Uuid>, Vec<Outgoing>), ApiError>>,
    ) -> Result<Resolved, ApiError> {
        let app = &self.app;
        let mut calls = app.watch.subscribe(order);
        let (asked, messages) = act.await?;
        self.publish(messages).await?;
        let mut patience = Patience::new(app, stay);
        let mut known: Option<OrderDetail> = None;
        loop {
            let looking = app.read(async |conn| orders::show(conn, order).await.map(Some));
            if let Some(found) = patience.look(looking).await {
                known = Some(found?);
            }
            let is_settled = known.as_ref().is_some_and(|order| !order.is_unsettled);
            if is_settled || !patience.again(Some(&mut calls)).await {
                break;
            }
        }
        let OrderDetail { is_unsettled, payments, refunds, .. } =
            known.ok_or(ApiError::DatabaseUnavailable)?;
        Ok(Resolved { asked, is_settled: !is_unsettled, payments, refunds })
    }
}
