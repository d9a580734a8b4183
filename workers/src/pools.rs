//! The list of workers: what runs in this process, and how many of each.

use std::str::FromStr;
use std::sync::Arc;

use chrono_tz::Tz;
use holdfast::broker::topology::dead_queues;
use holdfast::domain::limits::Limits;
use holdfast::effects::settings::Outlets;
use holdfast::gateway::port::Gateway;
use holdfast::message::Queue;
pub use holdfast::pool::Pool;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::engine::context::Context;
use crate::engine::runner;
use crate::jobs::cancel_orders::CancelOrders;
use crate::jobs::charge_wallets::ChargeWallets;
use crate::jobs::collect_dead_letters::CollectDeadLetters;
use crate::jobs::confirm_payments::ConfirmPayments;
use crate::jobs::expire_orders::ExpireDue;
use crate::jobs::extend_holds::ExtendHolds;
use crate::jobs::hold_orders::HoldOrders;
use crate::jobs::refund_orders::RefundOrders;
use crate::jobs::report_orders::Platform;
use crate::jobs::resolve_payments::ResolvePayments;
use crate::jobs::resolve_refunds::ResolveRefunds;
use crate::jobs::send_mail::Customers;
use crate::loops::{
    backlog, check_truths, feed_effects, figures, relay_events, remove_old, replay_dead_letters, sweep,
};
use crate::steps::deliver::Deliver;

/// A pool and how many runners it has, as in `order.hold=2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    /// Which pool.
    pub pool: Pool,
    /// How many runners.
    pub runners: usize,
}

impl FromStr for PoolSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, runners) = text.split_once('=').unwrap_or((text, "1"));
        let pool = Pool::from_name(name).ok_or_else(|| {
            let names: Vec<_> = Pool::all().map(Pool::name).collect();
            format!("no pool is called {name}; there are {}", names.join(", "))
        })?;
        let runners = runners.parse().map_err(|_| format!("{runners} is not a number of runners"))?;
        Ok(Self { pool, runners })
    }
}

/// What the workers are told by configuration.
#[derive(Clone)]
pub struct Settings {
    /// Whom card payments are asked of; without it their messages wait.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// Who is told about payments; without them their messages wait.
    pub outlets: Outlets,
    /// Where days begin and end for sales figures.
    pub time_zone: Tz,
    /// What one customer may hold.
    pub limits: Limits,
    /// Messages in one batch of `order.hold`.
    pub hold_batch_size: usize,
    /// Days after which a webhook about no payment is removed.
    pub unmatched_webhook_days: u16,
}

impl Settings {
    /// Whether everybody is configured whom the workers of this pool ask.
    fn can_run(&self, pool: Pool) -> bool {
        match pool {
            Pool::Commands(queue) if queue.asks_a_gateway() => self.gateway.is_some(),
            Pool::Commands(Queue::MailSend) => self.outlets.mailer.is_some(),
            Pool::Commands(Queue::OrderReport) => self.outlets.data_platform.is_some(),
            _ => true,
        }
    }
}

