//! What happened becomes events. An [`Exchange`] is opened when a request's head is complete (or
//! RAUTA answers without), which publishes the [`HttpRequestEvent`]; dropping it publishes the one
//! [`HttpResponseEvent`], whatever path the request took. No other file publishes either.

use crate::error::ProxyError;
use crate::fields::REQUEST_ID;
use crate::upstream::Upstream;
use crate::watch::Watched;
use crate::worker::Worker;
use http::header::USER_AGENT;
use http::{HeaderName, StatusCode};
use rauta_core::clock::{self, Now};
use rauta_http1::{Headers, Request};
use rauta_routing::{Backend, Endpoint, Rule};
use rauta_schemas::{
    Address, Attempt, AttemptOutcome, DETAIL_BYTES_MAX, Event, ExchangeId, FourTuple, HttpDetail,
    HttpMethod, HttpProgressEvent, HttpRequestEvent, HttpResponseEvent, HttpVersion, Identity,
    InlineText, ListenerId, Outcome, Reason, Side, Source, Timings, TraceContext,
};
use std::cell::RefMut;
use std::rc::Rc;

/// Attempts that a detail lists at most.
const ATTEMPTS_LISTED_MAX: usize = 16;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// What is known of an exchange before its request is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Connection and ordinal.
    pub(crate) id: ExchangeId,
    /// When the head's first byte arrived.
    pub(crate) start: Now,
    /// Client and RAUTA.
    pub(crate) downstream: FourTuple,
    /// What the client speaks.
    pub(crate) version: HttpVersion,
    /// The listener that the request belongs to.
    pub(crate) listener: ListenerId,
    /// Is it a kubelet-style probe from a trusted source?
    pub(crate) is_probe: bool,
    /// Does the client speak TLS?
    pub(crate) is_tls: bool,
}

/// The response event as far as it is known.
#[derive(Debug)]
pub(crate) struct Record {
    event: HttpResponseEvent,
}

impl Record {
    fn new(opening: &Opening, method: HttpMethod) -> Self {
        let identity = Identity {
            listener: opening.listener,
            ..Identity::default()
        };
        Self {
            event: HttpResponseEvent {
                exchange: opening.id,
                wall_ns: opening.start.wall_ns,
                start_ns: opening.start.monotonic_ns,
                last_byte_ns: 0,
                timings: Timings::NONE,
                request_bytes: 0,
                response_bytes: 0,
                trace: TraceContext::default(),
                upstream: FourTuple::default(),
                identity,
                detail: None,
                status: 0,
                grpc_status: None,
                attempts_count: 0,
                attempts: [AttemptOutcome::None; 2],
                method,
                downstream_version: opening.version,
                upstream_version: HttpVersion::Unknown,
                // What stands if nobody ever says how it ended: the task was dropped in mid-work.
                outcome: Outcome::Abandoned,
                side: Side::Gateway,
                reason: Reason::Internal,
                source: Source::Proxy,
                is_probe: opening.is_probe,
                is_streaming: false,
                is_tls: opening.is_tls,
                is_upstream_tls: false,
            },
        }
    }

    /// The head's first byte, `CLOCK_MONOTONIC`.
    pub(crate) fn start_ns(&self) -> u64 {
        self.event.start_ns
    }

    /// Did the answer's first byte come?
    pub(crate) fn is_answered(&self) -> bool {
        self.event.timings.first_byte_us != Timings::UNSET
    }

    /// The event of an exchange that is still open.
    pub(crate) fn progress(&self, age_ns: u64) -> HttpProgressEvent {
        let event = &self.event;
        HttpProgressEvent {
            exchange: event.exchange,
            start_ns: event.start_ns,
            age_ns,
            timings: event.timings,
            request_bytes: event.request_bytes,
            response_bytes: event.response_bytes,
            identity: event.identity,
            upstream: event.upstream,
            method: event.method,
            status: event.status,
            is_streaming: event.is_streaming,
            source: event.source,
            is_probe: event.is_probe,
        }
    }

    fn micros(&self, now_ns: u64) -> u32 {
        u32::try_from(now_ns.saturating_sub(self.event.start_ns) / 1_000).unwrap_or(u32::MAX - 1)
    }

    #[cfg(test)]
    pub(crate) fn for_test(start: Now) -> Self {
        let opening = Opening {
            id: ExchangeId::default(),
            start,
            downstream: FourTuple::default(),
            version: HttpVersion::Http11,
            listener: ListenerId::NONE,
            is_probe: false,
            is_tls: false,
        };
        Self::new(&opening, HttpMethod::Get)
    }

    #[cfg(test)]
    pub(crate) fn answer_for_test(&mut self, offset_us: u32) {
        self.event.timings.first_byte_us = offset_us;
    }
}

/// The steps whose time is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The request's head is read and valid.
    HeadRead,
    /// The request's last byte is handed to the kernel.
    Sent,
    /// The response's head has arrived.
    FirstByte,
}

