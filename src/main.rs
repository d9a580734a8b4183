//! `holdfast`: parse, call, exit.

mod cli;

use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<std::process::ExitCode> {
    cli::run(cli::Arguments::parse()).await
}
