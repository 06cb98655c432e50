//! Which exchanges get spans, decided on the pipeline's thread: only those cross to the sink's.
//!
//! An exchange is kept whose trace was chosen by whoever began it, and any that failed or was slow,
//! whatever was chosen for it. Its request's event is remembered until the response's comes.

use super::config::Tail;
use crate::totals::{DropReason, SinkTotals};
use rauta_core::bus::Subscriber;
use rauta_core::clock::Now;
use rauta_schemas::{
    AttemptOutcome, Event, ExchangeId, Families, Family, FourTuple, HttpRequestEvent,
    HttpResponseEvent, InlineText, Outcome, Side, Source, Timings,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Exchanges that may wait for the sink's thread; at some 350 bytes each 6 MiB at most.
pub(super) const QUEUE: usize = 16_384;

/// Requests remembered, in each of two generations.
const REMEMBERED: usize = 32_768;

/// Exchanges that failed or were slow, kept between two ticks at most (about ten ticks a second):
/// when everything fails, a thousand a second show it as well as all of them.
const TAIL_PER_TICK: u32 = 100;

/// What a span takes from the request's event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) path: InlineText<40>,
    pub(super) authority: InlineText<24>,
    pub(super) downstream: FourTuple,
}

/// An exchange that gets spans.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) response: HttpResponseEvent,
    /// `None` where the request's event was lost, or was forgotten.
    pub(super) asked: Option<Asked>,
}

impl Kept {
    /// How many spans it gets: its own, and one per attempt.
    pub(super) fn spans(&self) -> u64 {
        1 + attempts_listed(&self.response)
    }
}

/// How many attempts of an exchange are known one by one.
pub(super) fn attempts_listed(response: &HttpResponseEvent) -> u64 {
    let listed = response
        .detail
        .as_ref()
        .map_or(0, |detail| detail.attempts.len());
    match listed {
        0 if response.timings.upstream_chosen_us == Timings::UNSET => 0,
        0 => u64::from(response.attempts_count.min(1)),
        listed => listed as u64,
    }
}

/// The subscriber that chooses.
#[derive(Debug)]
pub struct Spans {
    tail: Tail,
    tail_room: u32,
    young: HashMap<ExchangeId, Asked>,
    old: HashMap<ExchangeId, Asked>,
    queue: mpsc::Sender<Kept>,
    waiting: Arc<AtomicU64>,
    totals: Arc<SinkTotals>,
}

impl Spans {
    /// Hands what it keeps to `queue`; `waiting` counts the spans in it.
    pub(super) fn new(
        tail: Tail,
        queue: mpsc::Sender<Kept>,
        waiting: Arc<AtomicU64>,
        totals: Arc<SinkTotals>,
    ) -> Self {
        Self {
            tail,
            tail_room: TAIL_PER_TICK,
            young: HashMap::new(),
            old: HashMap::new(),
            queue,
            waiting,
            totals,
        }
    }

    fn remember(&mut self, request: &HttpRequestEvent) {
        // What is left of the older generation are exchanges that have been open for long, or
        // whose response's event was lost.
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        let asked = Asked {
            path: request.path,
            authority: request.authority,
            downstream: request.downstream,
        };
        self.young.insert(request.exchange, asked);
    }

    fn choose(&mut self, response: &HttpResponseEvent) {
        let id = response.exchange;
        let asked = self.young.remove(&id).or_else(|| self.old.remove(&id));
        // What the observer saw go by has its spans from the proxy, or none at all.
        if response.source != Source::Proxy || response.trace.trace_id == [0; 16] {
            return;
        }
        if !response.trace.is_sampled() {
            if !is_telling(&self.tail, response) || self.tail_room == 0 {
                return;
            }
            self.tail_room -= 1;
        }
        let kept = Kept {
            response: response.clone(),
            asked,
        };
        let spans = kept.spans();
        match self.queue.try_send(kept) {
            Ok(()) => {
                self.waiting.fetch_add(spans, Ordering::Relaxed);
            }
            Err(_full_or_closed) => self.totals.add_dropped(DropReason::QueueFull, spans),
        }
    }
}

