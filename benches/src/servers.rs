//! PostgreSQL and RabbitMQ as `scripts/bench.sh` started them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use serde_json::Value;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};

use crate::http::{Connection, request};

/// Every database and virtual host of a measurement is called so, with a number.
pub(crate) const PREFIX: &str = "holdfast_bench_";

/// The advisory lock of the one benchmark.
const TURN: i64 = 0x686f_6c64_6265_6e63;

#[derive(Clone)]
pub(crate) struct Servers {
    database: String,
    broker: String,
    api: Api,
    /// A connection to no measurement's database, to create and drop those.
    pub(crate) admin: PgPool,
    _turn: Arc<PgConnection>,
}

#[derive(Clone)]
struct Api {
    address: SocketAddr,
    path: String,
    credentials: String,
    user: String,
}

/// What the broker says about its memory, and what the system says, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) used: u64,
    pub(crate) resident: u64,
}

impl Servers {
    /// The servers that the environment names.
    pub(crate) async fn from_environment() -> anyhow::Result<Self> {
        let variable = |name| std::env::var(name).with_context(|| format!("{name} is not set"));
        let (database, broker) = (variable("DATABASE_URL")?, variable("AMQP_URL")?);
        let admin = PgPoolOptions::new().max_connections(2).connect(&database).await?;
        let turn = Arc::new(take_turns(&database).await?);
        let api = Api::parse(&variable("RABBITMQ_API")?)?;
        let servers = Self { database, broker, api, admin, _turn: turn };
        servers.remove_leftovers().await?;
        Ok(servers)
    }

    pub(crate) fn database_url(&self, name: &str) -> String {
        self.database.rsplit_once('/').map_or_else(String::new, |(server, _)| format!("{server}/{name}"))
    }

    pub(crate) fn amqp_url(&self, name: &str) -> String {
        self.broker.rsplit_once('/').map_or_else(String::new, |(server, _)| format!("{server}/{name}"))
    }

    pub(crate) async fn create(&self, name: &str) -> anyhow::Result<()> {
        self.admin_sql(format!("CREATE DATABASE {name}")).await?;
        self.api.call("PUT", &format!("/vhosts/{name}"), "").await?;
        let rights = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.api.call("PUT", &format!("/permissions/{name}/{}", self.api.user), rights).await?;
        Ok(())
    }

    pub(crate) async fn remove(&self, name: &str) -> anyhow::Result<()> {
        self.api.call("DELETE", &format!("/vhosts/{name}"), "").await?;
        self.admin_sql(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    /// What an earlier run that was killed has left.
    async fn remove_leftovers(&self) -> anyhow::Result<()> {
        let databases: Vec<String> = sqlx::query_scalar(
            "SELECT datname::text FROM pg_database WHERE datname LIKE 'holdfast\\_bench\\_%'",
        )
        .fetch_all(&self.admin)
        .await?;
        for name in databases {
            self.admin_sql(format!("DROP DATABASE {name} WITH (FORCE)")).await?;
        }
        let hosts = self.api.call("GET", "/vhosts", "").await?;
        for host in hosts.as_array().into_iter().flatten() {
            if let Some(name) = host["name"].as_str().filter(|name| name.starts_with(PREFIX)) {
                self.api.call("DELETE", &format!("/vhosts/{name}"), "").await?;
            }
        }
        Ok(())
    }

    async fn admin_sql(&self, sql: String) -> anyhow::Result<()> {
        // The text holds our own names only.
        sqlx::query(AssertSqlSafe(sql)).execute(&self.admin).await?;
        Ok(())
    }

    pub(crate) async fn memory(&self) -> anyhow::Result<Memory> {
        let nodes = self.api.call("GET", "/nodes", "").await?;
        let node = &nodes[0];
        let used = node["mem_used"].as_u64().context("the broker does not tell its memory")?;
        let pid = node["os_pid"].as_str().context("the broker does not tell its process")?;
        let status = std::fs::read_to_string(Path::new("/proc").join(pid).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(Memory { used, resident: kilobytes * 1_024 })
    }

    /// "PostgreSQL 15.8, RabbitMQ 3.10.8"
    pub(crate) async fn versions(&self) -> anyhow::Result<String> {
        let postgres: String = sqlx::query_scalar("SHOW server_version").fetch_one(&self.admin).await?;
        let postgres = postgres.split(' ').next().unwrap_or_default().to_owned();
        let overview = self.api.call("GET", "/overview", "").await?;
        let rabbit = overview["rabbitmq_version"].as_str().unwrap_or("?");
        Ok(format!("PostgreSQL {postgres}, RabbitMQ {rabbit}"))
    }
}

/// Two benchmarks on the same servers would measure each other. The lock goes with the connection that took it.
async fn take_turns(database: &str) -> anyhow::Result<PgConnection> {
    let mut session = PgConnection::connect(database).await?;
    let mine: bool =
        sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(TURN).fetch_one(&mut session).await?;
    if !mine {
        bail!("another benchmark runs on these servers");
    }
    Ok(session)
}

impl Api {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let wrong = || format!("RABBITMQ_API is not http://user:password@address:port/api: {url}");
        let rest = url.strip_prefix("http://").with_context(wrong)?;
        let (login, rest) = rest.split_once('@').with_context(wrong)?;
        let (address, path) = rest.split_once('/').with_context(wrong)?;
        let credentials = base64::engine::general_purpose::STANDARD.encode(login);
        let user = login.split(':').next().unwrap_or_default().to_owned();
        let address = address.parse().with_context(wrong)?;
        Ok(Self { address, path: format!("/{path}"), credentials, user })
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let headers = format!("Authorization: Basic {}\r\n", self.credentials);
        let request = request(method, &format!("{}{path}", self.path), &headers, body);
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.send(&request).await?;
        let gone_already = method == "DELETE" && answer.status == 404;
        if !(gone_already || (200..300).contains(&answer.status)) {
            bail!("{method} {path}: {} {}", answer.status, String::from_utf8_lossy(answer.body));
        }
        Ok(serde_json::from_slice(answer.body).unwrap_or(Value::Null))
    }
}
