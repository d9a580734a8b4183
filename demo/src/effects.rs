//! What follows from a payment.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use reqwest::Method;
use serde_json::Value;

use crate::shop::{Shop, say};

/// What follows from a payment comes within moments.
const LATEST_EFFECT: Duration = Duration::from_secs(10);

/// The customer's counters tell of the payment, and so does a mail, if mails are delivered into a folder here.
pub(crate) async fn a_payment_takes_effect(shop: &Shop, order: &str) -> anyhow::Result<()> {
    let folder = std::env::var("HOLDFAST_MAIL_FOLDER").ok().filter(|folder| !folder.is_empty());
    let started = Instant::now();
    loop {
        let (_, alice) = shop.call("alice", Method::GET, "/v1/customer", Value::Null).await?;
        let is_counted = alice["order_count"] == 1 && alice["paid_won"] == 15_000;
        let mails = folder.as_deref().map(|folder| mails_about(Path::new(folder), order)).transpose()?;
        if is_counted && mails.is_none_or(|mails| mails == 1) {
            let mail = if mails.is_some() { "one mail, " } else { "" };
            say(12, &format!("what followed from alice's payment: {mail}1 order and 15,000 won counted"));
            return Ok(());
        }
        ensure!(started.elapsed() < LATEST_EFFECT, "alice is counted {alice}, her mails are {mails:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn mails_about(folder: &Path, order: &str) -> anyhow::Result<usize> {
    let mut count = 0;
    for file in std::fs::read_dir(folder)? {
        let is_about =
            std::fs::read_to_string(file?.path())?.contains(&format!("Subject: Your order {order}"));
        count += usize::from(is_about);
    }
    Ok(count)
}
