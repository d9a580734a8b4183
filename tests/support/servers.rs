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
    /// Starts a PostgreSQL of the test's own beside the shared RabbitMQ; `name` must be the test's own.
    pub fn postgres(name: &str) -> Self {
        let folder = start("postgres", name);
        let admin_url = environment(&folder.join("postgres.env"), "DATABASE_URL");
        Self { folder, servers: Servers { admin_url, ..Servers::shared() } }
    }

    /// Starts a RabbitMQ of the test's own beside the shared PostgreSQL; `name` must be the test's own.
    pub fn rabbitmq(name: &str) -> Self {
        let folder = start("rabbitmq", name);
        let amqp_base = amqp_base(&environment(&folder.join("rabbitmq.env"), "AMQP_URL"));
        let rabbitmq_api = environment(&folder.join("rabbitmq.env"), "RABBITMQ_API");
        Self { folder, servers: Servers { amqp_base, rabbitmq_api, ..Servers::shared() } }
    }

    /// Starts another RabbitMQ, which becomes a node of the cluster that this one is in.
    pub fn another_node(&self, name: &str) -> Self {
        std::fs::write(own_folder(name).join("joins"), self.folder.canonicalize().unwrap().to_str().unwrap())
            .unwrap();
        Self::rabbitmq(name)
    }

    /// Starts a PostgreSQL and a RabbitMQ of the test's own that also serve TLS, with these files (`ca.pem`, `server.pem`,
    /// `server.key`); the second value is the address of the broker's encrypted door.
    pub fn with_tls(name: &str, files: &[(&str, String)]) -> (Self, String) {
        let folder = own_folder(name);
        std::fs::create_dir_all(folder.join("tls")).unwrap();
        for (file, text) in files {
            std::fs::write(folder.join("tls").join(file), text).unwrap();
        }
        start("postgres", name);
        start("rabbitmq", name);
        let admin_url = environment(&folder.join("postgres.env"), "DATABASE_URL");
        let admin_url = admin_url.replace("/holdfast", "/postgres");
        let rabbitmq = folder.join("rabbitmq.env");
        let plain_base = amqp_base(&environment(&rabbitmq, "AMQP_URL"));
        let rabbitmq_api = environment(&rabbitmq, "RABBITMQ_API");
        let amqps_base = amqp_base(&environment(&rabbitmq, "AMQPS_URL"));
        (Self { folder, servers: Servers { admin_url, amqp_base: plain_base, rabbitmq_api } }, amqps_base)
    }

    /// The folder they are in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Their URLs, which stay the same when one is started again.
    pub fn servers(&self) -> Servers {
        self.servers.clone()
    }

    /// Runs `scripts/servers.sh ACTION SERVER` on them: start, stop, kill or wipe; postgres or rabbitmq.
    pub fn act(&self, action: &str, server: &str) {
        script(&[action, server], &self.folder);
    }

    /// The processes of a server: the one that was started, and its children.
    pub fn pids(&self, server: &str) -> Vec<u32> {
        let output = command(&["status"], &self.folder).output().unwrap();
        let status = String::from_utf8(output.stdout).unwrap();
        let line = status.lines().find(|line| line.starts_with(server)).unwrap();
        let main: u32 = line.rsplit_once("pid ").unwrap().1.parse().unwrap();
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid == main || parent(*pid) == Some(main)).collect()
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from behind it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn own_folder(name: &str) -> PathBuf {
    let folder = script_folder().join("../.run/test/own").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn start(server: &str, name: &str) -> PathBuf {
    let folder = own_folder(name);
    script(&["start", server], &folder);
    folder
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
