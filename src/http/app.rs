//! What every handler shares, and its two ways to the database, on the connections of those it works for.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use moka::sync::Cache;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::LIMIT;
use super::began;
use super::error::ApiError;
use super::places_to_stay::Stays;
use super::pools::Pools;
use super::rates::{Rates, Turns};
use super::readiness::Readiness;
use super::sealed::Seal;
use super::sign_ins::SignIns;
use super::tokens::Tokens;
use super::watch::Watch;
use crate::broker::publisher::Publisher;
use crate::broker::queues::{Inspector, QueuesView};
use crate::config::{DEFAULT_TIME_ZONE, RateConfig, StayRoom};
use crate::domain::ids::Fingerprint;
use crate::gateway::port::Gateway;
use crate::gateway::settings::STRANGE_WEBHOOKS_PER_MINUTE;
use crate::peers::network::Network;
use crate::store;

/// How many recent orders a process remembers, to refuse a key that comes again with another body.
const REMEMBERED_ORDERS: u64 = 200_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(3_600);

/// The state of the API process.
#[derive(Clone)]
pub struct App {
    pools: Pools,
    /// The one of the pools that this handler uses.
    pool: PgPool,
    pub publisher: Publisher,
    pub tokens: Tokens,
    /// How often they may ask.
    pub rates: Rates,
    /// Turns of strangers who are looked up in this pool.
    pub turns: Turns,
    /// Turns of guests in this pool.
    pub guest_turns: Turns,
    /// Those who say for whom they ask.
    pub trusted_proxies: Arc<[Network]>,
    /// Who waits for an order.
    pub watch: Watch,
    /// Places for those who wait or follow.
    pub stays: Stays,
    /// Whose webhooks are taken, and whether orders can be paid by card.
    pub gateway: Option<Arc<dyn Gateway>>,
    /// How many webhooks that name nothing of ours are taken a minute.
    pub strange_webhooks_per_minute: u32,
    /// Whether the database was ready when somebody last looked.
    pub readiness: Readiness,
    /// Where days begin and end for sales figures.
    pub time_zone: Tz,
    /// How customers sign in at the shop.
    pub sign_ins: SignIns,
    /// Days within which customers may give back what they paid for.
    pub return_days: u16,
    /// Whether browsers reach the console by https.
    pub behind_tls: bool,
    /// Whom operators' pages ask about queues.
    inspector: Option<Inspector>,
    /// Whether operators may change the bodies of dead letters.
    pub may_edit_dead_letters: bool,
    /// Ends streams when the process stops.
    pub stop: CancellationToken,
    requested: Cache<Uuid, Fingerprint>,
    /// Read once it is needed.
    seal: Arc<OnceCell<Seal>>,
}

impl App {
    /// An API over these servers.
    pub fn new(
        pools: impl Into<Pools>,
        publisher: Publisher,
        watch: Watch,
        gateway: Option<Arc<dyn Gateway>>,
        stop: CancellationToken,
    ) -> Self {
        let requested = Cache::builder().max_capacity(REMEMBERED_ORDERS).time_to_live(REMEMBERED_FOR).build();
        let time_zone = DEFAULT_TIME_ZONE;
        let (behind_tls, inspector) = (false, None);
        let (may_edit_dead_letters, stays) = (false, Stays::new(StayRoom::default()));
        let strange_webhooks_per_minute = STRANGE_WEBHOOKS_PER_MINUTE;
        let pools = pools.into();
        Self {
            turns: Turns::on(&pools.buyers),
            guest_turns: Turns::of_guests_on(&pools.buyers),
            pool: pools.buyers.clone(),
            pools,
            publisher,
            tokens: Tokens::default(),
            rates: Rates::new(&RateConfig::default()),
            trusted_proxies: Arc::default(),
            watch,
            stays,
            gateway,
            strange_webhooks_per_minute,
            readiness: Readiness::default(),
            time_zone,
            sign_ins: SignIns::none(),
            return_days: 0,
            behind_tls,
            may_edit_dead_letters,
            inspector,
            stop,
            requested,
            seal: Arc::default(),
        }
    }

    /// The same API for handlers that read lists: on connections which buyers' orders do not need.
    pub fn for_reads(&self) -> Self {
        self.over(&self.pools.reads)
    }

    /// The same API for operators, on connections and with places of their own.
    pub fn for_operators(&self) -> Self {
        let (watch, stays) = (self.watch.for_operators(), self.stays.beside());
        Self { watch, stays, ..self.over(&self.pools.operators) }
    }

