//! Server-sent events of one order: the past first, then what happens, resumable, in every process.

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::world::World;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// An open stream of server-sent events.
pub(crate) struct Stream {
    response: reqwest::Response,
    waiting: String,
}

impl Stream {
    pub(crate) async fn open(shop: &Client, order: &str, last_id: Option<&str>) -> Self {
        let mut request = shop.request(reqwest::Method::GET, &format!("/v1/orders/{order}/events"));
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, waiting: String::new() }
    }

    /// The next event; comments, which only keep the connection alive, are passed over.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            if let Some((block, rest)) = self.waiting.split_once("\n\n") {
                let field =
                    |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let event = field("data: ").map(|data| Event {
                    id: field("id: ").expect("an event has an id to resume from"),
                    kind: field("event: ").expect("an event has a name"),
                    data: serde_json::from_str(&data).unwrap(),
                });
                self.waiting = rest.to_owned();
                match event {
                    Some(event) => return event,
                    None => continue,
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("an event comes").unwrap();
            self.waiting += std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap();
        }
    }
}

#[tokio::test]
async fn a_stream_tells_the_past_then_what_happens_and_goes_on_where_it_was_left() {
    let (world, shop) = World::running().await;
    // The second process hears of what the first one's callers do.
    let elsewhere = world.start_api().await;
    shop.stock("mug", 5).await;
    let held = shop.place("mug", 1, 60).await;
    let id = held.text("id");
    shop.pay(id).await;

    let (mut here, mut there) =
        (Stream::open(&shop, id, None).await, Stream::open(&elsewhere, id, None).await);
    let mut told = vec![];
    for stream in [&mut here, &mut there] {
        let past = [stream.next().await, stream.next().await];
        assert_eq!(past.each_ref().map(|event| event.kind.as_str()), ["order.held", "payment.declined"]);
        assert_eq!(past[0].data["order_id"], id);
        assert_eq!(past[0].data["data"]["expires_at"], held.body["expires_at"]);
        assert!(past[0].data["occurred_at"].is_string());
        told.push(past);
    }
    assert_eq!(told[0], told[1]);

    shop.charge(1_000).await;
    shop.pay(id).await;
    let (live, live_there) = (here.next().await, there.next().await);
    assert_eq!((live.kind.as_str(), &live), ("order.paid", &live_there));

    // A client that lost its connection resumes after the last event it has seen, wherever it lands.
    let declined = &told[0][1];
    assert_eq!(Stream::open(&elsewhere, id, Some(&declined.id)).await.next().await, live);
    // What is no id of ours starts from the beginning.
    assert_eq!(Stream::open(&shop, id, Some("rubbish")).await.next().await, told[0][0]);
    world.finish().await;
}

#[tokio::test]
async fn followers_who_look_together_are_each_told_what_they_do_not_know() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 5).await;
    let held = shop.place("mug", 1, 60).await;
    let id = held.text("id");
    // Somebody who claims to know more than there is looks first.
    let ahead = Stream::open(&shop, id, Some(&i64::MAX.to_string())).await;
    let mut first = Stream::open(&shop, id, None).await;
    let mut whole = vec![first.next().await];
    let mut streams = vec![];
    for number in 0..16 {
        let known = (number % 2 == 1).then_some(whole[0].id.as_str());
        streams.push((usize::from(known.is_some()), Stream::open(&shop, id, known).await));
    }
    for call in ["extend", "extend", "cancel"] {
        let done = shop.post(&format!("/v1/orders/{id}/{call}"), &json!({})).await;
        assert_eq!(done.status, 200, "{done:?}");
        whole.push(first.next().await);
    }
    let kinds: Vec<_> = whole.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["order.held", "order.extended", "order.extended", "order.cancelled"]);
    for (known, mut stream) in streams {
        for event in &whole[known..] {
            assert_eq!(stream.next().await, *event);
        }
        assert_eq!(stream.waiting, "", "something was told twice");
    }
    drop(ahead);
    world.finish().await;
}

#[tokio::test]
async fn a_stream_can_be_opened_before_the_order_is_decided() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    shop.stock("mug", 1).await;
    let accepted = shop.place_async("key-1", "mug", 1, 60).await;
    let mut stream = Stream::open(&shop, accepted.text("id"), None).await;
    world.start_all_workers();
    assert_eq!(stream.next().await.kind, "order.held");
    let cancelled = shop.post(&format!("/v1/orders/{}/cancel", accepted.text("id")), &json!({})).await;
    assert_eq!(cancelled.status, 200);
    assert_eq!(stream.next().await.kind, "order.cancelled");
    world.finish().await;
}

#[tokio::test]
async fn open_streams_end_when_the_process_stops() {
    let (world, shop) = World::running().await;
    shop.stock("mug", 1).await;
    let held = shop.place("mug", 1, 60).await;
    let mut stream = Stream::open(&shop, held.text("id"), None).await;
    assert_eq!(stream.next().await.kind, "order.held");
    world.stop.cancel();
    // The stream ends in good order, not by a cut connection, so that a client knows to come back.
    let rest = timeout(PATIENCE, stream.response.chunk()).await.expect("the stream ends");
    assert!(matches!(rest, Ok(None)), "{rest:?}");
    world.finish().await;
}
