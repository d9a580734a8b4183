//! The handlers, one file per group of routes.

pub mod carts;
pub mod catalogue;
pub mod charges;
pub mod checkout;
pub mod customers;
pub mod events;
pub mod health;
pub mod histories;
pub mod lines;
pub mod orders;
pub mod payments;
pub mod popular;
pub mod product_lists;
pub mod products;
pub mod receipts;
pub mod refunds;
pub mod sessions;
pub mod sign_ins;
pub mod sku_lists;
pub mod skus;
pub mod wallets;
pub mod webhooks;
