//! Points of the batch cycle at which a test can stop a worker to kill it there. Debug builds only.

/// Stops for good at the point named by `HOLDFAST_PAUSE_AT`, after saying so in the log.
pub async fn point(name: &str) {
    if cfg!(debug_assertions) && std::env::var("HOLDFAST_PAUSE_AT").is_ok_and(|at| at == name) {
        tracing::warn!(point = name, "paused for a test");
        std::future::pending::<()>().await;
    }
}
