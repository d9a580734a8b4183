//! Spans of batches and messages, and which trace goes on with what follows from them.

use std::collections::HashMap;

use holdfast::telemetry::spans;
use holdfast::telemetry::trace_parent::TraceParent;
use tracing::{Level, Span, debug_span, field, info_span, span_enabled};
use uuid::Uuid;

use super::worker::{Applied, Delivered, Unsettled, Verdict, WakeUp, Worker};

/// The spans of one batch.
pub(crate) struct Spans {
    /// Lines logged while the batch is applied are in it.
    pub(crate) batch: Span,
    /// Where the batch's span stands, if an exporter keeps it.
    own: Option<TraceParent>,
    /// One for each message if anybody wants them, else none, with what to hand on from it.
    messages: Vec<(Span, TraceParent)>,
}

impl Spans {
    /// Opens them. A batch has many causes, so its span begins a trace, and each message's span goes on with its own.
    pub(crate) fn open<M>(queue: &str, batch: &[Delivered<M>]) -> Self {
        let exported = spans::are_exported();
        let span = info_span!(
            parent: None,
            "batch",
            otel.name = exported.then(|| format!("{queue} batch")),
            queue,
            messages = batch.len(),
            trace_id = common(batch).map(|trace| field::display(trace.trace_id())),
        );
        let own = exported.then(|| spans::begin(&span, None));
        let wanted = exported || span_enabled!(Level::DEBUG);
        let messages = if wanted {
            batch.iter().map(|delivered| message_span(queue, delivered, own)).collect()
        } else {
            vec![]
        };
        Self { batch: span, own, messages }
    }

    /// Writes down what became of each message, and gives what follows from the batch its traces. A timer for orders of
    /// several traces can go on with none of them: it begins a trace, or goes on with the batch's, which is linked to all.
    pub(crate) fn hand_on<W: Worker>(
        self,
        worker: &W,
        batch: &[Delivered<W::Message>],
        applied: &mut Applied,
    ) -> Follows {
        for ((span, _), verdict) in self.messages.iter().zip(&applied.verdicts) {
            span.record("outcome", outcome(verdict));
        }
        let (wake_ups, unsettled) =
            (std::mem::take(&mut applied.wake_ups), std::mem::take(&mut applied.unsettled));
        if wake_ups.is_empty() && unsettled.is_empty() {
            return Follows::default();
        }
        let traces = self.by_subject(worker, batch);
        let of = |subject: Uuid| traces.get(&subject).copied();
        let begun = || self.own.unwrap_or_else(TraceParent::fresh);
        let of_wake_up = |wake_up: &WakeUp| {
            let mut traces = wake_up.order_ids.iter().map(|order| of(order.uuid()));
            let first = traces.next().flatten()?;
            traces.all(|other| other.is_some_and(|other| other.trace_id == first.trace_id)).then_some(first)
        };
        Follows {
            wake_ups: wake_ups
                .into_iter()
                .map(|wake_up| (of_wake_up(&wake_up).unwrap_or_else(begun), wake_up))
                .collect(),
            unsettled: unsettled
                .into_iter()
                .map(|unsettled| (of(unsettled.subject()).unwrap_or_else(begun), unsettled))
                .collect(),
        }
    }

    fn by_subject<W: Worker>(
        &self,
        worker: &W,
        batch: &[Delivered<W::Message>],
    ) -> HashMap<Uuid, TraceParent> {
        let mut traces = HashMap::with_capacity(batch.len());
        for (place, Delivered { incoming, message }) in batch.iter().enumerate() {
            let span = self.messages.get(place).map(|(_, trace)| *trace);
            if let Some(trace) = span.or_else(|| incoming.trace()) {
                worker.subjects(message, &mut |subject| {
                    traces.insert(subject, trace);
                });
            }
        }
        traces
    }
}

/// What follows from a batch, each with the trace it goes on with.
#[derive(Default)]
pub(crate) struct Follows {
    /// What to come back to.
    pub(crate) wake_ups: Vec<(TraceParent, WakeUp)>,
    /// What to bring to its end at a gateway.
    pub(crate) unsettled: Vec<(TraceParent, Unsettled)>,
}

fn message_span<M>(queue: &str, delivered: &Delivered<M>, batch: Option<TraceParent>) -> (Span, TraceParent) {
    let incoming = &delivered.incoming;
    let parent = spans::trace_to_be(incoming.trace());
    let span = debug_span!(
        parent: None,
        "message",
        otel.name = batch.map(|_| format!("{queue} process")),
        otel.kind = batch.map(|_| "consumer"),
        queue,
        message_id = incoming.message_id(),
        order_id = incoming.properties.correlation_id().as_ref().map(|id| id.as_str()),
        attempt = incoming.attempt,
        outcome = field::Empty,
    );
    let trace = spans::begin(&span, parent);
    if let Some(batch) = batch {
        spans::link(&span, batch);
    }
    (span, trace)
}

/// The trace of a batch that is of one trace, as one message always is.
fn common<M>(batch: &[Delivered<M>]) -> Option<TraceParent> {
    let (first, others) = batch.split_first()?;
    let trace = first.incoming.trace()?;
    others
        .iter()
        .all(|other| other.incoming.trace().is_some_and(|other| other.trace_id == trace.trace_id))
        .then_some(trace)
}

fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Retry { .. } => "retry",
        Verdict::Later { .. } | Verdict::NotBefore { .. } => "later",
        Verdict::TooSlow { .. } => "slow",
        Verdict::Dead { .. } => "dead",
    }
}
