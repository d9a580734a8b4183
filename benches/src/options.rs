//! What is measured, and for how long.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures Holdfast against hand-written SQL on the same servers, in one run
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) run: RunArguments,
    #[command(subcommand)]
    pub(crate) helper: Option<Helper>,
}

/// Programs that the benchmark starts as processes of their own.
#[derive(Subcommand)]
pub(crate) enum Helper {
    /// An HTTP server that does nothing, to compare with
    #[command(hide = true)]
    BareServer {
        /// Where to listen
        #[arg(long, env = "HOLDFAST_BENCH_LISTEN")]
        listen: std::net::SocketAddr,
    },
}

#[derive(Args)]
pub(crate) struct RunArguments {
    /// Everything short: to try the benchmark itself, not to quote
    #[arg(long)]
    quick: bool,
    /// Only these measurements; all by default
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Phase>,
    /// How long the steady life lasts
    #[arg(long)]
    steady_seconds: Option<u64>,
    /// How often the rates are measured; their medians are reported
    #[arg(long)]
    repeats: Option<usize>,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Phase {
    /// pgbench; needed for the ratios of `drained` and `live`
    Sql,
    /// Holds per second from a full queue
    Drained,
    /// Holds per second while orders keep coming
    Live,
    /// As `drained`, one order per transaction
    Single,
    /// From an HTTP request to its committed hold
    Http,
    /// Requests accepted per second
    Accept,
    /// Many holds due at one instant
    Release,
    /// How late holds end at a steady rate
    Lateness,
    /// Payments by card through a slow gateway
    Payments,
    /// A million open holds
    Million,
    /// Holding, paying and expiring together
    Steady,
    /// What operators list, with many dead letters
    Letters,
    /// A large catalogue: bringing it in, and pages of it
    Products,
}

/// The sizes of a run.
pub(crate) struct Plan {
    pub(crate) only: Vec<Phase>,
    pub(crate) quick: bool,
    pub(crate) repeats: usize,
    pub(crate) sql_seconds: u64,
    pub(crate) drained_orders: usize,
    pub(crate) live: Duration,
    pub(crate) single_orders: usize,
    pub(crate) http: Duration,
    pub(crate) accept: Duration,
    pub(crate) due_at_once: Vec<usize>,
    pub(crate) lateness: Duration,
    pub(crate) card_payments: usize,
    pub(crate) open_holds: usize,
    pub(crate) probe: Duration,
    pub(crate) steady: Duration,
    pub(crate) dead_letters: usize,
    pub(crate) products: usize,
    pub(crate) pages: Duration,
}

impl Plan {
    pub(crate) fn new(arguments: RunArguments) -> Self {
        let quick = arguments.quick;
        let pick = |short: u64, full: u64| if quick { short } else { full };
        let count = |short: usize, full: usize| if quick { short } else { full };
        let seconds = |short, full| Duration::from_secs(pick(short, full));
        Self {
            only: arguments.only,
            quick,
            repeats: arguments.repeats.unwrap_or(count(1, 3)),
            sql_seconds: pick(3, 15),
            drained_orders: count(30_000, 150_000),
            live: seconds(4, 20),
            single_orders: count(3_000, 15_000),
            http: seconds(4, 20),
            accept: seconds(3, 10),
            due_at_once: if quick { vec![5_000] } else { vec![10_000, 100_000] },
            lateness: seconds(5, 30),
            card_payments: count(2_000, 10_000),
            open_holds: count(20_000, 1_000_000),
            probe: seconds(10, 20),
            steady: Duration::from_secs(arguments.steady_seconds.unwrap_or(pick(15, 600))),
            dead_letters: count(10_000, 100_000),
            products: count(10_000, 100_000),
            pages: seconds(5, 20),
        }
    }

    /// Whether the result is fit to be published.
    pub(crate) fn is_complete(&self) -> bool {
        self.only.is_empty() && !self.quick
    }

    pub(crate) fn wants(&self, phase: Phase) -> bool {
        self.only.is_empty() || self.only.contains(&phase)
    }
}
