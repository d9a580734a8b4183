//! An HTTP server that does nothing: what accepting an order is compared with. A process of its own, as the API is.

use std::net::SocketAddr;

use axum::Router;
use axum::http::StatusCode;
use holdfast::serving;
use tokio_util::sync::CancellationToken;

/// Answers every request with 202 until the process is killed.
pub(crate) async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = serving::bind(listen).await?;
    let app = Router::new().fallback(async || StatusCode::ACCEPTED);
    serving::serve(listener, app, CancellationToken::new()).await;
    Ok(())
}
