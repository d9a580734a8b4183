//! The pools of workers: what runs in a workers process, what an operator pauses.

use crate::message::Queue;

/// A kind of pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pool {
    /// Applies the commands of one queue.
    Commands(Queue),
    /// Moves dead letters into their table.
    DeadLetters,
    /// Sends dead letters back to their queues.
    Replays,
    /// Releases what timers missed.
    Sweep,
    /// Publishes the event log.
    Relay,
    /// Lets payments take effect: counters, mails, reports.
    Feed,
    /// Checks the truths, for the metric and for the console.
    Audit,
    /// Counts what the console shows.
    Figures,
}

impl Pool {
    pub fn all() -> impl Iterator<Item = Pool> {
        let helpers = [
            Pool::DeadLetters,
            Pool::Replays,
            Pool::Sweep,
            Pool::Relay,
            Pool::Feed,
            Pool::Audit,
            Pool::Figures,
        ];
        Queue::ALL.into_iter().map(Pool::Commands).chain(helpers)
    }

    /// How many runners it has when nobody says. A second runner of `order.hold` prepares its batch while the first
    /// one's commit is on its way to the disk; more of them only wait for each other's SKUs.
    pub fn usual_runners(self) -> usize {
        match self {
            Pool::Commands(Queue::OrderHold) => 2,
            // Others go on while one waits for a gateway that hangs.
            Pool::Commands(queue) if queue.asks_a_gateway() => 4,
            Pool::Commands(Queue::MailSend | Queue::OrderReport) => 2,
            _ => 1,
        }
    }

    /// Its name on the command line and in the console.
    pub fn name(self) -> &'static str {
        match self {
            Pool::Commands(queue) => queue.name(),
            Pool::DeadLetters => "dead-letters",
            Pool::Replays => "replays",
            Pool::Sweep => "sweep",
            Pool::Relay => "relay",
            Pool::Feed => "feed",
            Pool::Audit => "audit",
            Pool::Figures => "figures",
        }
    }

    /// The pool of this name.
    pub fn from_name(name: &str) -> Option<Pool> {
        Pool::all().find(|pool| pool.name() == name)
    }

    /// Whether it runs only where somebody outside is configured: a gateway, a mail server, the data platform.
    pub fn needs_configuration(self) -> bool {
        matches!(self, Pool::Commands(queue) if queue.waits_for_others())
    }

    /// What stops while it is paused, in words for the operator who is about to do it.
    pub fn while_paused(self) -> &'static str {
        match self {
            Pool::Commands(Queue::OrderHold) => "New orders are accepted and wait; nobody gets an answer.",
            Pool::Commands(Queue::OrderExpire) => {
                "Unpaid holds are not released, neither by timers nor by the sweeper. They cannot be paid past their \
                 time, and a buyer who needs their units still gets them."
            }
            Pool::Commands(Queue::OrderCancel) => "Cancellations wait.",
            Pool::Commands(Queue::OrderExtend) => "Extensions wait; holds may run out meanwhile.",
            Pool::Commands(Queue::PaymentConfirm) => "Payments wait; holds may run out meanwhile.",
            Pool::Commands(Queue::PaymentResolve) => {
                "The gateway is not asked about card payments, and the sweeper wakes none. Their orders stay \
                 \"paying\" and do not expire."
            }
            Pool::Commands(Queue::OrderRefund) => "Refunds wait.",
            Pool::Commands(Queue::RefundResolve) => {
                "The gateway is not asked to give money back, and the sweeper wakes no refund."
            }
            Pool::Commands(Queue::WalletCharge) => {
                "The gateway is not asked about charges by card, and the sweeper wakes none."
            }
            Pool::Commands(Queue::MailSend) => "Mails wait, and the sweeper wakes none.",
            Pool::Commands(Queue::OrderReport) => {
                "Reports to the data platform wait, and the sweeper wakes none."
            }
            Pool::DeadLetters => "Dead letters stay in their queues and are not listed.",
            Pool::Replays => "Dead letters that are to be replayed wait.",
            Pool::Sweep => "What a lost timer or message left behind stays behind.",
            Pool::Relay => {
                "Facts are not published; callers and streams hear of outcomes a second or two later."
            }
            Pool::Feed => "Counters stand still, and nobody is told of payments and refunds.",
            Pool::Audit => "The truths are not checked.",
            Pool::Figures => "The charts of the console stand still.",
        }
    }
}
