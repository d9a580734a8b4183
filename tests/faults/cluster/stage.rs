//! The cluster, the balancer before it, and both programs on it.

use std::time::{Duration, Instant};

use holdfast::broker::topology::DEFAULT_MAX_LENGTH;
use reqwest::get;
use serde_json::Value;
use tokio::task::{JoinHandle, block_in_place};

use crate::balancer::Balancer;
use crate::proxy::{address_of, through};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::processes::{Process, signal};
use crate::support::servers::{OwnServers, Servers};
use crate::support::world::World;

/// The node with the leaders of all queues.
pub const LEADER: usize = 0;
/// A node that only follows.
pub const OTHER: usize = 1;
/// The node that is never killed, and tells about the others.
const WITNESS: usize = 2;

/// Everything that plays a part. What is started last is dropped first.
pub struct Stage {
    pub world: World,
    pub shop: Client,
    api: Process,
    worker: Process,
    readiness: JoinHandle<()>,
    cluster: Cluster,
}

impl Stage {
    /// A cluster with a member of every queue on each node and all leaders on one. Both programs are connected to `connected`
    /// now, and to any node when they connect again.
    pub async fn start(connected: usize) -> Self {
        let cluster = Cluster::start().await;
        let world = World::on(cluster.servers(), DEFAULT_MAX_LENGTH).await;
        cluster.balancer.lead_to(&cluster.addresses[connected..=connected]);
        let (api, shop) = Process::api(&world).await;
        let worker = Process::worker(&world, "");
        shop.stock("mug", 100_000).await;
        assert_eq!(shop.place("mug", 1, 1).await.status, 201, "the workers are at work");
        cluster.is_as_it_should_be(&world, connected).await;
        cluster.balancer.lead_to(&cluster.addresses);
        let readiness = tell_readiness(&shop);
        Self { world, shop, api, worker, readiness, cluster }
    }

    /// Kills a node for good. Returns when.
    pub fn kill(&self, node: usize) -> Instant {
        let pid = block_in_place(|| self.cluster.nodes[node].pids("rabbitmq")[0]);
        signal(pid, "KILL");
        Instant::now()
    }

    /// Checks the truths. The virtual host goes with the cluster: two nodes of three would take a minute to remove it.
    pub async fn finish(mut self) {
        assert!(!self.api.has_ended() && !self.worker.has_ended());
        self.readiness.abort();
        self.world.audit().await;
    }
}

struct Cluster {
    nodes: Vec<OwnServers>,
    /// Where each node takes clients.
    addresses: Vec<String>,
    balancer: Balancer,
}

impl Cluster {
    /// Three nodes, and a balancer that leads to the one that is to have the leaders: a queue has its leader where it was
    /// declared.
    async fn start() -> Self {
        let nodes = block_in_place(|| {
            let seed = OwnServers::rabbitmq("cluster-0");
            let joined = [OTHER, WITNESS].map(|node| seed.another_node(&format!("cluster-{node}")));
            let mut nodes = vec![seed];
            nodes.extend(joined);
            nodes
        });
        let addresses: Vec<String> =
            nodes.iter().map(|node| address_of(&node.servers().amqp_base).to_owned()).collect();
        let balancer = Balancer::before(&addresses[LEADER..=LEADER]).await;
        Self { nodes, addresses, balancer }
    }

    /// The broker as its clients see it.
    fn servers(&self) -> Servers {
        let witness = self.nodes[WITNESS].servers();
        Servers { amqp_base: through(&witness.amqp_base, self.balancer.address), ..witness }
    }

    async fn is_as_it_should_be(&self, world: &World, connected: usize) {
        let mut names = vec![];
        for node in &self.nodes {
            names.push(ask(&node.servers(), "overview").await["node"].clone());
        }
        let queues = ask(&world.servers, &format!("queues/{}", world.vhost)).await;
        let quorum: Vec<_> =
            queues.as_array().unwrap().iter().filter(|queue| queue["type"] == "quorum").collect();
        assert!(quorum.len() > 20, "{} queues", quorum.len());
        for queue in quorum {
            assert_eq!(queue["leader"], names[LEADER], "{queue}");
            assert_eq!(queue["members"].as_array().unwrap().len(), 3, "{queue}");
        }
        for program in ["holdfast-api publish", "holdfast-workers publish"] {
            let node = eventually("the broker tells of a connection", async || {
                let connections = ask(&world.servers, "connections").await;
                let mut connections = connections.as_array().unwrap().iter();
                Some(connections.find(|one| one["user_provided_name"] == program)?["node"].clone())
            })
            .await;
            assert_eq!(node, names[connected], "{program}");
        }
    }
}

async fn ask(servers: &Servers, what: &str) -> Value {
    get(format!("{}/{what}", servers.rabbitmq_api)).await.unwrap().json().await.unwrap()
}

/// Prints what `/readyz` says whenever it says something else.
fn tell_readiness(shop: &Client) -> JoinHandle<()> {
    let shop = shop.clone();
    tokio::spawn(async move {
        let mut before = None;
        loop {
            let ready = shop.get("/readyz").await;
            let refused = ready.body["refused"].as_array().unwrap().iter();
            let refused: Vec<_> =
                refused.map(|one| (one["target"].to_string(), one["cause"].to_string())).collect();
            let told = Some((ready.status, ready.body["broker"].clone(), refused));
            if told != before {
                println!("readiness: {told:?}");
                before = told;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}
