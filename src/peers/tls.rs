//! TLS towards other systems: whom we trust, who we are there, and what protects a connection in the end.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The operating system has no certificate authorities.
    #[error("no certificate authorities to check the other side's identity with: {0}")]
    Authorities(#[source] std::io::Error),
    /// A certificate without its key, or the other way round.
    #[error("a client certificate and its key are needed together")]
    HalfAnIdentity,
    /// A file of certificates or a key.
    #[error("{0} cannot be read: {1}")]
    File(PathBuf, #[source] pem::Error),
    /// A file without what it is for.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// The cryptography does not do what TLS needs, or the key is of no kind that it knows.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Files with whom we trust and who we are. The files are read whenever a connection is opened, so that renewed
/// certificates need no restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    authorities: Option<PathBuf>,
    identity: Option<Identity>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl TlsFiles {
    /// PEM files; without `authorities` those of the operating system are trusted. An empty path is none, which is how
    /// a compose file says "not set".
    pub fn new(
        authorities: Option<&Path>,
        certificate: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Self, TlsError> {
        let given =
            |path: Option<&Path>| path.filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned);
        let identity = match (given(certificate), given(key)) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key }),
            (None, None) => None,
            _ => return Err(TlsError::HalfAnIdentity),
        };
        Ok(Self { authorities: given(authorities), identity })
    }

    /// Whether there is no file at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a client needs. The other side's certificate and name are always checked.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let tls = builder()?;
        let tls = match &self.authorities {
            Some(file) => {
                let mut trusted = RootCertStore::empty();
                for certificate in certificates(file)? {
                    trusted.add(certificate)?;
                }
                tls.with_root_certificates(trusted)
            }
            None => tls.with_native_roots().map_err(TlsError::Authorities)?,
        };
        match &self.identity {
            None => Ok(tls.with_no_client_auth()),
            Some(Identity { certificate, key }) => {
                let key =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::File(key.clone(), error))?;
                Ok(tls.with_client_auth_cert(certificates(certificate)?, key)?)
            }
        }
    }
}

/// What a client needs that opens no TLS connection: nobody is trusted.
pub fn trusting_nobody() -> Result<ClientConfig, TlsError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| TlsError::File(file.to_owned(), error);
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(unreadable)?;
    if certificates.is_empty() { Err(TlsError::Empty(file.to_owned())) } else { Ok(certificates) }
}

/// What protects a connection from those between us and the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS, and the other side has shown a certificate for its name.
    Verified,
    /// TLS with anybody whom a trusted authority has given a certificate.
    AuthorityVerified,
    /// TLS with whoever answers: nobody can listen, somebody in between can pretend.
    Unverified,
    PlainText,
    /// It does not leave this machine's kernel.
    UnixSocket,
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Verified => "TLS, verified",
            Self::AuthorityVerified => "TLS, authority verified and name not",
            Self::Unverified => "TLS, not verified",
            Self::PlainText => "plain text",
            Self::UnixSocket => "Unix socket",
        })
    }
}

/// Whether what is sent to this host stays on this machine.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_identity_is_refused_and_an_empty_path_is_none() {
        let path = |text| Some(Path::new(text));
        assert!(matches!(TlsFiles::new(None, path("a.pem"), path("")), Err(TlsError::HalfAnIdentity)));
        assert!(matches!(TlsFiles::new(None, None, path("a.key")), Err(TlsError::HalfAnIdentity)));
        assert!(TlsFiles::new(path(""), path(""), path("")).unwrap().is_empty());
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = TlsFiles::new(Some(Path::new("/nowhere/ca.pem")), None, None).unwrap();
        assert!(files.client_config().unwrap_err().to_string().starts_with("/nowhere/ca.pem cannot be read"));
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for here in ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "::1"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["rabbitmq", "10.0.0.1", "localhost.example.com", "0.0.0.0", ""] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
