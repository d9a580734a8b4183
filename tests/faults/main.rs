//! What Holdfast survives: killed workers, killed servers, poison and floods.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test names are sentences, and a test fails by panicking"
)]

use holdfast_testing as support;

mod buyers;
mod commands;

mod balancer;
mod bounded_work;
mod broker_faults;
mod cluster;
mod connections;
mod database_faults;
mod dead_letters;
mod endings;
mod event_log;
mod fake_broker;
mod foreign_keys;
mod full_queues;
mod full_rungs;
mod limits;
mod long_lines;
mod nacks;
mod overdue;
mod poison;
mod proxy;
mod races;
mod raw_amqp;
mod readiness;
mod relay;
mod returned_before;
mod shutdown;
mod silence;
mod storm;
mod strangers;
mod tls;
mod too_slow;
mod units_bought;
mod worker_kills;
mod wrong_clocks;
