//! An HTTP/1.1 server with limits that `axum::serve` lacks: on how long headers may take, on how long an answer may stay
//! unread, on connections in all and from one address. And the stop signals.

pub mod assets;
pub mod descriptors;
mod places;
mod stream;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::{info, warn};

pub use places::Room;
use places::{ConnectionPlace, ConnectionPlaces};
use stream::Stream;

/// A client that has not sent its headers by then is hung up on; an idle connection likewise.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where there is only room to ask how the process is.
const RESERVED_HEADER_TIMEOUT: Duration = Duration::from_secs(2);
/// What one connection may make us keep of requests that are not handled yet.
const READ_AHEAD_BYTES: usize = 32 * 1024;
/// What is told in the reserve.
const TOLD_ALWAYS: [&str; 3] = ["/livez", "/readyz", "/metrics"];
/// Requests in flight have this long to finish once the server stops.
const GRACE: Duration = Duration::from_secs(8);

pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// The other end of a request's connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// Serves until told to stop, then lets requests in flight finish.
pub async fn serve(listener: TcpListener, app: Router, room: Room, stop: CancellationToken) {
    let connections = GracefulShutdown::new();
    if let Ok(address) = listener.local_addr() {
        info!(connections = room.connections, "listening on http://{address}");
    }
    let places = ConnectionPlaces::new(room);
    let mut is_told = false;
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    warn!(%error, "cannot accept connections");
                }
                // Out of file descriptors: they come back when other connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        is_told = false;
        // Whoever finds not even a place in the reserve is hung up on.
        if let Some(place) = places.take(peer.ip()) {
            connect(tcp, peer.ip(), place, app.clone(), &connections);
        }
    }
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        warn!("some requests did not finish in time");
    }
}

/// Serves one connection in a task of its own.
fn connect(
    tcp: TcpStream,
    peer: IpAddr,
    place: ConnectionPlace,
    app: Router,
    connections: &GracefulShutdown,
) {
    // Small answers must not wait for the client's acknowledgement of earlier ones.
    let _ = tcp.set_nodelay(true);
    let is_ordinary = place.is_ordinary;
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        answer(app.clone(), request, is_ordinary)
    });
    let header_timeout = if is_ordinary { HEADER_TIMEOUT } else { RESERVED_HEADER_TIMEOUT };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .keep_alive(is_ordinary)
        .max_buf_size(READ_AHEAD_BYTES)
        .serve_connection(TokioIo::new(Stream::new(tcp)), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A client that hangs up or sends no HTTP is its own affair.
        let _ = connection.await;
        drop(place);
    });
}

async fn answer(
    app: Router,
    request: hyper::Request<Incoming>,
    is_ordinary: bool,
) -> Result<Response, Infallible> {
    if is_ordinary || TOLD_ALWAYS.contains(&request.uri().path()) {
        return app.oneshot(request).await;
    }
    let told = "too many connections\n";
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, told).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    Ok(response)
}

/// Waits for SIGTERM or Ctrl-C.
pub async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
