//! Where a span stands in its trace. Without the exporter nobody keeps spans: then a parent is handed on as it came.

use tracing::Span;

use super::trace_parent::TraceParent;

/// Whether spans are kept: fields that only an exporter reads are filled in then.
pub fn are_exported() -> bool {
    #[cfg(feature = "otlp")]
    return super::otlp::is_running();
    #[cfg(not(feature = "otlp"))]
    false
}

/// The trace of a span that is about to begin, unless the exporter is the one who will say.
pub fn trace_to_be(parent: Option<TraceParent>) -> Option<TraceParent> {
    if parent.is_none() && are_exported() { None } else { Some(parent.unwrap_or_else(TraceParent::fresh)) }
}

/// Begins a span's part in a trace: that of its parent, or one of its own. Returns what to hand on to what follows.
pub fn begin(span: &Span, parent: Option<TraceParent>) -> TraceParent {
    #[cfg(feature = "otlp")]
    if let Some(own) = super::otlp::begin(span, parent) {
        return own;
    }
    let _ = span;
    parent.unwrap_or_else(TraceParent::fresh)
}

/// Notes that a span has to do with another one, which is not its parent.
pub fn link(span: &Span, other: TraceParent) {
    #[cfg(feature = "otlp")]
    super::otlp::link(span, other);
    let _ = (span, other);
}