/// Starts the runners of a pool.
pub fn start(size: PoolSize, settings: &Settings, context: &Context, tasks: &TaskTracker) {
    // Runners that wait for others outside are in nobody's way.
    let turns = match size.pool {
        Pool::Commands(queue) if queue.waits_for_others() => runner::turns(size.runners),
        _ => runner::turns(1),
    };
    // One that waits for a gateway or an outlet to be configured is not reported as working here.
    let context =
        if settings.can_run(size.pool) { context.join(size.pool, size.runners) } else { context.clone() };
    for _ in 0..size.runners {
        let context = context.clone();
        match size.pool {
            Pool::Commands(Queue::OrderHold) => {
                let worker = HoldOrders::new(settings.limits, settings.hold_batch_size);
                tasks.spawn(runner::run(worker, context, turns.clone()));
            }
            Pool::Commands(Queue::OrderExpire) => {
                tasks.spawn(runner::run(ExpireDue, context, turns.clone()));
            }
            Pool::Commands(Queue::OrderCancel) => {
                tasks.spawn(runner::run(CancelOrders, context, turns.clone()));
            }
            Pool::Commands(Queue::OrderExtend) => {
                tasks.spawn(runner::run(ExtendHolds, context, turns.clone()));
            }
            Pool::Commands(Queue::PaymentConfirm) => {
                tasks.spawn(runner::run(ConfirmPayments, context, turns.clone()));
            }
            Pool::Commands(Queue::PaymentResolve) => match &settings.gateway {
                Some(gateway) => {
                    let worker = ResolvePayments { gateway: gateway.clone() };
                    tasks.spawn(runner::run(worker, context, turns.clone()));
                }
                None => warn!("no payment gateway is configured: payment.resolve is not consumed here"),
            },
            Pool::Commands(Queue::OrderRefund) => {
                tasks.spawn(runner::run(RefundOrders, context, turns.clone()));
            }
            Pool::Commands(Queue::RefundResolve) => match &settings.gateway {
                Some(gateway) => {
                    let worker = ResolveRefunds { gateway: gateway.clone() };
                    tasks.spawn(runner::run(worker, context, turns.clone()));
                }
                None => warn!("no payment gateway is configured: refund.resolve is not consumed here"),
            },
            Pool::Commands(Queue::WalletCharge) => match &settings.gateway {
                Some(gateway) => {
                    let worker = ChargeWallets { gateway: gateway.clone() };
                    tasks.spawn(runner::run(worker, context, turns.clone()));
                }
                None => warn!("no payment gateway is configured: wallet.charge is not consumed here"),
            },
            Pool::Commands(Queue::MailSend) => match &settings.outlets.mailer {
                Some(mailer) => {
                    let worker = Deliver(Customers { mailer: mailer.clone() });
                    tasks.spawn(runner::run(worker, context, turns.clone()));
                }
                None => info!("no mail server is configured: mail.send is not consumed here"),
            },
            Pool::Commands(Queue::OrderReport) => match &settings.outlets.data_platform {
                Some(data_platform) => {
                    let worker = Deliver(Platform { data_platform: data_platform.clone() });
                    tasks.spawn(runner::run(worker, context, turns.clone()));
                }
                None => info!("no data platform is configured: order.report is not consumed here"),
            },
            Pool::DeadLetters => {
                for queue in dead_queues() {
                    tasks.spawn(runner::run(CollectDeadLetters { queue }, context.clone(), runner::turns(1)));
                }
            }
            Pool::Replays => {
                tasks.spawn(replay_dead_letters::run(context));
            }
            Pool::Sweep => {
                tasks.spawn(remove_old::run(context.clone(), settings.unmatched_webhook_days));
                tasks.spawn(sweep::run(context));
            }
            Pool::Relay => {
                tasks.spawn(relay_events::run(context));
            }
            Pool::Feed => {
                let (outlets, time_zone) = (settings.outlets.clone(), settings.time_zone);
                tasks.spawn(async move { feed_effects::run(context, &outlets, time_zone).await });
            }
            Pool::Audit => {
                tasks.spawn(backlog::export(context.pool.clone(), context.stop.clone()));
                tasks.spawn(check_truths::run(context));
            }
            Pool::Figures => {
                tasks.spawn(figures::run(context));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_named_with_its_size() {
        let size: PoolSize = "payment.confirm=8".parse().unwrap();
        assert_eq!(size, PoolSize { pool: Pool::Commands(Queue::PaymentConfirm), runners: 8 });
        assert_eq!("sweep".parse::<PoolSize>().unwrap().runners, 1);
        assert!("order.nothing=1".parse::<PoolSize>().is_err());
        assert!("sweep=many".parse::<PoolSize>().is_err());
    }
}
