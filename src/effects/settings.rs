//! Options of mail and data platform, each with an environment variable; secrets belong into the environment.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::mail::{MailSetupError, Mailer};
use super::report::{DataPlatform, ReportSetupError};
use crate::peers::secret::Secret;

/// For one report, from its start to the end of the answer.
const REPORT_TIMEOUT: Duration = Duration::from_secs(15);

/// How mails are sent.
#[derive(Args, Clone, Debug)]
pub struct MailSettings {
    /// Where mails go: `smtp://host:port`, `smtps://user:password@host` or `file:///folder`; without it none are written
    #[arg(long, env = "HOLDFAST_MAIL_URL", hide_env_values = true)]
    pub mail_url: Option<Secret>,
    /// Whom mails are from, such as `My shop <shop@example.com>`
    #[arg(long, env = "HOLDFAST_MAIL_FROM")]
    pub mail_from: Option<String>,
}

impl MailSettings {
    /// A mailer, if mails are to be written.
    pub fn open(&self) -> Result<Option<Arc<Mailer>>, MailSetupError> {
        // An empty variable is how a compose file says "not set".
        let url = self.mail_url.as_ref().filter(|url| !url.expose().is_empty());
        let from = self.mail_from.as_deref().unwrap_or_default();
        Ok(url.map(|url| Mailer::new(url, from)).transpose()?.map(Arc::new))
    }
}

/// Who is told about payments and waits.
#[derive(Args, Clone, Debug)]
pub struct EffectSettings {
    #[command(flatten)]
    pub mail: MailSettings,
    /// Where paid and refunded orders, and waits that end, are reported; without it none are
    #[arg(long, env = "HOLDFAST_DATA_PLATFORM_URL")]
    pub data_platform_url: Option<String>,
    /// Secrets (`whsec_…`) that sign reports, comma-separated: one, or two while one replaces the other
    #[arg(long, env = "HOLDFAST_DATA_PLATFORM_SECRET", value_delimiter = ',', hide_env_values = true)]
    pub data_platform_secret: Vec<Secret>,
}

/// Why nobody can be told. No text tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum EffectSetupError {
    #[error(transparent)]
    Mail(#[from] MailSetupError),
    #[error(transparent)]
    Report(#[from] ReportSetupError),
}

/// Who can be told.
#[derive(Clone, Default)]
pub struct Outlets {
    pub mailer: Option<Arc<Mailer>>,
    pub data_platform: Option<Arc<DataPlatform>>,
}

impl EffectSettings {
    pub fn open(&self) -> Result<Outlets, EffectSetupError> {
        let mailer = self.mail.open()?;
        let platform_url = self.data_platform_url.as_deref().filter(|url| !url.is_empty());
        let data_platform = platform_url
            .map(|url| DataPlatform::new(url, &self.data_platform_secret, REPORT_TIMEOUT))
            .transpose()?;
        Ok(Outlets { mailer, data_platform: data_platform.map(Arc::new) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        effects: EffectSettings,
    }

    fn parse(arguments: &[&str]) -> EffectSettings {
        Program::try_parse_from([&["program"], arguments].concat()).unwrap().effects
    }

    #[test]
    fn nobody_is_told_unless_configured() {
        let outlets = parse(&["--mail-url", "", "--data-platform-url", ""]).open().unwrap();
        assert!(outlets.mailer.is_none() && outlets.data_platform.is_none());
    }

    #[test]
    fn half_a_configuration_is_refused_and_no_secret_is_told() {
        let url = ["--data-platform-url", "https://data.example.com/hook"];
        for arguments in [
            &["--mail-url", "smtp://user:hush@mail.example.com"][..],
            &url,
            &[&url[..], &["--data-platform-secret", "whsec_hush"]].concat(),
            &["--data-platform-url", "ftp://hush", "--data-platform-secret", "whsec_hush"],
        ] {
            let settings = parse(arguments);
            let error = settings.open().err().unwrap();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
        let settings = parse(&["--mail-url", "smtp://user:hush@mail.example.com"]);
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
