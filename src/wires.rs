//! What a program says of its wires when it starts: which of them are encrypted, and which password is not.

use std::time::Duration;

use hyper::Uri;
use tracing::{info, warn};

use crate::broker::address::Address;
use crate::peers::tls::{Protection, is_loopback};
use crate::retry::Backoff;
use crate::store::encryption;

/// A server that is away is asked again after this long at most.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Another system and the address it is called at, which may hold a secret, or have one sent to it.
pub type Other<'a> = (&'static str, Option<&'a str>);

/// Says in one line what protects the connections to both servers, as soon as PostgreSQL has said whether it offers TLS
/// where its URL leaves that open; and warns of every wire on which something secret travels as plain text.
pub fn tell(database_url: &str, broker: &Address, others: &[Other<'_>]) {
    for (name, url) in others {
        if let Some(host) = url.and_then(plain_host) {
            warn_of(name, &host);
        }
    }
    // An address that makes no sense was refused before.
    let (Ok(options), Ok((broker_host, broker))) = (encryption::options(database_url), broker.protection())
    else {
        return;
    };
    tokio::spawn(async move {
        let mut backoff = Backoff::with_ceiling(ASK_AGAIN);
        let database = loop {
            match encryption::protection(&options).await {
                Ok(protection) => break protection,
                Err(_) => backoff.wait().await,
            }
        };
        let database_host = options.get_host();
        info!(
            "PostgreSQL: {}; RabbitMQ: {}",
            described(database_host, database),
            described(&broker_host, broker)
        );
        for (name, host, protection) in
            [("PostgreSQL", database_host, database), ("RabbitMQ", &broker_host, broker)]
        {
            if protection == Protection::PlainText && !is_loopback(host) {
                warn_of(name, host);
            }
        }
    });
}

fn described(host: &str, protection: Protection) -> String {
    let place = if is_loopback(host) { ", loopback" } else { "" };
    format!("{protection}{place}")
}

fn warn_of(name: &str, host: &str) {
    warn!(host, "{name}: passwords and customers' data go over the network as plain text; use TLS");
}

/// The host of an address that is spoken to in plain text over a network.
fn plain_host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?;
    let is_plain = match uri.scheme_str()? {
        "http" => true,
        // Without a user there is no password; the mails themselves go on in plain text anyway.
        "smtp" => {
            let has_password = uri.authority()?.as_str().contains('@');
            has_password && !uri.query().is_some_and(|query| query.contains("tls=required"))
        }
        _ => false,
    };
    (is_plain && !is_loopback(host)).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_over_a_network_is_told_from_the_rest() {
        for plain in ["http://a:b@rabbitmq:15672/api", "http://10.0.0.1", "smtp://a:b@mail:25"] {
            assert!(plain_host(plain).is_some(), "{plain}");
        }
        for fine in [
            "https://a:b@rabbitmq/api",
            "http://a:b@127.0.0.1:15672/api",
            "http://localhost",
            "smtps://a:b@mail",
            "smtp://a:b@mail?tls=required",
            "smtp://mail:25",
            "file:///mails",
            "",
        ] {
            assert!(plain_host(fine).is_none(), "{fine}");
        }
    }
}
