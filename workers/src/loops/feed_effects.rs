//! The feed: what follows from a payment, or from the end of a wait, beside the order itself. It reads the event log past a cursor of its own, and
//! in one transaction counts what was paid, writes down whom to tell, and moves the cursor: so each fact takes effect
//! exactly once, whatever happens to this process or to the broker.

use std::time::Duration;

use chrono_tz::Tz;
use futures_util::future::join_all;
use holdfast::broker::envelope::Outgoing;
use holdfast::broker::publisher::{PublishError, Publisher};
use holdfast::clock;
use holdfast::effects::settings::Outlets;
use holdfast::message::{ReportOrder, SendMail, Version};
use holdfast::store::effects::{Effect, EffectKind};
use holdfast::store::events::cursors::{self, Cursor, LogPart};
use holdfast::store::events::feed;
use metrics::counter;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;
use tracing::warn;

use super::follow::{self, FollowError, Follower, LIMIT, Progress};
use super::portion::Portion;
use crate::engine::context::Context;
use crate::engine::stop_points;

/// Facts that take effect in one transaction.
const FACTS_AT_ONCE: i64 = 2_000;
/// A broker that does not take messages within this time is tried again after the next facts.
const PUBLISH_LIMIT: Duration = Duration::from_secs(2);
/// So many messages are kept for a broker that is away; the sweeper finds the others.
const MAX_UNPUBLISHED: usize = 10_000;

/// Feeds until told to stop.
pub async fn run(context: Context, outlets: &Outlets, time_zone: Tz) {
    let publisher = context.publisher.clone();
    let mail = outlets.mailer.as_ref().map(|_| EffectKind::Mail);
    let report = outlets.data_platform.as_ref().map(|_| EffectKind::Report);
    let kinds = mail.into_iter().chain(report).collect();
    let portion = Portion::of(FACTS_AT_ONCE);
    follow::run(Feed { publisher, kinds, time_zone, portion, unpublished: vec![] }, context).await;
}

struct Feed {
    publisher: Publisher,
    /// What is told at all.
    kinds: Vec<EffectKind>,
    time_zone: Tz,
    /// How many facts at once.
    portion: Portion,
    /// What is to be told, and the broker has not confirmed yet.
    unpublished: Vec<Effect>,
}

impl Follower for Feed {
    const CURSOR: Cursor = Cursor::Effects;
    const NAME: &'static str = "the feed of effects";
    const LEADING: &'static str = "holdfast_feed_leading";
    // Nobody waits for an effect, and looks that come less often cost the orders less.
    const REST: Duration = Duration::from_millis(20);

    async fn read_on(&mut self, session: &mut PgConnection) -> Result<Progress, FollowError> {
        // Facts of other kinds ring the same bell: they cost this look into an index that does not have them.
        let look = timeout(LIMIT, cursors::look(session, Self::CURSOR)).await??;
        if look.is_ahead {
            return Err(FollowError::Ahead);
        }
        let (mut facts, mut is_full, mut position) = (0, false, look.position);
        if timeout(LIMIT, feed::is_behind(session, position)).await?? {
            let taken = timeout(LIMIT, self.take_effect(session)).await?;
            let (part, open) = taken.inspect_err(|error| self.portion.failed(error))?;
            self.portion.went_well();
            counter!("holdfast_facts_fed_total").increment(part.facts.unsigned_abs());
            (facts, is_full, position) = (usize::try_from(part.facts).unwrap_or(0), part.is_full, part.to);
            self.unpublished.extend(open);
            stop_points::point("before_effects_are_published").await;
        }
        self.publish().await;
        let is_behind =
            !self.unpublished.is_empty() || timeout(LIMIT, feed::is_behind(session, position)).await??;
        Ok(Progress { facts, is_full, is_behind })
    }
}

impl Feed {
    /// Publishes what is to be told. Counting does not wait for a broker that is away. What the broker refuses is left to the
    /// sweeper: a queue that is full is none the emptier at the next look.
    async fn publish(&mut self) {
        if self.unpublished.is_empty() {
            return;
        }
        let effects = std::mem::take(&mut self.unpublished);
        let publishing =
            effects.iter().map(|effect| timeout(PUBLISH_LIMIT, self.publisher.publish(message(*effect))));
        let answers = join_all(publishing).await;
        let mut refused = 0;
        for (effect, answer) in effects.into_iter().zip(answers) {
            match answer {
                Ok(Ok(())) => {}
                Ok(Err(PublishError::Full | PublishError::Unroutable)) => refused += 1,
                Ok(Err(PublishError::Unavailable)) | Err(_) => self.unpublished.push(effect),
            }
        }
        if refused > 0 {
            warn!(refused, "the broker refuses effects, which the sweeper finds later");
        }
        if !self.unpublished.is_empty() {
            warn!(left = self.unpublished.len(), "cannot publish effects, trying again");
        }
        self.unpublished.truncate(MAX_UNPUBLISHED);
    }

    /// Lets the next facts take effect. Returns which those were, and what is to be told now.
    async fn take_effect(&self, session: &mut PgConnection) -> sqlx::Result<(LogPart, Vec<Effect>)> {
        let mut tx = session.begin().await?;
        cursors::hold(&mut tx, Cursor::Effects).await?;
        let look = cursors::look(&mut tx, Cursor::Effects).await?;
        let part = feed::next_part(&mut tx, &look, self.portion.size()).await?;
        stop_points::point("before_effects_are_counted").await;
        let mut open = vec![];
        if part.facts > 0 {
            feed::count_customers(&mut tx, &part).await?;
            feed::count_sales(&mut tx, &part, self.time_zone).await?;
            open = feed::fill_outbox(&mut tx, &part, &self.kinds).await?;
            cursors::advance(&mut tx, Cursor::Effects, &part).await?;
        }
        stop_points::point("before_effects_are_committed").await;
        tx.commit().await?;
        Ok((part, open))
    }
}

/// The command to tell somebody a fact. It comes from the outbox, which does not know of traces, and begins one.
pub fn message(effect: Effect) -> Outgoing {
    let Effect { event_id, kind, order_id } = effect;
    match kind {
        EffectKind::Mail => {
            Outgoing::command(&SendMail { version: Version, event_id, order_id }, clock::now(), None)
        }
        EffectKind::Report => {
            Outgoing::command(&ReportOrder { version: Version, event_id, order_id }, clock::now(), None)
        }
    }
}
