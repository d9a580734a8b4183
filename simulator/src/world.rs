//! Everything a simulator knows, and the operations that touch more than the books.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::books::{Books, NewPayment};
use crate::clock::Clock;
use crate::error::ApiError;
use crate::faults::{CallFault, Faults, Operation, Subject, WebhookFault};
use crate::idempotency::Answers;
use crate::payment::Payment;
use crate::settings::Settings;
use crate::webhooks::Webhooks;

/// What all handlers share.
pub(crate) struct World {
    pub(crate) secret_key: String,
    pub(crate) clock: Clock,
    pub(crate) answers: Answers,
    pub(crate) webhooks: Webhooks,
    latency_ms: AtomicU64,
    books: Mutex<Books>,
    faults: Mutex<Faults>,
    counts: Mutex<BTreeMap<Operation, u64>>,
}

impl World {
    pub(crate) fn new(settings: Settings, stop: CancellationToken) -> anyhow::Result<Self> {
        Ok(Self {
            webhooks: Webhooks::new(&settings, stop)?,
            secret_key: settings.secret_key,
            clock: Clock::default(),
            answers: Answers::default(),
            latency_ms: AtomicU64::new(settings.latency_ms),
            books: Mutex::default(),
            faults: Mutex::default(),
            counts: Mutex::default(),
        })
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no panic while locked")
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no panic while locked")
    }

    pub(crate) fn counts(&self) -> MutexGuard<'_, BTreeMap<Operation, u64>> {
        self.counts.lock().expect("no panic while locked")
    }

    pub(crate) fn count(&self, operation: Operation) {
        *self.counts().entry(operation).or_default() += 1;
    }

    pub(crate) fn strike_call(&self, subject: Subject<'_>) -> Option<CallFault> {
        self.faults().strike_call(subject)
    }

    pub(crate) fn strike_webhook(&self, subject: Subject<'_>) -> Option<WebhookFault> {
        self.faults().strike_webhook(subject)
    }

    pub(crate) fn latency_ms(&self) -> u64 {
        self.latency_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_latency_ms(&self, ms: u64) {
        self.latency_ms.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn open(&self, new: NewPayment) -> Result<Payment, ApiError> {
        self.books().open(new, self.clock.now())
    }

    pub(crate) fn confirm(&self, key: &str, order_id: &str, amount: i64) -> Result<Value, ApiError> {
        self.expire();
        let payment = self.books().confirm(key, order_id, amount, self.clock.now())?;
        Ok(self.tell(&payment))
    }

    pub(crate) fn decline(&self, key: &str, code: &str) -> Result<(), ApiError> {
        self.expire();
        let payment = self.books().decline(key, code)?;
        self.tell(&payment);
        Ok(())
    }

    pub(crate) fn cancel(&self, key: &str, amount: Option<i64>, reason: &str) -> Result<Value, ApiError> {
        let payment = self.books().cancel(key, amount, reason, self.clock.now())?;
        Ok(self.tell(&payment))
    }

    pub(crate) fn find(&self, key: &str) -> Result<Value, ApiError> {
        self.expire();
        Ok(self.books().find(key)?.shown())
    }

    pub(crate) fn find_by_order(&self, order_id: &str) -> Result<Value, ApiError> {
        self.expire();
        Ok(self.books().find_by_order(order_id)?.shown())
    }

    /// Ends what was not confirmed in time.
    pub(crate) fn expire(&self) {
        let expired = self.books().expire(self.clock.now());
        for payment in &expired {
            self.tell(payment);
        }
    }

    /// Sends the webhook of a change; returns the payment as it is shown.
    fn tell(&self, payment: &Payment) -> Value {
        let shown = payment.shown();
        if self.webhooks.are_sent() {
            let fault = self.strike_webhook(Subject {
                operation: None,
                payment_key: Some(&payment.key),
                order_id: Some(&payment.order_id),
            });
            self.webhooks.send(payment, shown.clone(), self.clock.now(), fault);
        }
        shown
    }
}

/// Looks once a second for payments whose time is over, so that their webhooks go out unasked.
pub(crate) async fn expire_by_time(world: Arc<World>, stop: CancellationToken) {
    let mut ticks = interval(Duration::from_secs(1));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        world.expire();
    }
}