/// Did it fail by the backend's or RAUTA's fault, or take too long?
fn is_telling(tail: &Tail, response: &HttpResponseEvent) -> bool {
    let is_failed = response.status >= 500
        || matches!(response.side, Side::Backend | Side::Gateway)
        || super::span::is_grpc_failure(response.grpc_status)
        || response.attempts[0] != AttemptOutcome::None && response.attempts_count > 1;
    let is_timed = response.outcome != Outcome::Tunnelled && !response.is_streaming;
    let is_slow = tail
        .slower_than
        .is_some_and(|most| u128::from(response.last_byte_ns) > most.as_nanos());
    tail.failed && is_failed || is_timed && is_slow
}

impl Subscriber for Spans {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn families(&self) -> Families {
        Families::NONE
            .with(Family::HttpRequest)
            .with(Family::HttpResponse)
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::HttpRequest(request) => self.remember(request),
            Event::HttpResponse(response) => self.choose(response),
            Event::HttpProgress(_) | Event::Connection(_) | Event::Endpoint(_) => {}
        }
    }

    /// The bus counts them; whether they would have been kept, nobody knows.
    fn on_dropped(&mut self, _family: Family, _count: u64) {}

    fn on_tick(&mut self, _now: Now) {
        self.tail_room = TAIL_PER_TICK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::Signal;
    use rauta_schemas::TraceContext;
    use rauta_test_support::events::{chosen_request, response};
    use std::time::Duration;

    fn spans(room: usize) -> (Spans, mpsc::Receiver<Kept>) {
        let tail = Tail {
            failed: true,
            slower_than: Some(Duration::from_secs(1)),
        };
        let (sender, receiver) = mpsc::channel(room);
        let totals = SinkTotals::new("otlp", Signal::Traces);
        (Spans::new(tail, sender, Arc::default(), totals), receiver)
    }

    fn traced(ordinal: u32, status: u16, flags: u8) -> HttpResponseEvent {
        let mut event = response(ordinal, status);
        event.trace = TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            parent_id: [0; 8],
            flags,
        };
        event
    }

    #[test]
    fn kept_is_what_was_chosen_what_failed_and_what_was_slow() {
        let (mut spans, mut kept) = spans(16);
        let mut slow = traced(4, 200, 0);
        slow.last_byte_ns = 1_000_000_001;
        let mut hours = traced(5, 200, 0);
        (hours.last_byte_ns, hours.is_streaming) = (u64::MAX, true);
        let mut grpc = traced(6, 200, 0);
        grpc.grpc_status = Some(14);
        for event in [
            traced(1, 200, 0),
            traced(2, 200, 1),
            traced(3, 503, 0),
            slow,
            hours,
            grpc,
        ] {
            spans.on_event(&Event::HttpRequest(chosen_request(
                event.exchange.ordinal,
                "/a?b",
            )));
            spans.on_event(&Event::HttpResponse(event));
        }
        let mut ordinals = Vec::new();
        while let Ok(one) = kept.try_recv() {
            assert_eq!(one.asked.expect("its request").path.as_str(), "/a");
            ordinals.push(one.response.exchange.ordinal);
        }
        assert_eq!(ordinals, [2, 3, 4, 6]);
        assert!(spans.young.is_empty() && spans.old.is_empty());
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_counts_its_spans() {
        let (mut spans, _kept) = spans(2);
        for ordinal in 1..=5 {
            spans.on_event(&Event::HttpResponse(traced(ordinal, 200, 1)));
        }
        assert_eq!(spans.totals.dropped(DropReason::QueueFull), 6);
        assert_eq!(spans.waiting.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_storm_of_failures_is_thinned_out_until_the_next_tick() {
        let (mut spans, mut kept) = spans(1024);
        let storm = |spans: &mut Spans| {
            (1..=300).for_each(|n| spans.on_event(&Event::HttpResponse(traced(n, 503, 0))));
        };
        storm(&mut spans);
        spans.on_tick(Now::default());
        storm(&mut spans);
        let mut count = 0;
        while kept.try_recv().is_ok() {
            count += 1;
        }
        assert_eq!(count, 2 * TAIL_PER_TICK);
    }

    #[test]
    fn what_is_never_answered_does_not_grow() {
        let (mut spans, _kept) = spans(1);
        for ordinal in 1..=100_000 {
            spans.on_event(&Event::HttpRequest(chosen_request(ordinal, "/")));
        }
        assert!(spans.young.len() + spans.old.len() <= 2 * REMEMBERED);
    }
}
