//! The command line: one function per subcommand.

// A macro of the standard library panics once nobody reads any more.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod catalogue;
mod client;
mod cursors;
mod dead_letters;
mod health;
mod money;
mod orders;
mod output;
mod queues;
mod reconcile;
mod stock;
mod tokens;
mod workers;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use holdfast::broker::connection::Connector;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::queues::Inspector;
use holdfast::broker::settings::{BrokerConfig, ManagementConfig};
use holdfast::broker::topology::Topology;
use holdfast::config::{
    DatabaseConfig, DeadLetterConfig, DoorConfig, LogConfig, RateConfig, ReturnConfig, TimeZoneConfig,
};
use holdfast::gateway::settings::GatewaySettings;
use holdfast::http::app::App;
use holdfast::http::pools::Pools;
use holdfast::http::sign_ins::SignInSettings;
use holdfast::http::watch::{self, Watch};
use holdfast::peers::secret::Secret;
use holdfast::shop::settings::{ShopSettings, Site};
use holdfast::store::audit::Audit;
use holdfast::{asyncapi, router, serving, store, telemetry, wires};
use indicatif::{ProgressBar, ProgressStyle};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::output::{Output, say};

/// A confirm that takes longer is answered with 503.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// Holds stock for an order, takes payment, and gives unpaid stock back by itself
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogConfig,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the HTTP API
    Serve(Box<ServeArguments>),
    /// Bring the database schema up to date
    Migrate(MigrateArguments),
    /// Declare exchanges and queues, or show them
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Check the truths that always hold; exit 1 if one does not
    Audit(DatabaseConfig),
    /// Find, understand, replay, discard, restore, edit and export dead letters
    DeadLetters(dead_letters::DeadLetterArguments),
    /// Search, show, cancel, resolve and refund orders
    Orders(orders::OrderArguments),
    /// Show how far the readers of the event log have come; repair a log that was restored into another cluster
    Cursors(cursors::CursorArguments),
    /// Tell how everything is; exit 1 if anything is not well
    Health(health::HealthArguments),
    /// Show what a gateway has not settled, and webhooks about no payment of ours
    Money(money::MoneyArguments),
    /// Show what waits in the queues; exit 1 if the broker does not answer
    Queues(queues::QueueArguments),
    /// Show the processes that work
    Workers(workers::WorkerArguments),
    /// List, pause and resume pools of workers
    Pools(workers::PoolArguments),
    /// Compare our payments with the gateway's transactions; exit 1 if anything differs
    Reconcile(reconcile::ReconcileArguments),
    /// Bring products and SKUs in from a file, and take them out
    Catalogue(catalogue::CatalogueArguments),
    /// List, show, receive and adjust stock
    Stock(stock::StockArguments),
    /// Make, list and revoke tokens
    Token(tokens::TokenArguments),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Print the AsyncAPI document of commands and facts
    Asyncapi,
    /// Ask a program how it is, for container health checks; exit 1 if it is not well
    Healthcheck {
        /// Where it listens
        #[arg(default_value = "127.0.0.1:8080")]
        address: SocketAddr,
        /// What to ask: `/readyz` of the API, `/livez` of the workers
        #[arg(default_value = "/readyz")]
        path: String,
    },
}

#[derive(Args)]
struct ServeArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    #[command(flatten)]
    broker: BrokerConfig,
    #[command(flatten)]
    gateway: GatewaySettings,
    #[command(flatten)]
    time_zone: TimeZoneConfig,
    #[command(flatten)]
    management: ManagementConfig,
    #[command(flatten)]
    dead_letters: DeadLetterConfig,
    #[command(flatten)]
    door: DoorConfig,
    #[command(flatten)]
    rates: RateConfig,
    #[command(flatten)]
    shop: ShopSettings,
    #[command(flatten)]
    sign_ins: SignInSettings,
    #[command(flatten)]
    returns: ReturnConfig,
    /// Where to listen
    #[arg(long, env = "HOLDFAST_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Browsers reach the console by https: its cookie is sent over nothing else
    #[arg(long, env = "HOLDFAST_BEHIND_TLS")]
    behind_tls: bool,
}

