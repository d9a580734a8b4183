//! `holdfast-workers`: which pools run in this process, and its signals.

mod schema;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use holdfast::broker::connection::Connector;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::settings::BrokerConfig;
use holdfast::broker::topology::Topology;
use holdfast::config::{DatabaseConfig, LimitConfig, LogConfig, TimeZoneConfig};
use holdfast::effects::settings::EffectSettings;
use holdfast::gateway::settings::GatewaySettings;
use holdfast::peers::secret::Secret;
use holdfast::serving::Room;
use holdfast::{serving, store, telemetry, wires};
use holdfast_workers::engine::bell::Bell;
use holdfast_workers::engine::context::Context;
use holdfast_workers::engine::pauses::Pauses;
use holdfast_workers::engine::roster::{Roster, Tally};
use holdfast_workers::pools::{self, GUEST_CARTS, Pool, PoolSize, Settings};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// A confirm that takes longer is asked for again; the batch waits.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections beside those of the runners: dead letters of several queues, the sessions of relay and feed with
/// their listeners.
const SPARE_CONNECTIONS: u32 = 12;
/// Of a pool of their own: notifications of pauses, looks at pauses, reports.
const REPORT_CONNECTIONS: u32 = 3;
/// Whoever looks at `/livez` and `/metrics`.
const ROOM: Room = Room { connections: 256, per_address: 128, proxies: vec![] };
/// What is in flight when the signal comes has this long to finish; what does not is redelivered.
const GRACE: Duration = Duration::from_secs(8);

/// Applies the commands that wait in the queues.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(flatten)]
    limits: LimitConfig,
    #[command(flatten)]
    gateway: GatewaySettings,
    #[command(flatten)]
    effects: EffectSettings,
    #[command(flatten)]
    time_zone: TimeZoneConfig,
    #[command(flatten)]
    log: LogConfig,
    /// Pools and their runners, such as `order.hold=2,payment.confirm=8`; by default all pools, with one runner each but
    /// for `order.hold`, `mail.send` and `order.report` (2) and those that ask a payment gateway (4)
    #[arg(long, env = "HOLDFAST_POOLS", value_delimiter = ',')]
    pools: Vec<PoolSize>,
    /// Orders held in one transaction at most
    #[arg(long, env = "HOLDFAST_HOLD_BATCH_SIZE", default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    hold_batch_size: u16,
    /// Carts of guests, begun without a token, that are kept at most: beyond that those go which were used longest ago
    #[arg(long, env = "HOLDFAST_GUEST_CARTS", default_value_t = GUEST_CARTS, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    guest_carts: u32,
    /// Where `/livez` and `/metrics` are served
    #[arg(long, env = "HOLDFAST_WORKERS_LISTEN", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    telemetry::init("holdfast-workers", arguments.log.json())?;

    let stop = CancellationToken::new();
    let listener = serving::bind(arguments.listen).await?;
    let sizes = match arguments.pools.as_slice() {
        [] => Pool::all().map(|pool| PoolSize { pool, runners: pool.usual_runners() }).collect(),
        chosen => chosen.to_vec(),
    };
    // A runner that waits for a connection would take that for an outage.
    let runners: usize = sizes.iter().map(|size| size.runners).sum();
    let connections = arguments.database.max_connections.max(u32::try_from(runners)? + SPARE_CONNECTIONS);
    let pool = store::pool(&arguments.database.database_url, "holdfast-workers", connections)
        .context("DATABASE_URL cannot be read")?;
    let own = store::pool(&arguments.database.database_url, "holdfast-workers reports", REPORT_CONNECTIONS)
        .context("DATABASE_URL cannot be read")?;
    let broker = arguments.broker.amqp.address()?;
    let pauses = Pauses::watch(own.clone(), stop.clone());
    let context = Context {
        gate: pauses.no_gate(),
        pauses,
        roster: Roster::default(),
        tally: Tally::default(),
        bell: Bell::start(pool.clone()),
        pool,
        broker: broker.clone(),
        publisher: Publisher::start(Connector::new(&broker, "holdfast-workers publish"), CONFIRM_TIMEOUT),
        topology: Topology::new(arguments.broker.queue_max_length),
        stop: stop.clone(),
    };
    let publisher = context.publisher.clone();
    telemetry::watch("holdfast-workers", vec![context.pool.clone()], move || publisher.is_connected());
    let others = [
        (
            "payment gateway",
            arguments.gateway.toss_secret_key.as_ref().map(|_| arguments.gateway.toss_url.as_str()),
        ),
        ("mail server", arguments.effects.mail.mail_url.as_ref().map(Secret::expose)),
    ];
    wires::tell(&arguments.database.database_url, &broker, &others);
    let settings = Settings {
        gateway: arguments.gateway.open()?,
        outlets: arguments.effects.open()?,
        time_zone: arguments.time_zone.time_zone,
        limits: arguments.limits.limits(),
        hold_batch_size: arguments.hold_batch_size.into(),
        unmatched_webhook_days: arguments.gateway.unmatched_webhook_days,
        guest_carts: arguments.guest_carts,
    };
    let tasks = TaskTracker::new();
    tasks.spawn({
        let (own, stop, tasks) = (own, stop.clone(), tasks.clone());
        async move {
            if stop.run_until_cancelled(schema::until_migrated(&own)).await.is_some() {
                for size in sizes {
                    pools::start(size, &settings, &context, &tasks);
                }
                // Told once there is something to tell.
                tasks.spawn(context.roster.report(own, stop));
            }
        }
    });
    tasks.close();
    let server = tokio::spawn(serving::serve(listener, telemetry::routes(), ROOM, stop.clone()));

    serving::stop_signal().await?;
    info!("stopping: finishing what is in flight");
    stop.cancel();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        warn!("not everything finished in time; what is left will be redelivered");
    }
    server.abort();
    telemetry::stop().await;
    Ok(())
}
