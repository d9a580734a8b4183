//! Mails to customers, by SMTP or into a folder.

use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::time::timeout;

use super::sign_in::SignInMail;
use super::text::{subject, text};
use crate::domain::contact::EmailAddress;
use crate::domain::notice::Notice;
use crate::peers::secret::Secret;

/// Everything about one mail has to be over by then.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Connections to the server that are kept for the next mail.
const KEPT_CONNECTIONS: u32 = 8;
/// Servers close idle connections after some minutes; ours goes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Refusals of our credentials, which say nothing about a mail (RFC 4954).
const ABOUT_US: [u16; 4] = [530, 534, 535, 538];

/// Why there is no mailer. No text tells the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    #[error("the mail URL must be smtp://, smtps:// or file:// and an absolute folder")]
    Url,
    /// The folder of a `file://` URL.
    #[error("the folder for mails cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    #[error("HOLDFAST_MAIL_FROM must be an address such as \"My shop <shop@example.com>\"")]
    From,
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The server does not take this mail, and will not.
    #[error("{0}")]
    Refused(String),
    /// It may work the next time.
    #[error("{0}")]
    Failed(String),
}

/// Sends mails from one address.
pub struct Mailer {
    transport: Transport,
    from: Mailbox,
}

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Folder(AsyncFileTransport<Tokio1Executor>),
}

impl Mailer {
    /// A mailer; it connects when it has something to send. A folder is made. Its pool of connections needs a runtime.
    pub fn new(url: &Secret, from: &str) -> Result<Self, MailSetupError> {
        let from = from.parse().map_err(|_| MailSetupError::From)?;
        let transport = match url.expose().strip_prefix("file://") {
            Some(folder) if folder.starts_with('/') => {
                let folder = PathBuf::from(folder);
                std::fs::create_dir_all(&folder)?;
                Transport::Folder(AsyncFileTransport::new(folder))
            }
            Some(_) => return Err(MailSetupError::Url),
            None => {
                let pool = PoolConfig::new().max_size(KEPT_CONNECTIONS).idle_timeout(IDLE_TIMEOUT);
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose())
                    .map_err(|_| MailSetupError::Url)?;
                Transport::Smtp(builder.timeout(Some(TIMEOUT)).pool_config(pool).build())
            }
        };
        Ok(Self { transport, from })
    }

    /// Sends a customer the mail about a fact. Sent again it is the same mail with the same `Message-ID`, but for a deadline that
    /// has been moved meanwhile.
    pub async fn send(&self, to: &EmailAddress, notice: &Notice, time_zone: Tz) -> Result<(), MailError> {
        self.deliver(self.compose(to, notice, time_zone)?).await
    }

    /// Sends somebody the link by which they sign in.
    pub async fn send_link(&self, mail: &SignInMail<'_>) -> Result<(), MailError> {
        let refused = |error: &dyn std::fmt::Display| MailError::Refused(error.to_string());
        let to = mail.to.as_str().parse().map_err(|error| refused(&error))?;
        let id = format!("<{}@{}>", mail.id, self.from.email.domain());
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(id))
            .date(mail.asked_at.into())
            .subject(mail.subject())
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text())
            .map_err(|error| refused(&error))?;
        self.deliver(message).await
    }

    async fn deliver(&self, mail: Message) -> Result<(), MailError> {
        let sending = async {
            match &self.transport {
                Transport::Smtp(smtp) => smtp.send(mail).await.map(|_| ()).map_err(judge),
                Transport::Folder(folder) => {
                    folder.send(mail).await.map(|_| ()).map_err(|error| MailError::Failed(error.to_string()))
                }
            }
        };
        let too_late = || Err(MailError::Failed("the mail server did not answer in time".to_owned()));
        timeout(TIMEOUT, sending).await.unwrap_or_else(|_| too_late())
    }

    fn compose(&self, to: &EmailAddress, notice: &Notice, time_zone: Tz) -> Result<Message, MailError> {
        let refused = |error: &dyn std::fmt::Display| MailError::Refused(error.to_string());
        let to = to.as_str().parse().map_err(|error| refused(&error))?;
        let id = format!("<{}.{}@{}>", notice.event_id, notice.order_id, self.from.email.domain());
        // Only ids and our own words are in headers, names are in the text.
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(id))
            .date(notice.occurred_at.into())
            .subject(subject(notice))
            .header(ContentType::TEXT_PLAIN)
            .body(text(notice, time_zone))
            .map_err(|error| refused(&error))
    }
}

fn judge(error: smtp::Error) -> MailError {
    let is_about_us = error.status().is_some_and(|code| ABOUT_US.contains(&u16::from(code)));
    if error.is_permanent() && !is_about_us {
        MailError::Refused(error.to_string())
    } else {
        MailError::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{CommandId, CustomerId, OrderId, SkuCode};
    use crate::domain::money::Won;
    use crate::domain::notice::{Matter, NoticeItem};
    use uuid::Uuid;

    fn notice(name: &str) -> Notice {
        Notice {
            event_id: 7,
            occurred_at: chrono::DateTime::UNIX_EPOCH,
            order_id: OrderId::from(Uuid::nil()),
            customer_id: CustomerId::parse("alice").unwrap(),
            email: None,
            matter: Matter::Paid { payment_id: CommandId(Uuid::nil()) },
            amount: Won(1_234_000),
            items: vec![NoticeItem {
                sku: SkuCode::parse("mug").unwrap(),
                name: name.to_owned(),
                quantity: 2,
                amount: Won(1_234_000),
            }],
        }
    }

    fn mail(name: &str) -> String {
        let folder = std::env::temp_dir().join("holdfast-mail-test");
        let url = Secret::from(format!("file://{}", folder.display()));
        let mailer = Mailer::new(&url, "My shop <shop@example.com>").unwrap();
        let to = EmailAddress::parse("alice@example.com").unwrap();
        String::from_utf8(mailer.compose(&to, &notice(name), Tz::Asia__Seoul).unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_mail_tells_what_was_paid_and_is_the_same_every_time() {
        let mail = mail("Blue mug");
        for line in [
            "From: \"My shop\" <shop@example.com>",
            "To: alice@example.com",
            "Message-ID: <7.00000000-0000-0000-0000-000000000000@example.com>",
            "  2 x Blue mug: 1,234,000 won",
        ] {
            assert!(mail.contains(line), "no {line} in {mail}");
        }
        assert_eq!(mail, self::mail("Blue mug"));
    }

    #[test]
    fn a_name_adds_neither_a_header_nor_a_line() {
        let mail = mail("Mug\r\nBcc: mallory@example.com");
        assert!(!mail.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    }

    #[test]
    fn what_is_no_mail_server_is_refused_without_telling_the_password() {
        for url in ["http://user:hush@host", "file://relative", "hush"] {
            let error = Mailer::new(&Secret::from(url.to_owned()), "a@example.com").err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
        assert!(Mailer::new(&Secret::from("smtp://localhost".to_owned()), "no address").is_err());
    }

    #[tokio::test]
    async fn mail_servers_with_and_without_tls_are_taken() {
        for url in ["smtp://localhost:2525", "smtps://user:hush@host", "smtp://host?tls=required"] {
            assert!(Mailer::new(&Secret::from(url.to_owned()), "a@example.com").is_ok(), "{url}");
        }
    }
}
