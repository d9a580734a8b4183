//! A wire that a test can silence or cut: what programs see of a frozen machine, a firewall or a lost peer.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// Stands between a program and a server.
pub struct Proxy {
    pub address: SocketAddr,
    wire: watch::Sender<Wire>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Wire {
    /// Nothing passes, in either direction, on any connection.
    is_silent: bool,
    /// How often all connections were cut.
    cuts: u32,
}

impl Proxy {
    /// A wire to the server at this address, such as `127.0.0.1:5432`.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = watch::Sender::new(Wire::default());
        let (server, state) = (server.to_owned(), wire.clone());
        let task = tokio::spawn(async move {
            // Ends with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server.clone(), state.subscribe()));
            }
        });
        Self { address, wire, task }
    }

    /// Lets nothing pass from now on, though connections stay open and new ones are taken.
    pub fn silence(&self) {
        self.wire.send_modify(|wire| wire.is_silent = true);
    }

    /// Lets everything pass again, what was held back included.
    pub fn resume(&self) {
        self.wire.send_modify(|wire| wire.is_silent = false);
    }

    /// Cuts every connection so that only the server notices: to the program they look open for ever. New ones work.
    pub fn cut(&self) {
        self.wire.send_modify(|wire| wire.cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The same URL with another address.
pub fn through(url: &str, address: SocketAddr) -> String {
    let (scheme_and_user, rest) = url.rsplit_once('@').unwrap();
    format!("{scheme_and_user}@{address}/{}", rest.split_once('/').unwrap().1)
}

/// The address that a URL names.
pub fn address_of(url: &str) -> &str {
    url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0
}

async fn carry(mut client: TcpStream, server: String, mut state: watch::Receiver<Wire>) {
    let born = state.borrow().cuts;
    let mut server = TcpStream::connect(server).await.unwrap();
    let is_cut = {
        let (client_in, client_out) = client.split();
        let (server_in, server_out) = server.split();
        let there = pump(client_in, server_out, state.clone());
        let back = pump(server_in, client_out, state.clone());
        tokio::select! {
            _ = async { tokio::join!(there, back) } => false,
            _ = state.wait_for(|wire| wire.cuts > born) => true,
        }
    };
    if is_cut {
        drop(server);
        std::future::pending::<()>().await;
    }
}

async fn pump(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut state: watch::Receiver<Wire>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if state.wait_for(|wire| !wire.is_silent).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
    let _ = to.shutdown().await;
}
