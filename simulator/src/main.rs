//! `holdfast-simulator`: parse, start, wait for a signal.

use anyhow::Context as _;
use clap::Parser;
use holdfast_simulator::{Settings, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// A payment gateway to test against: Toss Payments' API, books in memory, faults on request
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let simulator = Simulator::start(Arguments::parse().settings).await?;
    println!("holdfast-simulator: listening on {}", simulator.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
