//! An HTTP/1.1 server with a limit on how long headers may take, which `axum::serve` lacks, and the stop signals.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::{info, warn};

/// A client that has not sent its headers by then is hung up on; an idle connection likewise.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests in flight have this long to finish once the server stops.
const GRACE: Duration = Duration::from_secs(8);

/// Opens the port.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Serves until told to stop, then lets requests in flight finish.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    let connections = GracefulShutdown::new();
    if let Ok(address) = listener.local_addr() {
        info!("listening on http://{address}");
    }
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                // Out of file descriptors: they come back when other connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Small answers must not wait for the client's acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let app = app.clone();
        let service =
            hyper::service::service_fn(move |request: hyper::Request<Incoming>| app.clone().oneshot(request));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A client that hangs up or sends no HTTP is its own affair.
            let _ = connection.await;
        });
    }
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        warn!("some requests did not finish in time");
    }
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
