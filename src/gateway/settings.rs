//! Options of the gateway, each with an environment variable; secrets belong into the environment.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::breaker::BreakerRules;
use super::guard::{GuardRules, Guarded};
use super::port::Gateway;
use super::toss::{Toss, TossError, TossSettings};
use crate::peers::secret::Secret;
use crate::peers::webhook::{InvalidSecret, WebhookSecrets};

/// The payment gateway.
#[derive(Args, Clone, Debug)]
pub struct GatewaySettings {
    /// The secret key of Toss Payments; without it nothing can be paid by card
    #[arg(long, env = "HOLDFAST_TOSS_SECRET_KEY", hide_env_values = true)]
    pub toss_secret_key: Option<Secret>,
    /// Where the API of Toss Payments is
    #[arg(long, env = "HOLDFAST_TOSS_URL", default_value = "https://api.tosspayments.com")]
    pub toss_url: String,
    /// Seconds one call to the gateway may take, from 0.1 to 60
    #[arg(long, env = "HOLDFAST_GATEWAY_TIMEOUT_SECONDS", default_value = "10", value_parser = seconds)]
    pub gateway_timeout: Duration,
    /// Calls to the gateway that this process has on their way at once
    #[arg(long, env = "HOLDFAST_GATEWAY_CONCURRENCY", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub gateway_concurrency: u16,
    /// Secrets (`whsec_…`) of signed webhooks, comma-separated: one, or two while one replaces the other. Without any,
    /// unsigned webhooks are taken as hints
    #[arg(long, env = "HOLDFAST_WEBHOOK_SECRETS", value_delimiter = ',', hide_env_values = true)]
    pub webhook_secrets: Vec<Secret>,
    /// Unsigned webhooks taken a minute, in all, that name no payment, order or charge of ours; the rest hear 429
    #[arg(long, env = "HOLDFAST_STRANGE_WEBHOOKS_PER_MINUTE", default_value_t = STRANGE_WEBHOOKS_PER_MINUTE, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub strange_webhooks_per_minute: u32,
    /// Days after which a webhook about no payment or charge is removed; a gateway may send one again for four days
    #[arg(long, env = "HOLDFAST_UNMATCHED_WEBHOOK_DAYS", default_value_t = UNMATCHED_WEBHOOK_DAYS, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub unmatched_webhook_days: u16,
}

/// See [`GatewaySettings::strange_webhooks_per_minute`].
pub const STRANGE_WEBHOOKS_PER_MINUTE: u32 = 20;
/// See [`GatewaySettings::unmatched_webhook_days`].
pub const UNMATCHED_WEBHOOK_DAYS: u16 = 7;

/// Why there is no gateway. No text tells a secret.
#[derive(Debug, thiserror::Error)]
pub enum GatewaySetupError {
    #[error(transparent)]
    WebhookSecret(#[from] InvalidSecret),
    #[error(transparent)]
    Toss(#[from] TossError),
}

impl GatewaySettings {
    /// The gateway behind its guard; none if it has no key.
    pub fn open(&self) -> Result<Option<Arc<dyn Gateway>>, GatewaySetupError> {
        let webhook_secrets = WebhookSecrets::parse(&self.webhook_secrets)?;
        // An empty variable is how a compose file says "not set".
        let Some(secret_key) = self.toss_secret_key.clone().filter(|key| !key.expose().is_empty()) else {
            return Ok(None);
        };
        let toss: Arc<dyn Gateway> = Arc::new(Toss::new(&TossSettings {
            url: self.toss_url.clone(),
            secret_key,
            timeout: self.gateway_timeout,
            webhook_secrets,
        })?);
        Ok(Some(Arc::new(Guarded::new(toss, self.guard_rules()))))
    }

    /// Whether webhooks are taken from whoever sends them.
    pub fn takes_unsigned_webhooks(&self) -> bool {
        let is_set = |secret: &Secret| !secret.expose().trim().is_empty();
        self.toss_secret_key.as_ref().is_some_and(is_set) && !self.webhook_secrets.iter().any(is_set)
    }

    fn guard_rules(&self) -> GuardRules {
        GuardRules {
            concurrency: usize::from(self.gateway_concurrency),
            patience: self.gateway_timeout,
            breaker: BreakerRules {
                trial_limit: self.gateway_timeout + Duration::from_secs(5),
                ..BreakerRules::default()
            },
        }
    }
}

/// Reads seconds such as `10` or `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not between 0.1 and 60".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        gateway: GatewaySettings,
    }

    fn parse(arguments: &[&str]) -> GatewaySettings {
        Program::try_parse_from([&["program"], arguments].concat()).unwrap().gateway
    }

    #[test]
    fn no_secret_is_told_by_debug_or_by_an_error() {
        let settings = parse(&["--toss-secret-key", "live_sk_hush\n", "--webhook-secrets", "whsec_hush"]);
        assert!(!format!("{settings:?}").contains("hush"));
        let error = settings.open().err().unwrap();
        assert!(!format!("{error} {error:?}").contains("hush"));
        let settings = parse(&["--toss-secret-key", "live_sk_hush", "--toss-url", "ftp://x"]);
        let error = settings.open().err().unwrap();
        assert!(!format!("{error} {error:?}").contains("hush"));
    }

    #[test]
    fn without_a_key_there_is_no_gateway() {
        assert!(parse(&["--toss-secret-key", ""]).open().unwrap().is_none());
    }

    #[test]
    fn a_key_and_the_real_address_make_a_gateway() {
        assert_eq!(parse(&["--toss-secret-key", "k"]).open().unwrap().unwrap().name(), "toss");
    }
}
