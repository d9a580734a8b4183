//! An HTTP server that does nothing: what accepting an order is compared with. A process of its own, as the API is.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use holdfast::serving::{self, Room};
use tokio_util::sync::CancellationToken;

/// Answers every request with 202 until the process is killed.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = serving::bind(listen).await?;
    let app = Router::new().fallback(async || StatusCode::ACCEPTED);
    let room = Room { connections: 10_000, per_address: 10_000, proxies: vec![] };
    serving::serve(listener, app, room, CancellationToken::new()).await;
    Ok(())
}
