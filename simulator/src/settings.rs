//! Command-line options, each with an environment variable.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// How a simulator behaves from its start; most of it can be changed by `PUT /control/settings`.
#[derive(Args, Clone)]
pub struct Settings {
    /// Where to listen
    #[arg(long, env = "HOLDFAST_SIMULATOR_LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: SocketAddr,
    /// The secret key that callers of the gateway's API must present
    #[arg(
        long,
        env = "HOLDFAST_TOSS_SECRET_KEY",
        default_value = "test_sk_simulator",
        hide_env_values = true
    )]
    pub secret_key: String,
    /// How long every call takes before anything is done, in milliseconds
    #[arg(long, env = "HOLDFAST_SIMULATOR_LATENCY_MS", default_value_t = 0)]
    pub latency_ms: u64,
    /// Where webhooks go; without it none are sent
    #[arg(long, env = "HOLDFAST_SIMULATOR_WEBHOOK_URL")]
    pub webhook_url: Option<String>,
    /// Whether webhooks are signed
    #[arg(long, env = "HOLDFAST_SIMULATOR_WEBHOOK_FORMAT", value_enum, default_value_t = WebhookFormat::Toss)]
    pub webhook_format: WebhookFormat,
    /// Secrets (`whsec_…`) of signed webhooks, comma-separated; each makes a signature
    #[arg(long, env = "HOLDFAST_WEBHOOK_SECRETS", value_delimiter = ',', hide_env_values = true)]
    pub webhook_secrets: Vec<String>,
    /// The delay before a webhook's first repetition, in milliseconds; each further one is four times as long
    #[arg(long, env = "HOLDFAST_SIMULATOR_WEBHOOK_RETRY_MS", default_value_t = 1_000)]
    pub webhook_retry_ms: u64,
}

impl Default for Settings {
    /// As tests want it: a free port, no latency, no webhooks.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            secret_key: "test_sk_simulator".to_owned(),
            latency_ms: 0,
            webhook_url: None,
            webhook_format: WebhookFormat::Toss,
            webhook_secrets: Vec::new(),
            webhook_retry_ms: 100,
        }
    }
}

/// What a webhook carries beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookFormat {
    /// Toss's own headers; nothing is signed.
    Toss,
    /// Toss's headers and those of Standard Webhooks, signed.
    Standard,
}
