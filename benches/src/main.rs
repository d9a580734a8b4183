//! `holdfast-bench`: measures Holdfast against hand-written SQL on the same servers, in one run.
//! Run it with `make bench`, which starts the servers it needs.

mod feed;
mod http;
mod options;
mod pgbench;
mod phases;
mod process;
mod progress;
mod servers;
mod stage;
mod timing;

use clap::Parser as _;

use options::{Arguments, Plan};
use phases::throughput::{self, Load};
use servers::Servers;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tokio::select! {
        result = run(Plan::new(arguments.run)) => result,
        // Dropping the measurement ends the programs it started.
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}

async fn run(plan: Plan) -> anyhow::Result<()> {
    let servers = Servers::from_environment().await?;
    for load in Load::ALL {
        println!("{load:?}: {:?}", throughput::measure(&plan, &servers, load).await?);
    }
    Ok(())
}
