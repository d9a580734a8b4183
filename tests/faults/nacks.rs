//! A nack does not say why. What is refused here and taken elsewhere moves there; what is refused everywhere is full.

use std::time::Duration;

use holdfast::broker::connection::Connector;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::{PublishError, Publisher};
use holdfast::broker::refusals::RefusalCause;
use holdfast::clock;

use crate::commands::hold;
use crate::fake_broker::{FakeBroker, Says};
use crate::support::eventually;
use crate::support::world::World;

const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

async fn publisher(broker: &FakeBroker) -> Publisher {
    let publisher = Publisher::start(Connector::new(&broker.url, "test nacks"), CONFIRM_TIMEOUT);
    publisher.wait_until_connected().await;
    publisher
}

async fn publish(publisher: &Publisher) -> Result<(), PublishError> {
    publisher.publish(Outgoing::command(&hold("alice", &[("mug", 1)], 600), clock::now(), None)).await
}

#[tokio::test]
async fn a_channel_that_is_only_nacked_gives_way_to_a_new_connection_that_is_not() {
    let broker = FakeBroker::start(|number| if number == 0 { Says::Nack } else { Says::Ack }).await;
    let publisher = publisher(&broker).await;
    assert_eq!(publish(&publisher).await, Err(PublishError::Full));
    eventually("a message is taken", async || publish(&publisher).await.ok()).await;
    for _ in 0..10 {
        assert_eq!(publish(&publisher).await, Ok(()), "everything goes by the new connection");
    }
    assert_eq!(broker.connections(), 2);
    assert!(publisher.refused().is_empty() && publisher.is_accepting());
}

#[tokio::test]
async fn a_queue_that_refuses_new_connections_too_is_full_and_is_hardly_asked_again() {
    let broker = FakeBroker::start(|_| Says::Nack).await;
    let publisher = publisher(&broker).await;
    eventually("a new connection was tried", async || {
        assert_eq!(publish(&publisher).await, Err(PublishError::Full));
        (broker.connections() > 1).then_some(())
    })
    .await;
    let tried = broker.connections();
    for _ in 0..100 {
        assert_eq!(publish(&publisher).await, Err(PublishError::Full));
    }
    assert!(broker.connections() <= tried + 1, "{} connections", broker.connections());
    let refused = publisher.refused();
    assert!(
        refused.len() == 1 && refused[0].target == "order.hold" && refused[0].cause == RefusalCause::Full
    );
    assert!(publisher.is_accepting(), "other queues may take what is theirs");
}

#[tokio::test]
async fn an_api_whose_broker_confirms_nothing_is_not_ready_and_health_says_so() {
    let broker = FakeBroker::start(|number| if number == 0 { Says::Nack } else { Says::Nothing }).await;
    let mut world = World::idle().await;
    world.publisher = publisher(&broker).await;
    let shop = world.start_api().await;
    shop.stock("mug", 10).await;
    assert_eq!(shop.get("/readyz").await.status, 200);
    eventually("the API is not ready", async || {
        let answer = shop.place_async("key", "mug", 1, 600).await;
        assert_eq!(answer.status, 503);
        let ready = shop.get("/readyz").await;
        (ready.status == 503 && ready.body["refused"][0]["cause"] == "trouble").then_some(())
    })
    .await;
    let operator =
        shop.with_token(&world.token(holdfast::store::operators::tokens::Role::Viewer, None).await);
    shop.place_async("key", "mug", 1, 600).await;
    let health = operator.get("/v1/ops/health").await;
    let named =
        |code: &str| health.body["findings"].as_array().unwrap().iter().any(|found| found["code"] == code);
    assert!(named("broker_refuses"), "{health:?}");
    world.finish().await;
}
