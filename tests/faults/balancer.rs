//! A TCP balancer before the nodes of a cluster: a new connection goes to the next node that takes it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

pub struct Balancer {
    pub address: SocketAddr,
    nodes: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Balancer {
    /// A balancer before these addresses.
    pub async fn before(nodes: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let nodes = Arc::new(Mutex::new(nodes.to_vec()));
        let state = nodes.clone();
        let task = tokio::spawn(async move {
            // Ends with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                // One that no node takes is hung up.
                if let Some(node) = connect(&state).await {
                    connections.spawn(carry(client, node));
                }
            }
        });
        Self { address, nodes, task }
    }

    /// Leads new connections to these nodes and no others. Those that are open stay where they are.
    pub fn lead_to(&self, nodes: &[String]) {
        *self.nodes.lock().unwrap() = nodes.to_vec();
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(nodes: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let count = nodes.lock().unwrap().len();
    for _ in 0..count {
        let next = {
            let mut nodes = nodes.lock().unwrap();
            nodes.rotate_left(1);
            nodes.last()?.clone()
        };
        if let Ok(stream) = TcpStream::connect(next).await {
            return Some(stream);
        }
    }
    None
}

async fn carry(mut client: TcpStream, mut node: TcpStream) {
    // Either side may be killed at any moment.
    let _ = copy_bidirectional(&mut client, &mut node).await;
}