/// One exchange in flight; dropping it publishes its end.
pub(crate) struct Exchange {
    worker: Rc<Worker>,
    watched: Rc<Watched>,
    is_detailed: bool,
}

impl Exchange {
    /// Publishes the request's event and opens the record. `request` is absent where RAUTA answers
    /// what could not be read.
    pub(crate) fn open(
        worker: &Rc<Worker>,
        watched: &Rc<Watched>,
        opening: &Opening,
        request: Option<&Request>,
    ) -> Self {
        let method = request.map_or(HttpMethod::Other, |request| {
            HttpMethod::from_name(request.method.as_str())
        });
        let is_detailed = opening.id.is_sampled(worker.config.detail_per_million);
        worker.totals.requests.add(1);
        worker.totals.in_flight.add(1);
        let path = request.map_or("", |request| request.target.path());
        let authority = request.map_or("", |request| request.authority.host());
        worker
            .publisher
            .publish(Event::HttpRequest(HttpRequestEvent {
                exchange: opening.id,
                wall_ns: opening.start.wall_ns,
                start_ns: opening.start.monotonic_ns,
                downstream: opening.downstream,
                path: InlineText::new(path),
                authority: InlineText::new(authority),
                detail: request
                    .filter(|_| is_detailed)
                    .map(|request| Box::new(detail(request))),
                listener: opening.listener,
                method,
                version: opening.version,
                source: Source::Proxy,
                is_probe: opening.is_probe,
            }));
        let mut record = Record::new(opening, method);
        if is_detailed {
            record.event.detail = Some(Box::default());
        }
        watched.begin(record);
        Self {
            worker: Rc::clone(worker),
            watched: Rc::clone(watched),
            is_detailed,
        }
    }

    /// Notes when a step was reached; gives the moment back.
    pub(crate) fn reached(&self, step: Step) -> u64 {
        let now_ns = clock::monotonic_ns();
        self.edit(|record| {
            let offset = record.micros(now_ns);
            let timings = &mut record.event.timings;
            match step {
                Step::HeadRead => timings.head_read_us = offset,
                Step::Sent => timings.sent_us = offset,
                Step::FirstByte => timings.first_byte_us = offset,
            }
        });
        now_ns
    }

    /// Notes the rule that the request met.
    pub(crate) fn matched(&self, rule: &Rule) {
        self.edit(|record| record.event.identity.rule = rule.id());
    }

    /// Notes the backend.
    pub(crate) fn chose_backend(&self, backend: &Backend) {
        self.edit(|record| {
            record.event.identity.backend = backend.id();
            record.event.is_upstream_tls = backend.tls.is_some();
        });
    }

    /// Notes the endpoint of the attempt that begins.
    pub(crate) fn chose_endpoint(&self, endpoint: &Endpoint, now_ns: u64) {
        self.edit(|record| {
            record.event.identity.endpoint = endpoint.id();
            record.event.timings.upstream_chosen_us = record.micros(now_ns);
            record.event.upstream = FourTuple {
                source: Address::UNKNOWN,
                destination: endpoint.address.into(),
            };
        });
    }

    /// Notes the upstream connection, which stood at `now_ns`.
    pub(crate) fn connected(&self, upstream: &Upstream, now_ns: u64) {
        self.edit(|record| {
            let local = upstream.local();
            record.event.upstream.source = local.map_or(Address::UNKNOWN, Address::from);
            record.event.upstream_version = upstream.version();
            record.event.timings.connected_us = record.micros(now_ns);
        });
    }

    /// Notes how an attempt ended, `duration_ns` after it began, and the status it was answered
    /// with. From the first that failed on, attempts are listed one by one.
    pub(crate) fn attempted(
        &self,
        outcome: AttemptOutcome,
        status: Option<StatusCode>,
        duration_ns: u64,
    ) {
        self.edit(|record| {
            let event = &mut record.event;
            let slot = usize::from(event.attempts_count.min(1));
            event.attempts[slot] = outcome;
            event.attempts_count = event.attempts_count.saturating_add(1);
            if outcome != AttemptOutcome::Responded {
                event.detail.get_or_insert_default();
            }
            if let Some(detail) = &mut event.detail
                && detail.attempts.len() < ATTEMPTS_LISTED_MAX
            {
                detail.attempts.push(Attempt {
                    endpoint: event.identity.endpoint,
                    start_us: event.timings.upstream_chosen_us,
                    duration_us: u32::try_from(duration_ns / 1_000).unwrap_or(u32::MAX),
                    outcome,
                    status: status.map_or(0, |status| status.as_u16()),
                });
            }
        });
    }

    /// Notes the trace that the exchange belongs to.
    pub(crate) fn traced(&self, trace: TraceContext) {
        self.edit(|record| record.event.trace = trace);
    }

