//! Where the broker is, and how its identity is checked.

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::peers::secret::Secret;
use crate::peers::tls::{Protection, TlsError, TlsFiles};

/// Why an address cannot be used. No text tells it, since it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("AMQP_URL is no address such as amqps://user:password@host/%2f")]
    Url,
    /// The client library would connect to this machine instead.
    #[error("AMQP_URL has an IPv6 address; give its host by name")]
    Ipv6,
    /// Certificates without TLS would be a false comfort.
    #[error("AMQP_URL begins with amqp://, which is plain text: with certificates it has to be amqps://")]
    NotEncrypted,
    /// Of the files with certificates and key.
    #[error("HOLDFAST_AMQP_CA_FILE, HOLDFAST_AMQP_CERT_FILE, HOLDFAST_AMQP_KEY_FILE: {0}")]
    Tls(#[from] TlsError),
}

/// RabbitMQ, as `AMQP_URL` names it. `amqps` is TLS whose other side has shown a certificate for its name, or nothing.
#[derive(Debug, Clone)]
pub struct Address {
    url: Secret,
    tls: TlsFiles,
}

impl Address {
    /// The broker at `url`. Fails at once for what could never be connected to, such as files that are not there.
    pub fn new(url: &Secret, tls: TlsFiles) -> Result<Self, AddressError> {
        let address = Self { url: url.clone(), tls };
        match address.uri()?.scheme {
            AMQPScheme::AMQP if !address.tls.is_empty() => return Err(AddressError::NotEncrypted),
            AMQPScheme::AMQP => {}
            AMQPScheme::AMQPS => drop(address.tls.client_config()?),
        }
        Ok(address)
    }

    /// What the URL says.
    pub(super) fn uri(&self) -> Result<AMQPUri, AddressError> {
        let url = self.url.expose();
        let place = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        if host.starts_with('[') {
            return Err(AddressError::Ipv6);
        }
        url.parse().map_err(|_| AddressError::Url)
    }

    /// Whom to trust, and who we are.
    pub fn tls(&self) -> &TlsFiles {
        &self.tls
    }

    /// The host, and what protects connections to it.
    pub fn protection(&self) -> Result<(String, Protection), AddressError> {
        let uri = self.uri()?;
        let protection = match uri.scheme {
            AMQPScheme::AMQP => Protection::PlainText,
            AMQPScheme::AMQPS => Protection::Verified,
        };
        Ok((uri.authority.host, protection))
    }
}

/// An address without files. One that makes no sense fails when it is connected to.
impl From<&str> for Address {
    fn from(url: &str) -> Self {
        Self { url: Secret::from(url.to_owned()), tls: TlsFiles::default() }
    }
}

impl From<&String> for Address {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn address(url: &str, tls: TlsFiles) -> Result<Address, AddressError> {
        Address::new(&Secret::from(url.to_owned()), tls)
    }

    #[test]
    fn what_could_never_work_is_refused_at_once_and_tells_no_password() {
        let missing = TlsFiles::new(Some(Path::new("/nowhere/ca.pem")), None, None).unwrap();
        for (url, tls) in [
            ("amqp://a:hush@host", missing.clone()),
            ("amqps://a:hush@host", missing),
            ("http://a:hush@host", TlsFiles::default()),
            ("amqp://a:hush@[::1]/x", TlsFiles::default()),
            ("hush", TlsFiles::default()),
        ] {
            let error = address(url, tls).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    #[test]
    fn only_amqps_is_protected() {
        let protection = |url| address(url, TlsFiles::default()).unwrap().protection().unwrap();
        assert_eq!(protection("amqp://host/x"), ("host".to_owned(), Protection::PlainText));
        assert_eq!(protection("amqps://10.0.0.1/x"), ("10.0.0.1".to_owned(), Protection::Verified));
    }
}
