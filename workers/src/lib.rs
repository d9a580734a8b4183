//! The worker pools: each worker is one file with the queue it reads and one function over a batch; the runner alone
//! touches the broker.

mod ask_gateway;
mod backlog;
pub mod bell;
pub mod cancel_orders;
pub mod charge_wallets;
pub mod collect_dead_letters;
pub mod confirm_payment;
pub mod deliver;
mod distinct;
pub mod expire_orders;
pub mod extend_holds;
mod facts;
pub mod feed_effects;
pub mod figures;
mod finish;
mod follow;
mod give_back;
pub mod hold_orders;
pub mod pause;
pub mod pauses;
pub mod pools;
pub mod refund_orders;
pub mod relay_events;
pub mod release;
pub mod replay_dead_letters;
pub mod report_orders;
pub mod resolve_payment;
pub mod resolve_refund;
pub mod roster;
pub mod runner;
pub mod send_mail;
pub mod settle;
pub mod sweep;
mod tally;
mod traces;
pub mod worker;