    /// The trace that the exchange belongs to.
    pub(crate) fn trace(&self) -> TraceContext {
        let record = self.watched.record.borrow();
        record
            .as_ref()
            .map_or_else(TraceContext::default, |record| record.event.trace)
    }

    /// Copies what only a detail keeps, where this exchange has one.
    pub(crate) fn detailed(&self, request: &Request, client: Address) {
        let is_reported = self.worker.config.tracing.is_on;
        self.edit(|record| {
            let event = &mut record.event;
            let is_kept = self.is_detailed || (is_reported && event.trace.is_sampled());
            if !is_kept {
                return;
            }
            let kept = event.detail.get_or_insert_default();
            let attempts = std::mem::take(&mut kept.attempts);
            **kept = HttpDetail {
                attempts,
                client,
                ..detail(request)
            };
        });
    }

    /// Bytes of the request's body came in.
    pub(crate) fn received(&self, bytes: usize) {
        self.worker.totals.request_bytes.add(bytes as u64);
        self.edit(|record| record.event.request_bytes += bytes as u64);
    }

    /// Bytes of the response's body go out.
    pub(crate) fn sent(&self, bytes: usize) {
        self.worker.totals.response_bytes.add(bytes as u64);
        self.edit(|record| record.event.response_bytes += bytes as u64);
    }

    /// The response's head goes out.
    pub(crate) fn responds(&self, status: StatusCode, headers: &Headers) {
        self.edit(|record| record.event.status = status.as_u16());
        self.note_grpc_status(headers.get(&GRPC_STATUS));
    }

    /// What was to go out of a response will not: another takes its place.
    pub(crate) fn takes_back(&self) {
        self.edit(|record| {
            record.event.response_bytes = 0;
            record.event.grpc_status = None;
        });
    }

    /// The exchange is a tunnel or an event stream: its duration measures no backend.
    pub(crate) fn streams(&self) {
        self.edit(|record| record.event.is_streaming = true);
    }

    /// Notes the `grpc-status` of a head or of trailers, where it is there and sound.
    pub(crate) fn note_grpc_status(&self, value: Option<&[u8]>) {
        if let Some(value) = value
            && let Some(status) = str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok())
        {
            self.edit(|record| record.event.grpc_status = Some(status));
        }
    }

    /// The exchange went well, this way.
    pub(crate) fn ends(&self, outcome: Outcome) {
        self.concludes(outcome, Side::None, Reason::None);
    }

    /// A filter answered in place of the backend.
    pub(crate) fn answered_by_filter(&self) {
        self.concludes(Outcome::Answered, Side::None, Reason::Filter);
    }

    /// The exchange failed; `is_answered`: RAUTA's own answer went out, `is_begun`: a response's
    /// head had gone out before.
    pub(crate) fn fails(&self, error: ProxyError, is_answered: bool, is_begun: bool) {
        let outcome = match error {
            ProxyError::ClientClosed | ProxyError::ClientStalled => Outcome::Abandoned,
            _ if is_answered => Outcome::Answered,
            _ if is_begun => Outcome::Truncated,
            _ => Outcome::Abandoned,
        };
        self.concludes(outcome, error.side(), error.reason());
    }

    fn concludes(&self, outcome: Outcome, side: Side, reason: Reason) {
        self.edit(|record| {
            record.event.outcome = outcome;
            record.event.side = side;
            record.event.reason = reason;
        });
    }

    fn edit(&self, change: impl FnOnce(&mut Record)) {
        let record = self.watched.record.borrow_mut();
        if let Ok(mut record) = RefMut::filter_map(record, Option::as_mut) {
            change(&mut record);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(mut record) = self.watched.record.borrow_mut().take() else {
            return;
        };
        let event = &mut record.event;
        event.last_byte_ns = clock::monotonic_ns().saturating_sub(event.start_ns);
        let totals = &self.worker.totals;
        totals.in_flight.decrease();
        totals.responses.add(1);
        let class = usize::from(event.status / 100).min(totals.by_class.len() - 1);
        totals.by_class[class].add(1);
        self.worker
            .publisher
            .publish(Event::HttpResponse(record.event));
    }
}

/// What only a detail keeps of a request.
fn detail(request: &Request) -> HttpDetail {
    let text = |name: &HeaderName| {
        let value = request.headers.get(name).unwrap_or_default();
        bounded(&String::from_utf8_lossy(value), DETAIL_BYTES_MAX / 4)
    };
    HttpDetail {
        path: bounded(request.target.as_str(), DETAIL_BYTES_MAX / 2),
        authority: bounded(request.authority.as_str(), 512),
        user_agent: text(&USER_AGENT),
        request_id: bounded(&text(&REQUEST_ID), 256),
        ..HttpDetail::default()
    }
}

fn bounded(text: &str, max: usize) -> String {
    text[..text.floor_char_boundary(max)].to_owned()
}
