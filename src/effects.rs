//! Who is told about money that moved: customers by mail, the data platform by signed webhooks. Nothing here queries or
//! publishes.

pub mod mail;
pub mod report;
pub mod settings;
pub mod sign_in;
mod text;