    fn over(&self, pool: &PgPool) -> Self {
        let (turns, guest_turns) = (Turns::on(pool), Turns::of_guests_on(pool));
        Self { pool: pool.clone(), turns, guest_turns, tokens: self.tokens.beside(), ..self.clone() }
    }

    /// The same API, where operators may change the bodies of dead letters.
    pub fn editing_dead_letters(self, may_edit_dead_letters: bool) -> Self {
        Self { may_edit_dead_letters, ..self }
    }

    /// The same API with so many places for those who stay.
    pub fn with_room_to_stay(self, room: StayRoom) -> Self {
        Self { stays: Stays::new(room), ..self }
    }

    /// The same API, which takes so many webhooks a minute that name nothing of ours.
    pub fn with_strange_webhooks_per_minute(self, strange_webhooks_per_minute: u32) -> Self {
        Self { strange_webhooks_per_minute, ..self }
    }

    /// The same API, where customers sign in so.
    pub fn with_sign_ins(self, sign_ins: SignIns) -> Self {
        Self { sign_ins, ..self }
    }

    /// The same API, where customers may give back what they paid for within so many days.
    pub fn with_return_days(self, return_days: u16) -> Self {
        Self { return_days, ..self }
    }

    /// The same API, where browsers reach the console by https.
    pub fn behind_tls(self, behind_tls: bool) -> Self {
        Self { behind_tls, ..self }
    }

    /// The same API, where callers may ask so often, by the addresses that these proxies name.
    pub fn limited(self, config: &RateConfig, trusted_proxies: &[Network]) -> Self {
        Self { rates: Rates::new(config), trusted_proxies: trusted_proxies.into(), ..self }
    }

    /// The same API, which takes a token for so long without asking again.
    pub fn remembering_tokens_for(self, remembered_for: Duration) -> Self {
        Self { tokens: Tokens::remembered_for(remembered_for), ..self }
    }

    /// The same API, which can tell of the broker's queues.
    pub fn with_inspector(self, inspector: Inspector) -> Self {
        Self { inspector: Some(inspector), ..self }
    }

    /// What waits in the broker's queues, within two seconds.
    pub async fn look_at_queues(&self) -> QueuesView {
        match &self.inspector {
            Some(inspector) => inspector.look().await,
            None => QueuesView::unknown("nobody was told where the broker is"),
        }
    }

    /// The database, for work that needs more than one [`Self::read`] or [`Self::write`].
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The same API where days begin and end in another time zone.
    pub fn with_time_zone(self, time_zone: Tz) -> Self {
        Self { time_zone, ..self }
    }

    /// Reads from the database, in time or not at all.
    pub async fn read<T, E: From<sqlx::Error> + Into<ApiError>>(
        &self,
        query: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, ApiError> {
        store::within(&self.pool, LIMIT, query).await.map_err(Into::into)
    }

    /// Writes in a transaction of a task of its own: a caller that hangs up must not leave a transaction open on a
    /// pooled connection, which sqlx 0.9 does when `begin` is dropped half-way. An `Err` rolls back.
    pub async fn write<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut PgConnection) -> futures_util::future::BoxFuture<'t, Result<T, ApiError>>
            + Send
            + 'static,
    {
        let (pool, publisher) = (self.pool.clone(), self.publisher.clone());
        let writing = tokio::spawn(async move {
            let writing = store::within(&pool, LIMIT, async |conn| {
                let mut tx = conn.begin().await?;
                let written = work(&mut tx).await?;
                tx.commit().await?;
                Ok(written)
            });
            let (written, timers) = began::collect(writing).await;
            if written.is_ok() {
                began::tell(timers, pool.clone(), publisher);
            }
            written
        });
        writing.await.unwrap_or(Err(ApiError::Internal))
    }

    /// What cursors are sealed with; all API processes have the same.
    pub async fn seal(&self) -> Result<&Seal, ApiError> {
        let read = async || {
            let secret = self.read(async |conn| store::cursor_key::read(conn).await).await?;
            Seal::new(&secret).ok_or(ApiError::Internal)
        };
        self.seal.get_or_try_init(read).await
    }

    /// Remembers what an order or a command asked for. Returns whether it is what it asked for the last time, if it is
    /// remembered.
    pub fn remember(&self, id: Uuid, fingerprint: Fingerprint) -> bool {
        *self.requested.entry(id).or_insert(fingerprint).value() == fingerprint
    }
}
