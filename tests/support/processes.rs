//! The real programs as child processes, which a test may pause, kill and stop.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use holdfast::store::operators::tokens::Role;

use super::client::Client;
use super::world::World;
use super::{eventually, eventually_within};

/// The API and the command line.
pub static HOLDFAST: LazyLock<PathBuf> = LazyLock::new(|| program("holdfast"));

/// A program of the workspace. Cargo puts them one folder above the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).expect("a test is in a folder below the programs").join(name);
    assert!(program.exists(), "{} is not built: run `cargo build --workspace`", program.display());
    program
}

/// A running program and what it has logged. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// A worker process with these pools; all pools when the text is empty.
    pub fn worker(world: &World, pools: &str) -> Self {
        Self::start(&mut worker_command(world, pools), pools)
    }

    /// A worker process that stops for good at a point of its first batch cycle.
    pub async fn worker_paused_at(world: &World, pools: &str, point: &str) -> Self {
        let worker = Self::start(worker_command(world, pools).env("HOLDFAST_PAUSE_AT", point), pools);
        worker.until_logged("paused for a test").await;
        worker
    }

    /// An API process, and a client with a shop's token.
    pub async fn api(world: &World) -> (Self, Client) {
        Self::unready_api(world).once_ready(world).await
    }

    /// An API process that begins with so many file descriptors and may take so many.
    pub async fn api_with_descriptors(world: &World, given: u32, allowed: u32) -> (Self, Client) {
        let limited = format!("ulimit -Sn {given} && ulimit -Hn {allowed} && exec \"$0\" serve");
        let mut command = Command::new("sh");
        command.args(["-c", &limited]).arg(&*HOLDFAST).env("HOLDFAST_LISTEN", "127.0.0.1:0");
        Self::start(of(world, &mut command), "api").once_ready(world).await
    }

    async fn once_ready(self, world: &World) -> (Self, Client) {
        let api = self;
        let address = api.until_logged("listening on http://").await;
        let client = Client::new(&format!("http://{address}"), &world.token(Role::Shop, None).await);
        // A request that needs both servers, so that later ones find everything connected.
        eventually("the API is ready", async || (client.get("/readyz").await.status == 200).then_some(()))
            .await;
        (api, client)
    }

    /// An API process that may be without its servers.
    pub fn unready_api(world: &World) -> Self {
        let mut command = Command::new(&*HOLDFAST);
        command.arg("serve").env("HOLDFAST_LISTEN", "127.0.0.1:0");
        Self::start(of(world, &mut command), "api")
    }

    fn start(command: &mut Command, name: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *kept.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self { name: name.to_owned(), child, log }
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log holds a text; returns the word that follows it.
    pub async fn until_logged(&self, text: &str) -> String {
        eventually(&format!("{} logs {text:?}", self.name), async || {
            let log = self.log();
            let (_, rest) = log.split_once(text)?;
            Some(rest.split_whitespace().next().unwrap_or_default().to_owned())
        })
        .await
    }

    /// How many messages of a queue a worker process has counted with this outcome.
    pub async fn messages(&self, queue: &str, outcome: &str) -> u64 {
        let workers = self.until_logged("listening on http://").await;
        let metrics = reqwest::get(format!("http://{workers}/metrics")).await.unwrap().text().await.unwrap();
        let series = format!("holdfast_messages_total{{queue=\"{queue}\",outcome=\"{outcome}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&series));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and returns how it ended and how long that took.
    pub async fn stop(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        signal(self.child.id(), "TERM");
        let status = eventually_within(Duration::from_secs(60), "the process ends", async || {
            self.child.try_wait().unwrap()
        })
        .await;
        (status, asked.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- {} logged:\n{}",
                self.name,
                self.log.lock().map(|log| log.clone()).unwrap_or_default()
            );
        }
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", "kill -\"$0\" \"$1\"", name, &pid.to_string()]).status();
    assert!(sent.unwrap().success(), "cannot send {name} to {pid}");
}

/// Tells a program where its servers are.
pub fn of<'a>(world: &World, command: &'a mut Command) -> &'a mut Command {
    command.envs(world.environment.iter().map(|(name, value)| (name, value)));
    command.env("DATABASE_URL", &world.database_url).env("AMQP_URL", &world.amqp_url)
}

/// Runs the command line at the desk of this caller: at their API, and with their token.
pub async fn holdfast(caller: &Client, arguments: &[&str]) -> Output {
    let mut command = Command::new(&*HOLDFAST);
    at_desk(caller, command.args(arguments)).stdin(Stdio::null());
    // The program waits for servers in this process, so it must not block it.
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

/// Tells the command line where the API is, and who asks.
pub fn at_desk<'a>(caller: &Client, command: &'a mut Command) -> &'a mut Command {
    command.env("HOLDFAST_URL", &caller.base).env("HOLDFAST_TOKEN", &caller.token)
}

fn worker_command(world: &World, pools: &str) -> Command {
    let mut command = Command::new(program("holdfast-workers"));
    of(world, &mut command).env("HOLDFAST_WORKERS_LISTEN", "127.0.0.1:0");
    if !pools.is_empty() {
        command.args(["--pools", pools]);
    }
    command
}
