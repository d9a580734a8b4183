//! More strangers than there are places, and strangers who neither send nor read.

use std::time::Duration;

use holdfast::store::operators::tokens::Role;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::client::Client;
use crate::support::processes::Process;
use crate::support::world::World;
use crate::support::{PATIENCE, eventually};

/// A form that is announced and sent by half.
fn half_a_form(headers: &str) -> String {
    format!(
        "POST /ops/sign-in HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\
         Content-Length: 100\r\n\r\ntoken="
    )
}

/// Connects from an address of this machine.
async fn connect_from(ip: &str, shop: &Client) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    socket.connect(shop.base.trim_start_matches("http://").parse().unwrap()).await.unwrap()
}

/// Strangers who each send half a form and wait.
async fn crowd(size: usize, ip: &str, shop: &Client) -> Vec<TcpStream> {
    let mut crowd = vec![];
    for _ in 0..size {
        let mut stream = connect_from(ip, shop).await;
        // Who finds no place is hung up on at once.
        let _ = stream.write_all(half_a_form("Sec-Fetch-Site: same-origin\r\n").as_bytes()).await;
        crowd.push(stream);
    }
    crowd
}

/// What a request on a connection of its own is answered with, from one address; nothing if it is hung up on.
async fn ask(ip: &str, shop: &Client, path: &str) -> String {
    let mut stream = connect_from(ip, shop).await;
    let token = &shop.token;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nHoldfast-Customer: a\r\n\
         Connection: close\r\n\r\n"
    );
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn half_a_form_is_not_waited_for_longer_than_any_other_body() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let token = world.token(Role::Admin, None).await;
    let revoke = format!(
        "POST /ops/tokens/revoke HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nname="
    );
    let own = half_a_form("Sec-Fetch-Site: same-origin\r\n");
    let order = "POST /v1/orders HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{".to_owned();
    let ended = |sent: String| {
        let shop = shop.clone();
        async move {
            let mut stream = connect_from("127.0.0.1", &shop).await;
            stream.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "still held after {PATIENCE:?}: {sent}");
            String::from_utf8_lossy(&answer).into_owned()
        }
    };
    let (own, acted, unauthenticated) = tokio::join!(ended(own), ended(revoke), ended(order));
    for answer in [own, acted] {
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("problem:too-slow"), "{answer}");
    }
    assert!(unauthenticated.starts_with("HTTP/1.1 401"), "{unauthenticated}");
    world.finish().await;
}

#[tokio::test]
async fn a_form_of_another_site_is_refused_before_its_body_is_read() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    for headers in ["", "Sec-Fetch-Site: cross-site\r\n", "Origin: https://evil.example\r\n"] {
        let mut stream = connect_from("127.0.0.1", &shop).await;
        stream.write_all(half_a_form(headers).as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        // Well before the body's time is over.
        let read = timeout(Duration::from_secs(10), stream.read_exact(&mut answer)).await;
        assert!(read.is_ok(), "the body is waited for: {headers}");
        assert_eq!(&answer, b"HTTP/1.1 403", "{headers}");
    }
    world.finish().await;
}

#[tokio::test]
async fn who_never_reads_is_hung_up_on() {
    let world = World::idle().await;
    let shop = world.start_api().await;
    let token = &shop.token;
    let request =
        format!("GET /openapi.json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n").repeat(200);
    let mut stream = connect_from("127.0.0.1", &shop).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    // Once the server has hung up, bytes to it come back as a reset.
    eventually("the server hangs up", async || {
        sleep(Duration::from_millis(200)).await;
        stream.write_all(b"GET ").await.err()
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn a_program_serves_as_many_connections_as_it_may_have_files_and_lives_on_when_there_are_more() {
    let world = World::idle().await;
    // What it may have at most is what counts, not what its shell gave it.
    let (_api, shop) = Process::api_with_descriptors(&world, 200, 1_500).await;
    let strangers = crowd(300, "127.0.0.1", &shop).await;
    assert_eq!(ask("127.0.0.1", &shop, "/v1/wallet").await, "HTTP/1.1 200 OK");
    drop(strangers);

    let (_api, shop) = Process::api_with_descriptors(&world, 250, 250).await;
    let strangers = crowd(400, "127.0.0.1", &shop).await;
    for path in ["/livez", "/readyz"] {
        // The last of the crowd are still being turned away.
        eventually(&format!("{path} answers in the crowd"), async || {
            (ask("127.0.0.1", &shop, path).await == "HTTP/1.1 200 OK").then_some(())
        })
        .await;
    }
    // A place of their own is for health alone.
    assert_eq!(ask("127.0.0.1", &shop, "/v1/wallet").await, "HTTP/1.1 503 Service Unavailable");
    drop(strangers);
    eventually("there is room again", async || {
        (ask("127.0.0.1", &shop, "/v1/wallet").await == "HTTP/1.1 200 OK").then_some(())
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn one_address_does_not_take_all_places() {
    let settings = [("HOLDFAST_HTTP_CONNECTIONS", "60"), ("HOLDFAST_HTTP_ADDRESS_SHARE_PERCENT", "50")];
    let world = World::told(&settings).await;
    let (_api, shop) = Process::api(&world).await;
    let strangers = crowd(80, "127.0.0.2", &shop).await;
    assert_eq!(ask("127.0.0.1", &shop, "/v1/wallet").await, "HTTP/1.1 200 OK");
    assert_eq!(ask("127.0.0.2", &shop, "/v1/wallet").await, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(ask("127.0.0.2", &shop, "/livez").await, "HTTP/1.1 200 OK");
    let metrics = shop.metrics().await;
    assert!(metrics.contains("holdfast_http_connections_refused_total{reason=\"address\"}"), "{metrics}");
    drop(strangers);
    world.finish().await;
}
