//! Below HTTP: requests no client library would send, and clients that take their time.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::world::World;

async fn connect(shop: &Client) -> TcpStream {
    TcpStream::connect(shop.base.trim_start_matches("http://")).await.unwrap()
}

/// An order as far as the header that says where its body ends.
fn head(shop: &Client) -> String {
    let token = &shop.token;
    format!(
        "POST /v1/orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nHoldfast-Customer: a\r\n\
         Idempotency-Key: k\r\nContent-Type: application/json\r\n"
    )
}

/// Everything the server says until it hangs up.
async fn until_hung_up(stream: &mut TcpStream, what: &str) -> String {
    let mut answer = Vec::new();
    // A reset is a way to hang up too.
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "{what}: the connection stays open after {:?}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_that_break_http_are_refused_and_the_connection_is_closed() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let head = head(&shop);
    let body = r#"{"items":[{"sku":"mug","quantity":1}]}"#;
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = body.len();
    let flood: String = (0..200).map(|n| format!("X-Header-{n}: {n}\r\n")).collect();
    let cases = [
        ("two lengths", format!("{head}Content-Length: {length}\r\nContent-Length: 5\r\n\r\n{body}")),
        ("a length list", format!("{head}Content-Length: {length}, 5\r\n\r\n{body}")),
        ("a negative length", format!("{head}Content-Length: -1\r\n\r\n{body}")),
        ("a length beyond counting", format!("{head}Content-Length: 99999999999999999999\r\n\r\n{body}")),
        ("chunks in disguise", format!("{head}Transfer-Encoding: xchunked\r\n\r\n{chunked}")),
        ("chunks not last", format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n{chunked}")),
        ("a chunk of no size", format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n")),
        ("a space before the colon", format!("{head}Content-Length : {length}\r\n\r\n{body}")),
        ("a folded header", format!("{head}X-Folded: a\r\n b\r\nContent-Length: {length}\r\n\r\n{body}")),
        ("200 headers", format!("{head}{flood}Content-Length: {length}\r\n\r\n{body}")),
        ("one endless header", format!("{head}X-Long: {}\r\n\r\n", "x".repeat(1 << 20))),
        ("an endless path", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(1 << 17))),
        ("no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned()),
        ("HTTP of the future", "GET / HTTP/9.9\r\nHost: a\r\n\r\n".to_owned()),
        ("HTTP/2 at once", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ];
    for (what, request) in cases {
        let mut stream = connect(&shop).await;
        // The server may hang up in the middle of a flood.
        let _ = stream.write_all(request.as_bytes()).await;
        let answer = until_hung_up(&mut stream, what).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        assert!(!answer.contains("HTTP/1.1 2"), "{what}: {answer}");
    }
    // What was refused was not placed all the same.
    assert_eq!(world.depth("order.hold").await, 0);
    assert_eq!(shop.get("/v1/wallet").await.status, 200);
    world.finish().await;
}

#[tokio::test]
async fn a_request_hidden_behind_another_one_with_two_lengths_is_never_answered() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let body = r#"{"items":[{"sku":"mug","quantity":1}]}"#;
    let hidden = "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n";
    let rest = format!("{:x}\r\n{body}\r\n0\r\n\r\n{hidden}", body.len());
    let (chunks, length) = ("Transfer-Encoding: chunked\r\n", format!("Content-Length: {}\r\n", rest.len()));
    for two_lengths in [format!("{chunks}{length}"), format!("{length}{chunks}")] {
        let mut stream = connect(&shop).await;
        stream.write_all(format!("{}{two_lengths}\r\n{rest}", head(&shop)).as_bytes()).await.unwrap();
        let answer = until_hung_up(&mut stream, "two lengths").await;
        // RFC 9112 lets the server choose between the chunks and a refusal; in either case it has to hang up.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.contains("connection: close") && !answer.contains("alive"), "{answer}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_without_reading_it_to_the_end() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let head = head(&shop);
    let announced = format!("{head}Content-Length: 10000000000\r\n\r\n");
    let streamed = format!("{head}Transfer-Encoding: chunked\r\n\r\n11000\r\n{}", " ".repeat(0x11000));
    for request in [announced, streamed] {
        let mut stream = connect(&shop).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = until_hung_up(&mut stream, "a large body").await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    world.finish().await;
}

#[tokio::test]
async fn clients_that_dawdle_are_hung_up_on_while_others_are_served() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let begin = Instant::now();
    let head = format!("{}Content-Length: 500\r\n\r\n{{", head(&shop));
    let ended = |what: &'static str, sent: String, drip: bool, limit: Duration| {
        let shop = shop.clone();
        async move {
            let mut stream = connect(&shop).await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            let (mut reading, mut writing) = stream.into_split();
            let dripping = tokio::spawn(async move {
                // One byte a second must not buy a client more time.
                while drip && writing.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
                std::future::pending::<()>().await;
            });
            let mut answer = Vec::new();
            let _ = timeout(PATIENCE, reading.read_to_end(&mut answer)).await.expect(what);
            dripping.abort();
            assert!(begin.elapsed() < limit, "{what}: hung up on after {:?}", begin.elapsed());
            String::from_utf8_lossy(&answer).into_owned()
        }
    };
    let (headers, body) = (Duration::from_secs(15), Duration::from_secs(20));
    let served = async {
        let mut served = 0;
        while begin.elapsed() < Duration::from_secs(12) {
            let order = shop.place_async(&format!("key-{served}"), "mug", 1, 60).await;
            assert_eq!(order.status, 202);
            served += 1;
            sleep(Duration::from_millis(50)).await;
        }
        served
    };
    let half = "GET /v1/wallet HTTP/1.1\r\nHost: a\r\nX-Half: ".to_owned();
    let (silent, half_a_header, dripped_header, half_a_body, dripped_body, served) = tokio::join!(
        ended("silence", String::new(), false, headers),
        ended("half a header", half.clone(), false, headers),
        ended("a dripping header", half, true, headers),
        ended("half a body", head.clone(), false, body),
        ended("a dripping body", head, true, body),
        served,
    );
    for answer in [silent, half_a_header, dripped_header] {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    for answer in [half_a_body, dripped_body] {
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("problem:too-slow"), "{answer}");
    }
    assert!(served > 0);
    world.finish().await;
}
