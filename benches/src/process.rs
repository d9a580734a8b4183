//! The real programs, as child processes that end with the measurement, however it ends.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::http::{Connection, request};

/// Where the programs' own output goes, below the checkout.
const LOG_FOLDER: &str = ".run/bench/logs";
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running program that answers at an address.
pub(crate) struct Program {
    child: Child,
    name: String,
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Starts a sibling of this executable and waits until it answers. `listen` is the variable that takes its
    /// address.
    pub(crate) async fn start(
        name: &str,
        arguments: &[&str],
        listen: &str,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = sibling(name)?;
        command.args(arguments).env(listen, address.to_string()).envs(environment.iter().copied());
        let log = log_file(name)?;
        command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut program = Self { child, name: name.to_owned(), address };
        program.wait_until_alive().await?;
        Ok(program)
    }

    async fn wait_until_alive(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        let question = request("GET", "/livez", "", "");
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once with {status}; its log is in {LOG_FOLDER}", self.name);
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.send(&question).await.is_ok()
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} does not answer; its log is in {LOG_FOLDER}", self.name);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// A counter or gauge of the program's metrics, summed over its labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.send(&request("GET", "/metrics", "", "")).await?;
        let text = String::from_utf8_lossy(answer.body);
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            (rest.starts_with([' ', '{'])).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }

    /// Ends it at once. What it was doing is rolled back and redelivered, which the audit then looks at.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("cannot end {}", self.name))
    }
}

/// Runs a sibling of this executable to its end and returns what it printed.
pub(crate) async fn run(
    name: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> anyhow::Result<String> {
    let mut command = sibling(name)?;
    command.args(arguments).envs(environment.iter().copied());
    finished(command).await
}

/// Runs a command to its end and returns what it printed; failing is an error that says what it printed.
pub(crate) async fn finished(mut command: Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{:?} ended with {}\n{printed}{errors}", command.as_std().get_program(), output.status);
    }
    Ok(printed)
}

fn sibling(name: &str) -> anyhow::Result<Command> {
    let own = std::env::current_exe()?;
    let path: PathBuf = own.parent().unwrap_or(Path::new(".")).join(name);
    let mut command = Command::new(&path);
    command.kill_on_drop(true);
    // Settings of the shell that started this would make two runs differ.
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("HOLDFAST_") {
            command.env_remove(variable);
        }
    }
    Ok(command)
}

fn log_file(name: &str) -> anyhow::Result<File> {
    std::fs::create_dir_all(LOG_FOLDER)?;
    let path = Path::new(LOG_FOLDER).join(format!("{name}.log"));
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
