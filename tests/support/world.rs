//! A world of a test's own: a database, a vhost, an API and workers in this process.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use holdfast::broker::address::Address;
use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::broker::queues::Inspector;
use holdfast::broker::topology::{DEFAULT_MAX_LENGTH, Topology};
use holdfast::config::DEFAULT_TIME_ZONE;
use holdfast::domain::ids::CustomerId;
use holdfast::domain::limits::Limits;
use holdfast::effects::settings::Outlets;
use holdfast::gateway::port::Gateway;
use holdfast::gateway::settings::UNMATCHED_WEBHOOK_DAYS;
use holdfast::http::app::App;
use holdfast::http::sign_ins::SignIns;
use holdfast::http::watch::{self, Watch};
use holdfast::message::Queue;
use holdfast::peers::secret::Secret;
use holdfast::serving::Room;
use holdfast::shop::settings::{ShopSettings, Site};
use holdfast::store::operators::tokens::{self, NewToken, Role};
use holdfast::{router, serving, store};
use holdfast_workers::engine::bell::Bell;
use holdfast_workers::engine::context::Context;
use holdfast_workers::engine::pauses::Pauses;
use holdfast_workers::engine::roster::{Roster, Tally};
use holdfast_workers::pools::{self, GUEST_CARTS, Pool, PoolSize, Settings};
use sqlx::PgPool;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::client::Client;
use super::databases::{create_database, make_vhost};
use super::eventually;
use super::servers::Servers;

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);

/// A database and a vhost with the schema and topology of Holdfast, and nothing running yet.
pub struct World {
    pub servers: Servers,
    pub database_url: String,
    pub amqp_url: String,
    pub vhost: String,
    pub pool: PgPool,
    pub publisher: Publisher,
    pub topology: Topology,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub limits: Limits,
    /// Whom card payments are asked of, if anybody.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// Who is told about payments, if anybody.
    pub outlets: Outlets,
    /// How pages for buyers are set up, if APIs of this process serve any.
    pub shop: Option<ShopSettings>,
    /// How customers sign in at the API of this process, if they do.
    pub sign_ins: SignIns,
    /// Days within which they may give back what they paid for.
    pub return_days: u16,
    /// What programs started for this world are told beside its servers.
    pub environment: Vec<(String, String)>,
    /// What the workers of this process know of pauses, and tell of themselves.
    reports: OnceLock<(Pauses, Roster)>,
    /// Where the first API of this process listens.
    api: OnceLock<String>,
    /// An operator at that API, once somebody asks for one.
    desk: OnceCell<Client>,
}

impl World {
    /// A world on the shared servers with the API and all workers running in this process.
    pub async fn running() -> (Self, Client) {
        let world = Self::idle().await;
        world.start_all_workers();
        let client = world.start_api().await;
        (world, client)
    }

    /// Like [`World::running`] without the sweeper, so that only timers release what is due.
    pub async fn running_by_timers() -> (Self, Client) {
        let world = Self::idle().await;
        Pool::all().filter(|pool| *pool != Pool::Sweep).for_each(|pool| world.start_workers(pool));
        let client = world.start_api().await;
        (world, client)
    }

    /// A world on the shared servers with nothing running.
    pub async fn idle() -> Self {
        Self::on(Servers::shared(), DEFAULT_MAX_LENGTH).await
    }

    /// [`World::idle`], whose programs are told these settings.
    pub async fn told(settings: &[(&str, &str)]) -> Self {
        let mut world = Self::idle().await;
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        world.environment.extend(settings);
        world
    }

    /// A world on the given servers with nothing running, whose command queues take `max_length` messages.
    pub async fn on(servers: Servers, max_length: u32) -> Self {
        let name = format!("t_{}", Uuid::now_v7().simple());
        let database_url = create_database(&servers, &name).await;
        make_vhost(&servers, &name).await;
        let amqp_url = format!("{}{name}", servers.amqp_base);
        let topology = Topology::new(max_length);
        let connector = Connector::new(&amqp_url, "test topology");
        topology.declare(&connector).await.unwrap();
        connector.close().await;
        let pool = store::pool(&database_url, "test", 12).unwrap();
        let publisher = Publisher::start(Connector::new(&amqp_url, "test publish"), CONFIRM_TIMEOUT);
        publisher.wait_until_connected().await;
        Self {
            servers,
            database_url,
            amqp_url,
            vhost: name,
            pool,
            publisher,
            topology,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            limits: Limits::default(),
            gateway: None,
            outlets: Outlets::default(),
            shop: None,
            sign_ins: SignIns::none(),
            return_days: 0,
            environment: vec![],
            reports: OnceLock::new(),
            api: OnceLock::new(),
            desk: OnceCell::new(),
        }
    }

