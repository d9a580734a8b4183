//! The list of workers: what runs in this process, and how many of each.

use std::pin::Pin;
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
use crate::engine::runner::{self, BatchTurns};
use crate::engine::worker::Worker;
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
    backlog, check_truths, feed_effects, figures, relay_events, remove_old, replay_dead_letters,
    serve_waiting, sweep,
};
use crate::steps::deliver::Deliver;

/// A pool and how many runners it has, as in `order.hold=2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSize {
    pub pool: Pool,
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

/// See [`Settings::guest_carts`].
pub const GUEST_CARTS: u32 = 500_000;

/// What the workers are told by configuration.
#[derive(Clone)]
pub struct Settings {
    /// Whom card payments are asked of; without it their messages wait.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// Who is told about payments; without them their messages wait.
    pub outlets: Outlets,
    /// Where days begin and end for sales figures, and what mails tell times in.
    pub time_zone: Tz,
    /// What one customer may hold.
    pub limits: Limits,
    /// Messages in one batch of `order.hold`.
    pub hold_batch_size: usize,
    /// Days after which a webhook about no payment is removed.
    pub unmatched_webhook_days: u16,
    /// Carts that strangers began and that are kept at most.
    pub guest_carts: u32,
}

/// What runs until it is told to stop.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Makes the tasks of one runner of a pool.
type RunnerMaker = Box<dyn Fn(&Context, &BatchTurns) -> Vec<Task>>;

/// Starts the runners of a pool.
pub fn start(size: PoolSize, settings: &Settings, context: &Context, tasks: &TaskTracker) {
    let name = size.pool.name();
    let Some(runner) = runner_of(size.pool, settings) else {
        return match size.pool {
            Pool::Commands(queue) if queue.asks_a_gateway() => {
                warn!("no payment gateway is configured: {name} is not consumed here");
            }
            _ => info!("nobody is configured who is to be told: {name} is not consumed here"),
        };
    };
    // Runners that wait for others outside are in nobody's way.
    let turns = match size.pool {
        Pool::Commands(queue) if queue.waits_for_others() => runner::turns(size.runners),
        _ => runner::turns(1),
    };
    let context = context.join(size.pool, size.runners);
    for task in (0..size.runners).flat_map(|_| runner(&context, &turns)) {
        tasks.spawn(task);
    }
}

/// The list of pools: what a runner of each does. Nothing, if nobody is configured whom it asks or tells.
fn runner_of(pool: Pool, settings: &Settings) -> Option<RunnerMaker> {
    Some(match pool {
        Pool::Commands(queue) => return worker_of(queue, settings),
        Pool::DeadLetters => Box::new(|context, _| {
            let collect =
                |queue| task(runner::run(CollectDeadLetters { queue }, context.clone(), runner::turns(1)));
            dead_queues().into_iter().map(collect).collect()
        }),
        Pool::Replays => repeat(replay_dead_letters::run),
        Pool::Sweep => {
            let (days, carts) = (settings.unmatched_webhook_days, settings.guest_carts);
            Box::new(move |context, _| {
                vec![
                    task(remove_old::run(context.clone(), days, carts)),
                    task(sweep::run(context.clone())),
                    task(serve_waiting::run(context.clone())),
                ]
            })
        }
        Pool::Relay => repeat(relay_events::run),
        Pool::Feed => {
            let (outlets, time_zone) = (settings.outlets.clone(), settings.time_zone);
            Box::new(move |context, _| {
                let (context, outlets) = (context.clone(), outlets.clone());
                vec![task(async move { feed_effects::run(context, &outlets, time_zone).await })]
            })
        }
        // Both look at everything, and neither needs to in more than one process.
        Pool::Audit => Box::new(|context, _| {
            vec![task(check_truths::run(context.clone())), task(backlog::run(context.clone()))]
        }),
        Pool::Figures => repeat(figures::run),
    })
}

fn worker_of(queue: Queue, settings: &Settings) -> Option<RunnerMaker> {
    let Settings { gateway, outlets, time_zone, limits, hold_batch_size, .. } = settings.clone();
    Some(match queue {
        Queue::OrderHold => consume(move || HoldOrders::new(limits, hold_batch_size)),
        Queue::OrderExpire => consume(|| ExpireDue),
        Queue::OrderCancel => consume(|| CancelOrders),
        Queue::OrderExtend => consume(|| ExtendHolds),
        Queue::OrderRefund => consume(|| RefundOrders),
        Queue::PaymentConfirm => consume(|| ConfirmPayments),
        Queue::PaymentResolve => {
            let gateway = gateway?;
            consume(move || ResolvePayments { gateway: gateway.clone() })
        }
        Queue::RefundResolve => {
            let gateway = gateway?;
            consume(move || ResolveRefunds { gateway: gateway.clone() })
        }
        Queue::WalletCharge => {
            let gateway = gateway?;
            consume(move || ChargeWallets { gateway: gateway.clone() })
        }
        Queue::MailSend => {
            let mailer = outlets.mailer?;
            consume(move || Deliver(Customers { mailer: mailer.clone(), time_zone }))
        }
        Queue::OrderReport => {
            let data_platform = outlets.data_platform?;
            consume(move || Deliver(Platform { data_platform: data_platform.clone() }))
        }
    })
}

/// A runner that applies what is in a worker's queue.
fn consume<W: Worker>(worker: impl Fn() -> W + 'static) -> RunnerMaker {
    Box::new(move |context, turns| vec![task(runner::run(worker(), context.clone(), turns.clone()))])
}

/// A runner that needs no queue.
fn repeat<F: Future<Output = ()> + Send + 'static>(run: fn(Context) -> F) -> RunnerMaker {
    Box::new(move |context, _| vec![task(run(context.clone()))])
}

fn task(task: impl Future<Output = ()> + Send + 'static) -> Task {
    Box::pin(task)
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
