//! Everything at once on the same orders: the truths hold at every moment of it.

use std::time::Duration;

use holdfast::domain::ids::{CommandId, OrderId};
use holdfast::domain::items::HoldSeconds;
use holdfast::domain::limits::Limits;
use holdfast::message::{CancelOrder, ExtendHold, Queue, Version};
use holdfast_workers::pools::Pool;

use crate::commands::{charge, confirm, expire, hold, publish};
use crate::support::eventually;
use crate::support::random::Random;
use crate::support::world::World;

const CUSTOMERS: i64 = 8;
const COMMANDS: i64 = 800;

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_commands_on_the_same_orders_breaks_no_truth_at_any_moment() {
    let mut world = World::idle().await;
    world.limits = Limits { max_live_holds: 50, max_units_per_sku: 200 };
    let shop = world.start_api().await;
    for sku in 0..4 {
        shop.stock(&format!("sku-{sku}"), 60).await;
    }
    for customer in 0..CUSTOMERS {
        // Not enough for all, so that some payments are declined.
        charge(&world, &format!("buyer-{customer}"), 40_000).await;
    }
    (0..2).for_each(|_| world.start_workers_of(&Queue::ALL));
    for pool in [Pool::Sweep, Pool::Relay, Pool::Feed, Pool::DeadLetters] {
        world.start_workers(pool);
    }

    let auditing = async {
        loop {
            world.audit().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = auditing => {}
        () = rage(&world) => {}
    }
    for queue in Queue::ALL {
        eventually("every command is applied", async || (world.depth(queue.name()).await == 0).then_some(()))
            .await;
    }
    eventually("every hold has ended", async || {
        (world.count("SELECT count(*) FROM orders WHERE status = 'held'").await == 0).then_some(())
    })
    .await;
    assert_eq!(world.count("SELECT sum(reserved)::bigint FROM stock").await, 0);
    let ends = "SELECT count(DISTINCT status) FROM orders WHERE status IN ('paid', 'expired', 'cancelled')";
    assert_eq!(world.count(ends).await, 3, "the storm was too mild");
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.finish().await;
}

/// Publishes commands at random: most are about orders that others are about too.
async fn rage(world: &World) {
    let mut random = Random(11);
    let mut orders: Vec<OrderId> = Vec::new();
    for _ in 0..COMMANDS {
        let command_id = CommandId::fresh();
        if orders.is_empty() || random.below(4) == 0 {
            let items: Vec<_> = (0..=random.below(2))
                .map(|_| (format!("sku-{}", random.below(4)), 1 + random.below(3)))
                .collect();
            let items: Vec<_> = items.iter().map(|(sku, units)| (sku.as_str(), *units)).collect();
            let command = hold(&format!("buyer-{}", random.below(CUSTOMERS)), &items, 1 + random.below(3));
            publish(world, &command).await;
            // A command may come twice, at once or later.
            (0..random.below(2)).for_each(|_| orders.push(command.order_id));
            if random.below(5) == 0 {
                publish(world, &command).await;
            }
            continue;
        }
        // Among the latest, so that most are still on hold.
        let recent = random.below((orders.len() as i64).min(12)) as usize;
        let order_id = orders[orders.len() - 1 - recent];
        match random.below(4) {
            0 => publish(world, &confirm(order_id)).await,
            1 => publish(world, &CancelOrder { version: Version, command_id, order_id }).await,
            2 => publish(world, &expire(&[order_id])).await,
            _ => {
                let extend_seconds = HoldSeconds::parse(1).unwrap();
                publish(world, &ExtendHold { version: Version, command_id, order_id, extend_seconds }).await;
            }
        }
    }
}
