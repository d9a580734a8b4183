//! The wire to the broker: TCP, and TLS on it where the address says `amqps`.
//!
//! lapin without a TLS feature of its own speaks plain text whatever the address says, and its TLS features bring old
//! ciphers for key stores that nobody here has. So it is handed a stream that is ready to use: its runtime's type of
//! stream is ours, and nothing but [`open`] makes one.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};
use tokio_util::either::Either;

use super::BrokerError;
use super::address::Address;
use crate::peers::tls::TlsFiles;

/// For TCP and TLS together. The caller gives up at its own time; this ends the thread that lapin opens the wire on.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

type Wire = Compat<Either<TcpStream, TlsStream<TcpStream>>>;

/// Opens a connection. The error names what was wrong with the other side's certificate, if it was that.
pub(super) async fn connect(
    address: &Address,
    properties: ConnectionProperties,
) -> Result<Connection, BrokerError> {
    let uri = address.uri()?;
    let tls = address.tls().clone();
    let runtime = Runtime::new(RuntimeParts::new(Tokio::current(), Wires(Tokio::current())));
    let open = async move |uri: AMQPUri, _| {
        let opened = timeout(OPEN_TIMEOUT, open(&uri, &tls)).await;
        Ok(AsyncTcpStream::Plain(opened.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?))
    };
    Ok(Connection::connector(uri, runtime, open, properties).await?)
}

async fn open(uri: &AMQPUri, tls: &TlsFiles) -> io::Result<Wire> {
    let host = uri.authority.host.as_str();
    let tcp = TcpStream::connect((host, uri.authority.port)).await?;
    tcp.set_nodelay(true)?;
    let wire = match uri.scheme {
        AMQPScheme::AMQP => Either::Left(tcp),
        AMQPScheme::AMQPS => {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            let config = tls.client_config().map_err(io::Error::other)?;
            let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
            Either::Right(handshake.map_err(|error| explained(&error))?)
        }
    };
    Ok(wire.compat())
}

/// The same error in words for a person who set up a server.
fn explained(error: &io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let text = match cause {
        Some(rustls::Error::InvalidMessage(_)) => "the other side does not speak TLS on this port".to_owned(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the other side hung up during the TLS handshake".to_owned()
        }
        _ => format!("no TLS: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// tokio's reactor, whose streams are [`Wire`]s.
#[derive(Debug, Clone)]
struct Wires(Tokio);

impl Reactor for Wires {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, delay: Duration) -> Self::Sleep {
        self.0.sleep(delay)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(period)
    }

    fn tcp_connect_addr(
        &self,
        _: std::net::SocketAddr,
    ) -> impl Future<Output = io::Result<Wire>> + Send + 'static {
        // Whoever connects by an address alone does not know whether the wire has to be encrypted.
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
