//! What a process is and how its connections are: read at every look, since nothing happens when they change.

use std::sync::OnceLock;

use metrics::gauge;
use sqlx::PgPool;

static VITALS: OnceLock<Vitals> = OnceLock::new();

type ConnectionCheck = Box<dyn Fn() -> bool + Send + Sync>;

struct Vitals {
    pools: Vec<PgPool>,
    broker_is_connected: ConnectionCheck,
}

/// From now on these are shown.
pub(super) fn watch(program: &'static str, pools: Vec<PgPool>, broker_is_connected: ConnectionCheck) {
    gauge!("holdfast_build_info", "program" => program, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // A process has these pools and one publisher.
    let _ = VITALS.set(Vitals { pools, broker_is_connected });
}

/// Sets the gauges to what is so now.
pub(super) fn read() {
    let Some(Vitals { pools, broker_is_connected }) = VITALS.get() else { return };
    let idle: usize = pools.iter().map(PgPool::num_idle).sum();
    let open: usize = pools.iter().map(|pool| pool.size() as usize).sum();
    let most: u32 = pools.iter().map(|pool| pool.options().get_max_connections()).sum();
    let in_use = open.saturating_sub(idle);
    gauge!("holdfast_database_connections", "state" => "idle").set(idle as f64);
    gauge!("holdfast_database_connections", "state" => "in_use").set(in_use as f64);
    gauge!("holdfast_database_connections_max").set(f64::from(most));
    gauge!("holdfast_broker_connected").set(if broker_is_connected() { 1.0 } else { 0.0 });
}
