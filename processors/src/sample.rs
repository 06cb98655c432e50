//! Sample exchanges: the evidence that an anomaly carries.

use crate::processor::Scene;
use rauta_schemas::{
    AttemptOutcome, FourTuple, HttpProgressEvent, HttpResponseEvent, Reason, SampleExchange, Side,
    TraceContext,
};

/// An exchange that is over.
pub(crate) fn of_response(event: &HttpResponseEvent, scene: &Scene<'_>) -> SampleExchange {
    let request = scene.requests.find(event.exchange);
    SampleExchange {
        exchange: event.exchange,
        wall_ns: event.wall_ns,
        path: request
            .map(|request| request.path.as_str().to_owned())
            .unwrap_or_default(),
        status: event.status,
        grpc_status: event.grpc_status,
        duration_ns: event.last_byte_ns,
        timings: event.timings,
        outcome: Some(event.outcome),
        side: event.side,
        reason: event.reason,
        attempts_count: event.attempts_count,
        attempts: event.attempts,
        trace: event.trace,
        endpoint: endpoint_text(&event.upstream),
        downstream: request
            .map(|request| request.downstream)
            .unwrap_or_default(),
        upstream: event.upstream,
    }
}

/// An exchange that is open, as it stands now.
pub(crate) fn of_progress(event: &HttpProgressEvent, scene: &Scene<'_>) -> SampleExchange {
    let request = scene.requests.find(event.exchange);
    let age_ns = scene
        .now
        .monotonic_ns
        .saturating_sub(event.start_ns)
        .max(event.age_ns);
    SampleExchange {
        exchange: event.exchange,
        wall_ns: scene.now.wall_ns.saturating_sub(age_ns),
        path: request
            .map(|request| request.path.as_str().to_owned())
            .unwrap_or_default(),
        status: event.status,
        grpc_status: None,
        duration_ns: age_ns,
        timings: event.timings,
        outcome: None,
        side: Side::Backend,
        reason: Reason::None,
        attempts_count: 1,
        attempts: [AttemptOutcome::None; 2],
        trace: TraceContext::default(),
        endpoint: endpoint_text(&event.upstream),
        downstream: request
            .map(|request| request.downstream)
            .unwrap_or_default(),
        upstream: event.upstream,
    }
}

fn endpoint_text(upstream: &FourTuple) -> String {
    if upstream.destination.is_known() {
        upstream.destination.to_string()
    } else {
        String::new()
    }
}
