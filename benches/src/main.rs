//! `holdfast-bench`: measures Holdfast against hand-written SQL on the same servers, in one run.
//! Run it with `make bench`, which starts the servers it needs.

mod bare;
mod feed;
mod http;
mod load;
mod options;
mod orders;
mod pgbench;
mod phases;
mod plot;
mod process;
mod progress;
mod report;
mod servers;
mod stage;
mod timing;

use std::process::ExitCode;

use clap::Parser as _;
use holdfast::serving;

use options::{Arguments, Helper, Phase, Plan};
use phases::throughput::{self, Load, Rates};
use phases::{letters, million, payments, products, rates, release, requests, steady};
use report::Row;
use servers::Servers;

/// Where the report goes, below the checkout.
const FOLDER: &str = "docs/bench";

#[tokio::main]
async fn main() -> ExitCode {
    match answer(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn answer(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(Helper::BareServer { listen }) = arguments.helper {
        return bare::serve(listen).await;
    }
    let plan = Plan::new(arguments.run);
    tokio::select! {
        result = run(&plan) => result,
        // Dropping the measurement ends the programs it started.
        stopped = serving::stop_signal() => stopped.and(Err(anyhow::anyhow!("interrupted"))),
    }
}

async fn run(plan: &Plan) -> anyhow::Result<()> {
    let servers = Servers::from_environment().await?;
    let mut rows = Vec::new();
    let measured = measure(plan, &servers, &mut rows).await;
    println!("{}", report::table(&rows));
    let (uniform, hot) = measured?;
    if !plan.is_complete() {
        eprintln!("Not everything was measured at full length, so {FOLDER} stays as it is.");
        return Ok(());
    }
    std::fs::create_dir_all(FOLDER)?;
    let page = report::page(&rows, &servers, plan.repeats).await?;
    std::fs::write(format!("{FOLDER}/report.md"), page)?;
    std::fs::write(format!("{FOLDER}/report.svg"), rates::picture(&uniform, &hot))?;
    eprintln!("Written to {FOLDER}.");
    Ok(())
}

/// All that is wanted, one after the other. What was measured before an error is in `rows`.
async fn measure(plan: &Plan, servers: &Servers, rows: &mut Vec<Row>) -> anyhow::Result<(Rates, Rates)> {
    let [mut uniform, mut hot] = [Rates::default(), Rates::default()];
    for (load, measured) in [(Load::Uniform, &mut uniform), (Load::Hot, &mut hot)] {
        *measured = throughput::measure(plan, servers, load).await?;
        rows.extend(rates::rows(load, measured));
    }
    if plan.wants(Phase::Http) {
        rows.extend(requests::to_committed_hold(plan, servers).await?);
    }
    if plan.wants(Phase::Accept) {
        rows.extend(requests::accepted(plan, servers).await?);
    }
    if plan.wants(Phase::Release) {
        for count in &plan.due_at_once {
            rows.extend(release::at_one_instant(servers, *count).await?);
        }
    }
    if plan.wants(Phase::Lateness) {
        rows.extend(release::at_a_steady_rate(plan, servers).await?);
    }
    if plan.wants(Phase::Payments) {
        rows.push(payments::by_card(plan, servers).await?);
    }
    if plan.wants(Phase::Letters) {
        rows.push(letters::lists(plan, servers).await?);
    }
    if plan.wants(Phase::Products) {
        rows.extend(products::lists(plan, servers).await?);
    }
    if plan.wants(Phase::Million) {
        rows.push(million::open_holds(plan, servers).await?);
    }
    if plan.wants(Phase::Steady) {
        rows.extend(steady::life(plan, servers).await?);
    }
    Ok((uniform, hot))
}
