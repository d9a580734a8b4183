//! The workers: one file each, with the queue it reads and one function over a batch.

pub mod cancel_orders;
pub mod charge_wallets;
pub mod collect_dead_letters;
pub mod confirm_payments;
pub mod expire_orders;
pub mod extend_holds;
pub mod hold_orders;
pub mod refund_orders;
pub mod report_orders;
pub mod resolve_payments;
pub mod resolve_refunds;
pub mod send_mail;
