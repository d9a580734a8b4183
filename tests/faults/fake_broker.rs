//! A broker that answers publishes as a test wants, connection by connection: what a node does whose leader is gone
//! cannot be had from one healthy node.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const METHOD: u8 = 1;
const FRAME_END: u8 = 0xce;
const FRAME_MAX: u32 = 131_072;

/// What becomes of a message.
#[derive(Clone, Copy)]
pub enum Says {
    Ack,
    Nack,
    Nothing,
}

pub struct FakeBroker {
    pub url: String,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl FakeBroker {
    /// Answers every message on the connection of this number, from zero, as `says` has it.
    pub async fn start(says: fn(usize) -> Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("amqp://guest:guest@{}/%2f", listener.local_addr().unwrap());
        let connections = Arc::<AtomicUsize>::default();
        let count = connections.clone();
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, says(count.fetch_add(1, Ordering::SeqCst))));
            }
        });
        Self { url, connections, task }
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Ends when the client does.
async fn serve(mut stream: TcpStream, says: Says) -> Option<()> {
    let mut greeting = [0; 8];
    stream.read_exact(&mut greeting).await.ok()?;
    let text = |text: &str| [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    let start = [vec![0, 9, 0, 0, 0, 0], text("PLAIN"), text("en_US")].concat();
    send(&mut stream, 0, (10, 10), &start).await?;
    let mut tag = 0_u64;
    loop {
        let mut head = [0; 7];
        stream.read_exact(&mut head).await.ok()?;
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; size as usize + 1];
        stream.read_exact(&mut payload).await.ok()?;
        if head[0] != METHOD {
            continue;
        }
        let channel = u16::from_be_bytes([head[1], head[2]]);
        let method =
            (u16::from_be_bytes([payload[0], payload[1]]), u16::from_be_bytes([payload[2], payload[3]]));
        let (answer, arguments) = match method {
            // start-ok, tune
            (10, 11) => {
                ((10, 30), [&2_047_u16.to_be_bytes()[..], &FRAME_MAX.to_be_bytes(), &[0, 0]].concat())
            }
            (10, 40) => ((10, 41), vec![0]),
            (10, 50) => ((10, 51), vec![]),
            (20, 10) => ((20, 11), vec![0; 4]),
            (20, 40) => ((20, 41), vec![]),
            (85, 10) => ((85, 11), vec![]),
            // basic.publish: header and body follow, and nobody minds that they are confirmed already.
            (60, 40) => {
                tag += 1;
                let confirm = [&tag.to_be_bytes()[..], &[0]].concat();
                match says {
                    Says::Ack => ((60, 80), confirm),
                    Says::Nack => ((60, 120), confirm),
                    Says::Nothing => continue,
                }
            }
            _ => continue,
        };
        send(&mut stream, channel, answer, &arguments).await?;
    }
}

async fn send(stream: &mut TcpStream, channel: u16, method: (u16, u16), arguments: &[u8]) -> Option<()> {
    let payload = [&method.0.to_be_bytes()[..], &method.1.to_be_bytes(), arguments].concat();
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [&[METHOD], &channel.to_be_bytes()[..], &size, &payload, &[FRAME_END]].concat();
    stream.write_all(&frame).await.ok()
}
