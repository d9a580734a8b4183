//! An HTTP/1.1 server that can break a connection on purpose, with a reset on the socket.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::call::Hangup;

/// Ends a connection instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
struct ResetOnPurpose;

/// Serves until told to stop; connections end with it, mid-answer if need be.
pub(crate) async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    let app = Arc::new(app);
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let (app, stop) = (app.clone(), stop.clone());
                tokio::spawn(async move { stop.run_until_cancelled(connection(stream, app)).await });
            }
            // Out of file descriptors: they come back when connections end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, app: Arc<Router>) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let app = Router::clone(&app);
        Box::pin(async move {
            let response: hyper::Response<Body> =
                app.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
            if response.extensions().get::<Hangup>().is_some() { Err(ResetOnPurpose) } else { Ok(response) }
        })
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let stream = connection.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.is_user()) {
        // Without lingering, closing a socket sends a reset instead of a farewell.
        let _ = stream.set_zero_linger();
    }
}
