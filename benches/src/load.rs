//! Orders over HTTP: at a fixed rate, whatever the answers do, or each connection as fast as its answers come.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::try_join_all;
use holdfast::clock;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use crate::http::Connection;
use crate::orders::Orders;
use crate::timing::{Latencies, epoch_seconds};

const ACCEPTED: u16 = 202;
const HEAD_START: Duration = Duration::from_secs(1);

/// When each order was meant to be sent, in seconds of the clock: a late answer must not make the next request late
/// unnoticed.
pub(crate) type Intended = HashMap<Uuid, f64>;

/// Sends orders at a fixed rate.
pub(crate) async fn open_loop(
    address: SocketAddr,
    orders: Orders,
    rate: u64,
    time: Duration,
) -> anyhow::Result<Intended> {
    let connections = (rate / 10).clamp(8, 256);
    let wishes = (0..rate * time.as_secs()).map(|_| orders.next()).collect::<anyhow::Result<Vec<_>>>()?;
    let gap = Duration::from_secs_f64(1.0 / rate as f64);
    let mut offsets = Vec::with_capacity(wishes.len());
    let mut shares: Vec<Vec<(Duration, Vec<u8>)>> = (0..connections).map(|_| Vec::new()).collect();
    for (number, wish) in (0u32..).zip(&wishes) {
        let offset = gap * number;
        offsets.push((wish.order_id().uuid(), offset));
        let share = usize::try_from(u64::from(number) % connections)?;
        shares[share].push((offset, wish.request()));
    }
    // The connections are opened meanwhile.
    let (start, epoch) =
        (Instant::now() + HEAD_START, epoch_seconds(clock::now()) + HEAD_START.as_secs_f64());
    let senders = shares.into_iter().map(|share| tokio::spawn(send_on_time(address, start, share)));
    for sent in try_join_all(senders).await? {
        sent?;
    }
    Ok(offsets.into_iter().map(|(order, offset)| (order, epoch + offset.as_secs_f64())).collect())
}

async fn send_on_time(
    address: SocketAddr,
    start: Instant,
    share: Vec<(Duration, Vec<u8>)>,
) -> anyhow::Result<()> {
    let mut connection = Connection::open(address).await?;
    for (offset, request) in share {
        sleep_until(start + offset).await;
        expect_accepted(connection.send(&request).await?.status)?;
    }
    Ok(())
}

/// What a closed loop found.
pub(crate) struct Accepted {
    pub(crate) per_second: f64,
    pub(crate) latencies: Latencies,
}

/// Sends orders on so many connections, each the next as soon as the last is answered.
pub(crate) async fn closed_loop(
    address: SocketAddr,
    orders: Orders,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Accepted> {
    let started = Instant::now();
    let senders = (0..connections).map(|_| tokio::spawn(send_until(address, orders, started + time)));
    let mut all = Vec::new();
    for sent in try_join_all(senders).await.context("a connection panicked")? {
        all.extend(sent?);
    }
    let per_second = all.len() as f64 / started.elapsed().as_secs_f64();
    Ok(Accepted { per_second, latencies: Latencies::new(all) })
}

async fn send_until(address: SocketAddr, orders: Orders, end: Instant) -> anyhow::Result<Vec<f64>> {
    let mut connection = Connection::open(address).await?;
    let mut milliseconds = Vec::new();
    while Instant::now() < end {
        let request = orders.next()?.request();
        let sent = Instant::now();
        expect_accepted(connection.send(&request).await?.status)?;
        milliseconds.push(sent.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(milliseconds)
}

fn expect_accepted(status: u16) -> anyhow::Result<()> {
    if status != ACCEPTED {
        bail!("an order was answered with {status}");
    }
    Ok(())
}
