//! Connections to PostgreSQL: how they are encrypted, as the URL says and libpq has it.

use std::io;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peers::tls::Protection;

/// Names of the parameter with a file of authorities, as the driver reads them.
const AUTHORITIES: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];
/// A client asks for TLS by this message, and is answered with one byte.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const TLS_OFFERED: u8 = b'S';
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a URL says. Who names an authority wants it asked: `require` is then `verify-ca`, as it is to libpq.
pub fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    let is_checked = names_authorities(url) || std::env::var_os("PGSSLROOTCERT").is_some();
    Ok(match options.get_ssl_mode() {
        PgSslMode::Require if is_checked => options.ssl_mode(PgSslMode::VerifyCa),
        _ => options,
    })
}

fn names_authorities(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    parameters.iter().any(|(name, _)| AUTHORITIES.contains(&name.as_str()))
}

/// What protects connections with these options. Only `prefer` leaves that to the server, which is asked.
pub async fn protection(options: &PgConnectOptions) -> io::Result<Protection> {
    let has_socket = options.get_socket().is_some() || Path::new(options.get_host()).is_absolute();
    Ok(match options.get_ssl_mode() {
        _ if has_socket => Protection::UnixSocket,
        PgSslMode::VerifyFull => Protection::Verified,
        PgSslMode::VerifyCa => Protection::AuthorityVerified,
        PgSslMode::Require => Protection::Unverified,
        // The driver tries no TLS for `allow`.
        PgSslMode::Disable | PgSslMode::Allow => Protection::PlainText,
        PgSslMode::Prefer => {
            let offered = timeout(ANSWER_TIMEOUT, offers_tls(options.get_host(), options.get_port()));
            let offered = offered.await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
            if offered { Protection::Unverified } else { Protection::PlainText }
        }
    })
}

async fn offers_tls(host: &str, port: u16) -> io::Result<bool> {
    let mut server = TcpStream::connect((host, port)).await?;
    server.write_all(&TLS_REQUEST).await?;
    Ok(server.read_u8().await? == TLS_OFFERED)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(url: &str) -> Protection {
        protection(&options(url).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn the_mode_of_the_url_decides() {
        let server = "postgres://somebody@db.example.com/holdfast";
        assert_eq!(of(&format!("{server}?sslmode=disable")).await, Protection::PlainText);
        assert_eq!(of(&format!("{server}?sslmode=allow")).await, Protection::PlainText);
        assert_eq!(of(&format!("{server}?sslmode=require")).await, Protection::Unverified);
        assert_eq!(of(&format!("{server}?sslmode=verify-full")).await, Protection::Verified);
        assert_eq!(of("postgres://somebody@%2Frun%2Fpostgresql/holdfast").await, Protection::UnixSocket);
        for name in AUTHORITIES {
            let url = format!("{server}?sslmode=require&{name}=%2Fca.pem");
            assert_eq!(of(&url).await, Protection::AuthorityVerified, "{url}");
        }
        assert!(options(&format!("{server}?sslmode=most")).is_err());
    }
}
