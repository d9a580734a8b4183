//! What stands before every gateway: so many calls at a time, none while it fails, and all of them measured.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, FutureExt as _};
use hyper::HeaderMap;
use metrics::{counter, gauge, histogram};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::breaker::{Breaker, BreakerRules};
use super::port::{
    Cancel, CancelAnswer, Confirm, ConfirmAnswer, FindAnswer, Gateway, List, ListAnswer, WebhookEvent, Why,
};
use crate::domain::gateway::{GatewayOrderId, PaymentKey};
use crate::peers::webhook::WebhookError;

/// The rules of a guard.
#[derive(Debug, Clone, Copy)]
pub struct GuardRules {
    /// Calls on their way at once.
    pub concurrency: usize,
    /// How long a call waits for its turn.
    pub patience: Duration,
    /// When calls are kept back.
    pub breaker: BreakerRules,
}

/// A gateway behind its guard, itself a gateway.
pub struct Guarded {
    gateway: Arc<dyn Gateway>,
    turns: Semaphore,
    patience: Duration,
    breaker: Mutex<Breaker>,
}

impl Guarded {
    /// Puts a guard before a gateway.
    pub fn new(gateway: Arc<dyn Gateway>, rules: GuardRules) -> Self {
        Self {
            gateway,
            turns: Semaphore::new(rules.concurrency),
            patience: rules.patience,
            breaker: Mutex::new(Breaker::new(rules.breaker, Instant::now())),
        }
    }

    /// Whether calls are kept back now.
    pub fn is_open(&self) -> bool {
        self.breaker().is_open()
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("no panic while locked")
    }

    fn watch<'a, A: GuardedAnswer + Send + 'a>(
        &'a self,
        operation: &'static str,
        call: BoxFuture<'a, A>,
    ) -> BoxFuture<'a, A> {
        async move {
            let answer = self.guard(operation, call).await;
            let labels = [("gateway", self.name()), ("operation", operation), ("outcome", answer.label())];
            counter!("holdfast_gateway_calls_total", &labels).increment(1);
            answer
        }
        .boxed()
    }

    async fn guard<A: GuardedAnswer>(&self, operation: &'static str, call: BoxFuture<'_, A>) -> A {
        let Ok(turn) = tokio::time::timeout(self.patience, self.turns.acquire()).await else {
            return A::unknown(Why::Busy);
        };
        // Asked after waiting: the gateway may have failed meanwhile.
        let now = Instant::now();
        if !self.breaker().may_call(now) {
            return A::unknown(Why::Resting);
        }
        let answer = call.await;
        drop(turn);
        let labels = [("gateway", self.name()), ("operation", operation)];
        histogram!("holdfast_gateway_call_seconds", &labels).record(now.elapsed().as_secs_f64());
        self.note(answer.why());
        answer
    }

    /// Tells the breaker, and an operator when it changes.
    fn note(&self, why: Option<&Why>) {
        let (before, after) = {
            let mut breaker = self.breaker();
            let before = breaker.is_open();
            breaker.note(why.is_some_and(Why::is_outage), Instant::now());
            (before, breaker.is_open())
        };
        match (before, after) {
            (false, true) => {
                let why = why.map(ToString::to_string).unwrap_or_default();
                warn!(
                    gateway = self.name(),
                    why, "half of the calls fail; the gateway is left alone for a while"
                );
            }
            (true, false) => info!(gateway = self.name(), "the gateway answers again"),
            _ => return,
        }
        let open = if after { 1.0 } else { 0.0 };
        gauge!("holdfast_gateway_breaker_open", "gateway" => self.name()).set(open);
    }
}

impl Gateway for Guarded {
    fn name(&self) -> &'static str {
        self.gateway.name()
    }

    fn longest_call(&self) -> Duration {
        self.patience + self.gateway.longest_call()
    }

    fn confirm<'a>(&'a self, ask: &'a Confirm) -> BoxFuture<'a, ConfirmAnswer> {
        self.watch("confirm", self.gateway.confirm(ask))
    }

    fn find<'a>(&'a self, key: &'a PaymentKey) -> BoxFuture<'a, FindAnswer> {
        self.watch("find", self.gateway.find(key))
    }

    fn find_by_order<'a>(&'a self, order: &'a GatewayOrderId) -> BoxFuture<'a, FindAnswer> {
        self.watch("find_by_order", self.gateway.find_by_order(order))
    }

    fn cancel<'a>(&'a self, ask: &'a Cancel) -> BoxFuture<'a, CancelAnswer> {
        self.watch("cancel", self.gateway.cancel(ask))
    }

    fn list<'a>(&'a self, ask: &'a List) -> BoxFuture<'a, ListAnswer> {
        self.watch("list", self.gateway.list(ask))
    }

    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        self.gateway.verify_webhook(headers, body, now)
    }
}

/// What all answers have in common.
trait GuardedAnswer {
    fn unknown(why: Why) -> Self;
    fn why(&self) -> Option<&Why>;
    /// A word for metrics.
    fn definite(&self) -> &'static str;

    fn label(&self) -> &'static str {
        self.why().map_or(self.definite(), Why::label)
    }
}

macro_rules! outcome {
    ($answer:ident { $($definite:pat => $label:literal),+ }) => {
        impl GuardedAnswer for $answer {
            fn unknown(why: Why) -> Self {
                Self::Unknown { why }
            }

            fn why(&self) -> Option<&Why> {
                if let Self::Unknown { why } = self { Some(why) } else { None }
            }

            fn definite(&self) -> &'static str {
                match self {
                    Self::Unknown { .. } => "unknown",
                    $($definite => $label),+
                }
            }
        }
    };
}

outcome!(ConfirmAnswer { Self::Approved(_) => "approved", Self::Declined { .. } => "declined" });
outcome!(FindAnswer { Self::Found(_) => "found", Self::NotFound => "not_found" });
outcome!(CancelAnswer { Self::Cancelled { .. } => "cancelled", Self::Refused { .. } => "refused" });
outcome!(ListAnswer { Self::Page { .. } => "page" });