#[derive(Args)]
struct MigrateArguments {
    #[command(flatten)]
    database: DatabaseConfig,
    /// A shop's token to have afterwards
    #[arg(long, env = "HOLDFAST_BOOTSTRAP_SHOP_TOKEN", hide_env_values = true)]
    bootstrap_shop_token: Option<String>,
    /// An operator's token to have afterwards
    #[arg(long, env = "HOLDFAST_BOOTSTRAP_OPERATOR_TOKEN", hide_env_values = true)]
    bootstrap_operator_token: Option<String>,
}

#[derive(Subcommand)]
enum TopologyCommand {
    /// Declare everything on the broker
    Declare(BrokerConfig),
    /// Print it as a RabbitMQ definitions file
    Show,
}

/// Does what was asked.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    telemetry::init("holdfast", arguments.log.json())?;
    match arguments.command {
        Command::Serve(arguments) => serve(*arguments).await?,
        Command::Migrate(arguments) => migrate(arguments).await?,
        Command::Topology(TopologyCommand::Declare(broker)) => declare(broker).await?,
        Command::Topology(TopologyCommand::Show) => {
            let topology = Topology::new(holdfast::broker::topology::DEFAULT_MAX_LENGTH);
            say!("{:#}", topology.definitions());
        }
        Command::Audit(database) => return report(database).await,
        Command::DeadLetters(arguments) => return dead_letters::run(arguments).await,
        Command::Cursors(arguments) => cursors::run(arguments).await?,
        Command::Health(arguments) => return health::run(arguments).await,
        Command::Money(arguments) => money::run(arguments).await?,
        Command::Queues(arguments) => return queues::run(arguments).await,
        Command::Workers(arguments) => workers::run(arguments).await?,
        Command::Pools(arguments) => workers::run_pools(arguments).await?,
        Command::Orders(arguments) => return orders::run(arguments).await,
        Command::Reconcile(arguments) => return reconcile::run(arguments).await,
        Command::Catalogue(arguments) => return catalogue::run(arguments).await,
        Command::Stock(arguments) => stock::run(arguments).await?,
        Command::Token(arguments) => tokens::run(arguments).await?,
        Command::Asyncapi => say!("{:#}", asyncapi::document()),
        Command::Openapi => say!("{}", router::openapi().to_pretty_json()?),
        Command::Healthcheck { address, path } => healthcheck(address, &path).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(arguments: ServeArguments) -> anyhow::Result<()> {
    let listener = serving::bind(arguments.listen).await?;
    let room = arguments.door.room(arguments.database.max_connections);
    let stop = CancellationToken::new();
    let broker = arguments.broker.amqp.address()?;
    let publisher = Publisher::start(Connector::new(&broker, "holdfast-api publish"), CONFIRM_TIMEOUT);
    let watch = Watch::default();
    let gateway = arguments.gateway.open()?;
    if arguments.gateway.takes_unsigned_webhooks() {
        warn!(
            "no HOLDFAST_WEBHOOK_SECRETS: unsigned webhooks are taken, so anybody can have some of them stored"
        );
    }
    let pools = Pools::open(&arguments.database).context("DATABASE_URL cannot be read")?;
    let publishing = publisher.clone();
    telemetry::watch("holdfast", pools.all(), move || publishing.is_connected());
    let app = App::new(pools, publisher, watch.clone(), gateway, stop.clone())
        .limited(&arguments.rates, &arguments.door.trusted_proxies.0)
        .remembering_tokens_for(Duration::from_secs(arguments.door.token_remembered_seconds.into()))
        .with_time_zone(arguments.time_zone.time_zone)
        .with_sign_ins(arguments.sign_ins.open(arguments.shop.shop_url.as_ref().map(Site::as_str))?)
        .with_return_days(arguments.returns.return_days)
        .with_room_to_stay(arguments.door.room_to_stay(&room))
        .with_strange_webhooks_per_minute(arguments.gateway.strange_webhooks_per_minute)
        .behind_tls(arguments.behind_tls)
        .editing_dead_letters(arguments.dead_letters.edit_dead_letters)
        .with_inspector(Inspector::new(&broker, arguments.management.rabbitmq_api.as_ref())?);
    let connector = Connector::new(&broker, "holdfast-api events");
    let topology = Topology::new(arguments.broker.queue_max_length);
    tokio::spawn(watch::listen(watch, app.rates.clone(), connector, topology, stop.clone()));
    let others = [
        ("RabbitMQ's management API", arguments.management.rabbitmq_api.as_ref().map(Secret::expose)),
        (
            "payment gateway",
            arguments.gateway.toss_secret_key.as_ref().map(|_| arguments.gateway.toss_url.as_str()),
        ),
        ("mail server", arguments.sign_ins.mail.mail_url.as_ref().map(Secret::expose)),
    ];
    wires::tell(&arguments.database.database_url, &broker, &others);
    let front = arguments.shop.front();
    let server = tokio::spawn(serving::serve(listener, router::router(app, front), room, stop.clone()));
    serving::stop_signal().await?;
    stop.cancel();
    server.await.context("the server failed")?;
    telemetry::stop().await;
    Ok(())
}

async fn migrate(arguments: MigrateArguments) -> anyhow::Result<()> {
    let pool = pool(&arguments.database, "holdfast-migrate")?;
    let mut conn = pool.acquire().await.context("cannot reach PostgreSQL")?;
    // Building an index may take longer than any statement of ordinary work.
    sqlx::query("SET statement_timeout = 0").execute(&mut *conn).await?;
    sqlx::query("SET lock_timeout = 0").execute(&mut *conn).await?;
    store::MIGRATIONS.run(&mut *conn).await.context("the schema could not be brought up to date")?;
    let roles = [
        ("bootstrap-shop", holdfast::store::operators::tokens::Role::Shop, arguments.bootstrap_shop_token),
        (
            "bootstrap-operator",
            holdfast::store::operators::tokens::Role::Operator,
            arguments.bootstrap_operator_token,
        ),
    ];
    for (name, role, token) in roles {
        if let Some(token) = token {
            tokens::replace(&mut conn, name, role, &token).await?;
        }
    }
    Ok(())
}

async fn declare(broker: BrokerConfig) -> anyhow::Result<()> {
    let connector = Connector::new(&broker.amqp.address()?, "holdfast-topology");
    connector.channel().await.context("cannot reach RabbitMQ")?;
    let declared = Topology::new(broker.queue_max_length).declare(&connector).await;
    connector.close().await;
    declared.context("the broker refused the topology; a queue may exist with other arguments")
}

async fn report(database: DatabaseConfig) -> anyhow::Result<ExitCode> {
    let pool = pool(&database, "holdfast-audit")?;
    let mut conn = pool.acquire().await?;
    let mut audit = Audit::default();
    let mut findings = vec![];
    // Shown on a terminal only; a log or a pipe gets the result alone.
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")?;
    let bar = ProgressBar::new_spinner().with_style(style);
    while let Some(truth) = audit.next() {
        bar.set_message(truth);
        bar.tick();
        findings.extend(audit.step(&mut conn).await?);
    }
    bar.finish_and_clear();
    let mut out = Output::lock();
    let all_hold = holdfast::audit::report(&findings, &mut out)?;
    out.flush()?;
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn healthcheck(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(4_096).read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(Duration::from_secs(5), asking).await.context("no answer within 5 seconds")??;
    if !answer.starts_with("HTTP/1.1 200 ") {
        bail!("not ready: {}", answer.lines().last().unwrap_or_default());
    }
    Ok(())
}

fn pool(database: &DatabaseConfig, name: &str) -> anyhow::Result<PgPool> {
    store::pool(&database.database_url, name, database.max_connections).context("DATABASE_URL cannot be read")
}
