//! One AMQP connection, opened again whenever it is found broken.
//!
//! lapin's own recovery is left off: it does not replay unconfirmed publishes, leaves a consumer pending after a
//! soft channel error and gives up after eleven minutes. Whoever uses a channel starts over with a new one instead.

use std::sync::Arc;
use std::time::Duration;

use lapin::{Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::address::Address;
use super::{BrokerError, wire};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens channels on a shared connection. Publishing and consuming each take a connector of their own, because a
/// broker short of memory or disk blocks every connection that publishes, acknowledgements on it included.
#[derive(Clone)]
pub struct Connector {
    inner: Arc<Inner>,
}

struct Inner {
    address: Address,
    name: String,
    connection: Mutex<Option<Connection>>,
}

impl Connector {
    /// A connector that shows as `name` in the broker's list of connections. Does not connect yet.
    pub fn new(address: impl Into<Address>, name: &str) -> Self {
        let inner = Inner { address: address.into(), name: name.to_owned(), connection: Mutex::new(None) };
        Self { inner: Arc::new(inner) }
    }

    /// A connector to the same broker, which opens a connection of its own.
    pub fn another(&self) -> Self {
        Self::new(&self.inner.address, &self.inner.name)
    }

    /// A new channel, on a new connection if there is none that works.
    pub async fn channel(&self) -> Result<Channel, BrokerError> {
        let mut connection = self.inner.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| open.status().connected())
            && let Ok(Ok(channel)) = timeout(CONNECT_TIMEOUT, open.create_channel()).await
        {
            return Ok(channel);
        }
        *connection = None;
        let properties =
            ConnectionProperties::default().with_connection_name(self.inner.name.as_str().into());
        let connecting = timeout(CONNECT_TIMEOUT, wire::connect(&self.inner.address, properties));
        let open = connecting.await.map_err(|_| BrokerError::Timeout(CONNECT_TIMEOUT))??;
        let channel = within(CONNECT_TIMEOUT, open.create_channel()).await?;
        *connection = Some(open);
        Ok(channel)
    }

    /// Closes the connection, so that the broker gives unacknowledged messages to others at once.
    pub async fn close(&self) {
        if let Some(connection) = self.inner.connection.lock().await.take() {
            // A connection that is broken already needs no farewell.
            let _ = timeout(Duration::from_secs(1), connection.close(200, "bye".into())).await;
        }
    }
}

/// The answer to a broker call, or the error that none came in time.
pub async fn within<T>(
    limit: Duration,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match timeout(limit, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::Timeout(limit)),
    }
}
