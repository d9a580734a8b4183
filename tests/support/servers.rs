//! Where the servers are: those that `make test` started, or some of a test's own that it may break.

use std::path::{Path, PathBuf};
use std::process::Command;

/// URLs of one PostgreSQL and one RabbitMQ.
#[derive(Debug, Clone)]
pub struct Servers {
    /// PostgreSQL, with the database to create others from.
    pub admin_url: String,
    /// RabbitMQ without a vhost, such as `amqp://guest:guest@127.0.0.1:5672/`.
    pub amqp_base: String,
    /// RabbitMQ's management API.
    pub rabbitmq_api: String,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with `make test`"))
}

impl Servers {
    /// The servers all tests share.
    pub fn shared() -> Self {
        Self {
            admin_url: variable("HOLDFAST_TEST_DATABASE_URL"),
            amqp_base: amqp_base(&variable("HOLDFAST_TEST_AMQP_URL")),
            rabbitmq_api: variable("HOLDFAST_TEST_RABBITMQ_API"),
        }
    }
}

fn amqp_base(url: &str) -> String {
    let end = url.rfind('/').expect("an AMQP URL has a path");
    url[..=end].to_owned()
}

/// Servers of a test's own, in a folder of its own. Stopped when dropped.
pub struct OwnServers {
    folder: PathBuf,
    servers: Servers,
}

impl OwnServers {
    /// Starts a PostgreSQL and a RabbitMQ; `name` must be the test's own.
    pub fn start(name: &str) -> Self {
        let folder = script_folder().join("../.run/test/own").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let postgres = {
            let folder = folder.clone();
            std::thread::spawn(move || script(&["start", "postgres"], &folder))
        };
        script(&["start", "rabbitmq"], &folder);
        postgres.join().unwrap();
        let postgres = environment(&folder.join("postgres.env"), "DATABASE_URL");
        let servers = Servers {
            admin_url: postgres,
            amqp_base: amqp_base(&environment(&folder.join("rabbitmq.env"), "AMQP_URL")),
            rabbitmq_api: environment(&folder.join("rabbitmq.env"), "RABBITMQ_API"),
        };
        Self { folder, servers }
    }

    /// Their URLs, which stay the same when one is started again.
    pub fn servers(&self) -> Servers {
        self.servers.clone()
    }

    /// Runs `scripts/servers.sh ACTION SERVER` on them: start, stop, kill or wipe; postgres or rabbitmq.
    pub fn act(&self, action: &str, server: &str) {
        script(&[action, server], &self.folder);
    }
}

impl Drop for OwnServers {
    fn drop(&mut self) {
        for server in ["rabbitmq", "postgres"] {
            let _ = command(&["kill", server], &self.folder).status();
            let _ = command(&["wipe", server], &self.folder).status();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn script_folder() -> PathBuf {
    let script = PathBuf::from(variable("HOLDFAST_SERVERS_SCRIPT"));
    script.parent().expect("the script is in a folder").to_owned()
}

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(variable("HOLDFAST_SERVERS_SCRIPT"));
    command.args(arguments).arg(folder).env("HOLDFAST_TEST_SERVERS", "1");
    command
}

fn script(arguments: &[&str], folder: &Path) {
    let status = command(arguments, folder).status().expect("the servers script can be run");
    assert!(status.success(), "servers.sh {arguments:?} failed");
}

fn environment(file: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    value.unwrap_or_else(|| panic!("{} has no {name}", file.display())).trim_matches(['"', '\'']).to_owned()
}
