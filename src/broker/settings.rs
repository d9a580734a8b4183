//! Where the broker is, by configuration.

use std::path::PathBuf;

use clap::Args;

use super::address::{Address, AddressError};
use super::topology::DEFAULT_MAX_LENGTH;
use crate::peers::secret::Secret;
use crate::peers::tls::TlsFiles;

/// Where the broker is, and whom it must be.
#[derive(Args, Clone, Debug)]
pub struct AmqpConfig {
    /// RabbitMQ, such as `amqps://user:password@host/%2f`; `amqps` is TLS, `amqp` is plain text
    #[arg(long, env = "AMQP_URL", hide_env_values = true)]
    pub amqp_url: Secret,
    /// PEM file of the authorities that RabbitMQ's certificate must come from, instead of the system's
    #[arg(long, env = "HOLDFAST_AMQP_CA_FILE")]
    pub amqp_ca_file: Option<PathBuf>,
    /// PEM file of our certificate, where RabbitMQ demands one
    #[arg(long, env = "HOLDFAST_AMQP_CERT_FILE")]
    pub amqp_cert_file: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, env = "HOLDFAST_AMQP_KEY_FILE")]
    pub amqp_key_file: Option<PathBuf>,
}

impl AmqpConfig {
    /// As connections take it.
    pub fn address(&self) -> Result<Address, AddressError> {
        let files = TlsFiles::new(
            self.amqp_ca_file.as_deref(),
            self.amqp_cert_file.as_deref(),
            self.amqp_key_file.as_deref(),
        )?;
        Address::new(&self.amqp_url, files)
    }
}

/// The broker.
#[derive(Args, Clone)]
pub struct BrokerConfig {
    /// Where it is.
    #[command(flatten)]
    pub amqp: AmqpConfig,
    /// Messages a command queue takes before orders are refused with 503; the same for all processes
    #[arg(long, env = "HOLDFAST_QUEUE_MAX_LENGTH", default_value_t = DEFAULT_MAX_LENGTH)]
    pub queue_max_length: u32,
}

/// RabbitMQ's management API, which tells more of the queues than AMQP does.
#[derive(Args, Clone, Debug)]
pub struct ManagementConfig {
    /// Such as `http://user:password@host:15672/api`; without it only depths and consumers of queues are shown
    #[arg(long, env = "HOLDFAST_RABBITMQ_API", hide_env_values = true)]
    pub rabbitmq_api: Option<Secret>,
}