    /// What runners of this world need.
    pub fn context(&self) -> Context {
        // One for all pools of this process, on connections of its own, as in the program.
        let (pauses, roster) = self.reports.get_or_init(|| {
            let own = store::pool(&self.database_url, "test reports", 3).unwrap();
            let roster = Roster::default();
            self.tasks.spawn(roster.clone().report(own.clone(), self.stop.clone()));
            (Pauses::watch(own, self.stop.clone()), roster)
        });
        Context {
            gate: pauses.no_gate(),
            pauses: pauses.clone(),
            roster: roster.clone(),
            tally: Tally::default(),
            bell: Bell::start(self.pool.clone()),
            pool: self.pool.clone(),
            broker: Address::from(&self.amqp_url),
            publisher: self.publisher.clone(),
            topology: self.topology.clone(),
            stop: self.stop.clone(),
        }
    }

    /// Starts one runner of a pool in this process.
    pub fn start_workers(&self, pool: Pool) {
        self.start(pool, &self.stop, &self.tasks);
    }

    /// Starts one runner of a pool that stops earlier than this world.
    pub fn start(&self, pool: Pool, stop: &CancellationToken, tasks: &TaskTracker) {
        let settings = Settings {
            gateway: self.gateway.clone(),
            outlets: self.outlets.clone(),
            time_zone: DEFAULT_TIME_ZONE,
            limits: self.limits,
            hold_batch_size: 250,
            unmatched_webhook_days: UNMATCHED_WEBHOOK_DAYS,
            guest_carts: self.told_number("HOLDFAST_GUEST_CARTS").unwrap_or(GUEST_CARTS),
        };
        let context = Context { stop: stop.clone(), ..self.context() };
        pools::start(PoolSize { pool, runners: 1 }, &settings, &context, tasks);
    }

    /// Starts one runner of the pool of each of these queues in this process.
    pub fn start_workers_of(&self, queues: &[Queue]) {
        queues.iter().for_each(|queue| self.start_workers(Pool::Commands(*queue)));
    }

    /// Starts one runner of every pool in this process.
    pub fn start_all_workers(&self) {
        Pool::all().for_each(|pool| self.start_workers(pool));
    }

    /// Starts an API in this process, and returns a client with a shop's token.
    pub async fn start_api(&self) -> Client {
        let watch = Watch::default();
        let app = App::new(
            self.pool.clone(),
            self.publisher.clone(),
            watch.clone(),
            self.gateway.clone(),
            self.stop.clone(),
        )
        .editing_dead_letters(self.is_told("HOLDFAST_EDIT_DEAD_LETTERS", "true"))
        .with_sign_ins(self.sign_ins.clone())
        .with_return_days(self.return_days)
        .with_inspector(self.inspector());
        let connector = Connector::new(&self.amqp_url, "test events");
        let listening =
            watch::listen(watch, app.rates.clone(), connector, self.topology.clone(), self.stop.clone());
        self.tasks.spawn(listening);
        let room = Room { connections: 1_000, per_address: 1_000, proxies: vec![] };
        let listener = serving::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let base = format!("http://{address}");
        let front = self.shop.clone().and_then(|shop| {
            let shop_url = Some(Site::parse(&base).unwrap());
            ShopSettings { shop_url, ..shop }.front()
        });
        self.tasks.spawn(serving::serve(listener, router::router(app, front), room, self.stop.clone()));
        let _ = self.api.set(base.clone());
        Client::new(&base, &self.token(Role::Shop, None).await)
    }

    /// Olga's desk: where the command line finds an API of this world, and an operator's token for it.
    pub async fn desk(&self) -> &Client {
        self.desk
            .get_or_init(async || {
                let base = match self.api.get() {
                    Some(base) => base.clone(),
                    None => self.start_api().await.base,
                };
                Client::new(&base, &self.named_token("olga", Role::Operator).await)
            })
            .await
    }

    /// The number that programs are told by this name.
    fn told_number(&self, name: &str) -> Option<u32> {
        let told = self.environment.iter().find(|(told, _)| told == name);
        told.map(|(_, number)| number.parse().unwrap())
    }

    /// Whether programs are told this.
    fn is_told(&self, name: &str, value: &str) -> bool {
        self.environment.iter().any(|(told, what)| told == name && what == value)
    }

    /// Whom the API asks about queues: AMQP alone, unless the management API is among what programs are told.
    pub fn inspector(&self) -> Inspector {
        let api = self.environment.iter().find(|(name, _)| name == "HOLDFAST_RABBITMQ_API");
        let api = api.map(|(_, url)| Secret::from(url.clone()));
        Inspector::new(&self.amqp_url, api.as_ref()).unwrap()
    }

    pub async fn token(&self, role: Role, customer: Option<&str>) -> String {
        let customer = customer.map(|name| CustomerId::parse(name).unwrap());
        self.insert_token(&Uuid::now_v7().to_string(), role, customer).await
    }

