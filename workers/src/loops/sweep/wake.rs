//! Wakes what was forgotten: claims it for a short while, publishes its message, and notes what the broker has confirmed. A
//! kind that cannot be looked for, or whose queue takes nothing, keeps no other asleep, and is claimed again soon.

use std::time::Duration;

use anyhow::Context as _;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::Publisher;
use holdfast::clock;
use holdfast::domain::ids::CommandId;
use holdfast::message::Queue;
use holdfast::store::effects::EffectKind;
use holdfast::store::{self, charges, effects, payments, refunds};
use holdfast::telemetry::trace_parent::TraceParent;
use metrics::counter;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;
use tracing::info;

use crate::engine::worker::Unsettled;
use crate::loops::feed_effects;

/// A transaction that takes longer is waiting for a server that is gone.
const LIMIT: Duration = Duration::from_secs(10);
/// A broker that takes longer is asked again once the claims have run out.
const PUBLISH_LIMIT: Duration = Duration::from_secs(10);
/// Payments, refunds or charges woken at once.
const MONEY_AT_ONCE: i64 = 1_000;
/// Effects woken at once: holds that are overdue meanwhile wait for it.
const EFFECTS_AT_ONCE: i64 = 5_000;

/// Publishes the commands for card payments, refunds and charges that nobody has asked about for `quiet_seconds`, where
/// their queue may be used. Returns how many.
pub async fn wake_unsettled(
    pool: &PgPool,
    publisher: &Publisher,
    quiet_seconds: i32,
    may: impl Fn(Queue) -> bool,
) -> anyhow::Result<usize> {
    let at_most = |queue| if may(queue) { MONEY_AT_ONCE } else { 0 };
    let of_payments = at_most(Queue::PaymentResolve);
    let (of_refunds, of_charges) = (at_most(Queue::RefundResolve), at_most(Queue::WalletCharge));
    let payments = wake_money(
        pool,
        publisher,
        async |conn| payments::by_card::claim_forgotten(conn, quiet_seconds, of_payments).await,
        |(payment, order)| Unsettled::Payment(payment, order),
        payments::by_card::note_woken,
    )
    .await;
    let refunds = wake_money(
        pool,
        publisher,
        async |conn| refunds::claim_forgotten(conn, quiet_seconds, of_refunds).await,
        |(refund, order)| Unsettled::Refund(refund, order),
        refunds::note_woken,
    )
    .await;
    let charges = wake_money(
        pool,
        publisher,
        async |conn| charges::by_card::claim_forgotten(conn, quiet_seconds, of_charges).await,
        Unsettled::Charge,
        charges::by_card::note_woken,
    )
    .await;
    Ok(payments? + refunds? + charges?)
}

/// Publishes the messages of open effects that have been due for `quiet_seconds`, where their queue may be used. Returns
/// how many.
pub async fn wake_effects(
    pool: &PgPool,
    publisher: &Publisher,
    quiet_seconds: i32,
    may: impl Fn(Queue) -> bool,
) -> anyhow::Result<usize> {
    let mails = may(Queue::MailSend).then_some(EffectKind::Mail);
    let reports = may(Queue::OrderReport).then_some(EffectKind::Report);
    let kinds: Vec<EffectKind> = mails.into_iter().chain(reports).collect();
    wake(
        pool,
        publisher,
        "effect",
        async |conn| effects::claim_forgotten(conn, &kinds, quiet_seconds, EFFECTS_AT_ONCE).await,
        feed_effects::message,
        async |conn, claimed| effects::note_woken(conn, claimed).await,
    )
    .await
}

/// [`wake`] for one kind of money. What it came from is not known any more: it begins a trace.
async fn wake_money<T: Copy>(
    pool: &PgPool,
    publisher: &Publisher,
    claim: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<Vec<T>>,
    unsettled: impl Fn(T) -> Unsettled,
    note: impl AsyncFnOnce(&mut PgConnection, &[(CommandId, bool)]) -> sqlx::Result<()>,
) -> anyhow::Result<usize> {
    let claim = async |conn: &mut PgConnection| {
        let claimed: Vec<T> = claim(conn).await?;
        Ok::<Vec<Unsettled>, sqlx::Error>(claimed.into_iter().map(unsettled).collect())
    };
    let message = |one: Unsettled| one.message(clock::now(), TraceParent::fresh());
    let note = async |conn: &mut PgConnection, claimed: &[(Unsettled, bool)]| {
        let claimed = claimed.iter().map(|(one, woken)| (CommandId(one.subject()), *woken));
        note(conn, &claimed.collect::<Vec<_>>()).await
    };
    wake(pool, publisher, "money", claim, message, note).await
}

/// Wakes what is forgotten of one kind. What the broker refuses may be claimed again at once; where it is silent, the claims
/// run out.
async fn wake<T: Copy>(
    pool: &PgPool,
    publisher: &Publisher,
    kind: &'static str,
    claim: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<Vec<T>>,
    message: impl Fn(T) -> Outgoing,
    note: impl AsyncFnOnce(&mut PgConnection, &[(T, bool)]) -> sqlx::Result<()>,
) -> anyhow::Result<usize> {
    let claimed = store::within(pool, LIMIT, claim).await?;
    if claimed.is_empty() {
        return Ok(0);
    }
    let messages = claimed.iter().copied().map(message).collect();
    let answers =
        timeout(PUBLISH_LIMIT, publisher.publish_each(messages)).await.context("the broker is silent")?;
    let noted: Vec<(T, bool)> =
        claimed.into_iter().zip(&answers).map(|(claimed, answer)| (claimed, answer.is_ok())).collect();
    store::within(pool, LIMIT, async |conn| note(conn, &noted).await).await?;
    let woken = noted.iter().filter(|(_, woken)| *woken).count();
    if woken > 0 {
        counter!("holdfast_woken_messages_total", "kind" => kind).increment(woken as u64);
        info!(woken, kind, "woke what was forgotten because its message was lost");
    }
    answers.into_iter().collect::<Result<(), _>>()?;
    Ok(woken)
}