    /// Makes a token of a name.
    pub async fn named_token(&self, name: &str, role: Role) -> String {
        self.insert_token(name, role, None).await
    }

    async fn insert_token(&self, name: &str, role: Role, customer: Option<CustomerId>) -> String {
        let token = tokens::new_token();
        let hash = tokens::hash(&token);
        let new = NewToken { name, role, customer: customer.as_ref(), hash: &hash };
        tokens::insert(&mut self.pool.acquire().await.unwrap(), new).await.unwrap();
        token
    }

    /// Publishes bytes to a command queue as a stranger would.
    pub async fn publish_raw(&self, queue: &str, body: &[u8]) {
        let url = format!("{}/exchanges/{}/commands/publish", self.servers.rabbitmq_api, self.vhost);
        let hex: String = body.iter().map(|byte| *byte as char).collect();
        let message = serde_json::json!({
            "routing_key": queue, "payload": hex, "payload_encoding": "string",
            "properties": {"delivery_mode": 2, "message_id": Uuid::now_v7().to_string()},
        });
        let sent = reqwest::Client::new().post(url).json(&message).send().await.unwrap();
        assert!(sent.status().is_success());
    }

    /// Throws away what waits in a queue.
    pub async fn purge(&self, queue: &str) {
        let url = format!("{}/queues/{}/{queue}/contents", self.servers.rabbitmq_api, self.vhost);
        let purged = reqwest::Client::new().delete(url).send().await.unwrap();
        assert!(purged.status().is_success());
    }

    /// Publishes a message of ours.
    pub async fn publish(&self, message: Outgoing) {
        self.publisher.publish(message).await.unwrap();
    }

    /// Messages waiting in a queue, as the broker counts them.
    pub async fn depth(&self, queue: &str) -> u32 {
        self.inspect(queue).await.message_count()
    }

    /// Consumers of a queue, as the broker counts them.
    pub async fn consumers(&self, queue: &str) -> u32 {
        self.inspect(queue).await.consumer_count()
    }

    async fn inspect(&self, queue: &str) -> lapin::Queue {
        let connector = Connector::new(&self.amqp_url, "test depth");
        let channel = connector.channel().await.unwrap();
        let passive = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare(queue.into(), passive, Default::default()).await.unwrap();
        connector.close().await;
        queue
    }

    /// Waits until a dead letter of this class is in the table; returns its error text.
    pub async fn dead_letter(&self, class: &str) -> String {
        eventually("a dead letter", async || {
            sqlx::query_scalar("SELECT error_text FROM dead_letters WHERE error_class = $1")
                .bind(class)
                .fetch_optional(&self.pool)
                .await
                .unwrap()
        })
        .await
    }

    /// One number from the database.
    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Transactions of this database so far, once those that are over are counted: a session that has gone idle tells of its
    /// last ones after ten seconds.
    pub async fn transactions(&self) -> i64 {
        tokio::time::sleep(Duration::from_secs(11)).await;
        let sql =
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        self.count(sql).await
    }

    /// Does to the database what no program of ours does, for as long as that takes on this machine.
    pub async fn execute(&self, sql: &'static str) {
        let mut conn = self.pool.acquire().await.unwrap();
        sqlx::query("SET statement_timeout = 0").execute(&mut *conn).await.unwrap();
        sqlx::query(sql).execute(&mut *conn).await.unwrap();
        sqlx::query("RESET statement_timeout").execute(&mut *conn).await.unwrap();
    }

    /// Puts a hold into the past, so that its time is up and nothing has released it yet. Run it where neither
    /// timers nor the sweeper do.
    pub async fn make_overdue(&self, order: &str) {
        let sql = "UPDATE orders SET created_at = created_at - interval '1 hour', expires_at = now() - interval '1 s'
                    WHERE id = $1::uuid AND status = 'held'";
        let done = sqlx::query(sql).bind(order).execute(&self.pool).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{order} is not held");
    }

    /// Fails the test unless every truth holds.
    pub async fn audit(&self) {
        let findings = store::audit::check(&mut self.pool.acquire().await.unwrap()).await.unwrap();
        let broken: Vec<_> = findings.into_iter().filter(|finding| finding.violations > 0).collect();
        assert!(broken.is_empty(), "broken truths: {broken:?}");
    }

    /// Checks the truths, stops everything and removes the vhost.
    pub async fn finish(self) {
        self.audit().await;
        self.stop.cancel();
        self.tasks.close();
        let stopped = tokio::time::timeout(Duration::from_secs(15), self.tasks.wait()).await;
        assert!(stopped.is_ok(), "the workers did not stop in time");
        let url = format!("{}/vhosts/{}", self.servers.rabbitmq_api, self.vhost);
        let _ = reqwest::Client::new().delete(url).send().await;
    }
}
