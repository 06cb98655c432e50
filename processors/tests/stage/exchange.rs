//! One simulated exchange and the events that the data plane publishes about it.

use super::{MS, SECOND};
use rauta_schemas::{
    AttemptOutcome, ConnectionId, ExchangeId, FourTuple, HttpMethod, HttpProgressEvent,
    HttpRequestEvent, HttpResponseEvent, HttpVersion, Identity, InlineText, Outcome, Reason, Side,
    Source, Timings, TraceContext,
};
use std::net::SocketAddr;

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ending {
    /// The backend answers.
    Answered,
    /// RAUTA answers, before any backend was reached.
    Gateway(Reason),
    /// The backend cuts its answer off.
    Cut,
    /// The client leaves after so many microseconds.
    Left(u64),
    /// RAUTA ends it with 504 after so many microseconds.
    TimedOut(u64),
    /// The endpoint refuses the connection: RAUTA answers with 502.
    Refused,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// Simulated time.
    pub(crate) start_ns: u64,
    pub(crate) route: usize,
    pub(crate) endpoint: usize,
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    /// How long the client sends its request.
    pub(crate) upload_us: u64,
    /// How long the backend takes to answer.
    pub(crate) backend_us: u64,
    /// How long the answer takes to the client.
    pub(crate) download_us: u64,
    pub(crate) status: u16,
    pub(crate) grpc_status: Option<u8>,
    pub(crate) ending: Ending,
    pub(crate) attempts: u8,
    pub(crate) is_probe: bool,
    pub(crate) is_streaming: bool,
    pub(crate) number: u64,
    /// The age at which it was last reported open.
    pub(crate) reported_ns: u64,
}

const HEAD_US: u64 = 20;
const CHOSEN_US: u64 = 30;
const CONNECTED_US: u64 = 40;
/// When workers look, before each tenth of a second.
const LOOK_AT_NS: u64 = 37 * MS;

impl Exchange {
    /// A `GET` of `route` that the backend answers with 200 after so many microseconds.
    pub(crate) fn get(route: usize, backend_us: u64) -> Self {
        Self {
            start_ns: 0,
            route,
            endpoint: 0,
            method: HttpMethod::Get,
            path: "/cart",
            upload_us: 0,
            backend_us,
            download_us: 50,
            status: 200,
            grpc_status: None,
            ending: Ending::Answered,
            attempts: 1,
            is_probe: false,
            is_streaming: false,
            number: 0,
            reported_ns: 0,
        }
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    fn sent_us(&self) -> u64 {
        CONNECTED_US + self.upload_us
    }

    fn first_byte_us(&self) -> u64 {
        self.sent_us() + self.backend_us
    }

    fn duration_us(&self) -> u64 {
        match self.ending {
            Ending::Answered | Ending::Cut => self.first_byte_us() + self.download_us,
            Ending::Gateway(_) => CHOSEN_US,
            Ending::Refused => CONNECTED_US,
            Ending::Left(after) | Ending::TimedOut(after) => {
                after.min(self.first_byte_us() + self.download_us)
            }
        }
    }

    pub(crate) fn end_ns(&self) -> u64 {
        self.start_ns + self.duration_us() * 1_000
    }

    /// Since when the backend is waited for, and until when: its first byte or the end. `None`
    /// where nothing was asked of it, or not all of the request was sent.
    pub(crate) fn wait_ns(&self) -> Option<(u64, u64)> {
        if matches!(self.ending, Ending::Gateway(_) | Ending::Refused) {
            return None;
        }
        let (from_us, until_us) = (self.sent_us(), self.first_byte_us().min(self.duration_us()));
        let at_ns = |offset_us: u64| self.start_ns + offset_us * 1_000;
        (until_us >= from_us).then(|| (at_ns(from_us), at_ns(until_us)))
    }

    /// Does it end as a failure that somebody other than the client made?
    pub(crate) fn is_failure(&self) -> bool {
        let is_failing_grpc = self
            .grpc_status
            .is_some_and(|s| [2, 4, 12, 13, 14, 15].contains(&s));
        match self.ending {
            Ending::Answered | Ending::Gateway(_) => self.status >= 500 || is_failing_grpc,
            Ending::Cut | Ending::TimedOut(_) | Ending::Refused => true,
            Ending::Left(_) => false,
        }
    }

    /// When the data plane reports it next: a worker looks ten times a second, at 100 ms, then at
    /// twice the age (at most 10 s later), and once its answer came after it was said to wait.
    pub(crate) fn next_report_ns(&self) -> u64 {
        let mut age_ns = if self.reported_ns == 0 {
            HttpProgressEvent::FIRST_AFTER_MS * MS
        } else {
            self.reported_ns + self.reported_ns.min(10 * SECOND)
        };
        let answered_ns = self.first_byte_us() * 1_000;
        if self.reported_ns > 0 && self.reported_ns < answered_ns {
            age_ns = age_ns.min(answered_ns);
        }
        // Not in step with the pipeline's own ticks.
        let look_ns = (self.start_ns + age_ns + LOOK_AT_NS).next_multiple_of(100 * MS) - LOOK_AT_NS;
        self.end_ns().min(look_ns)
    }

    fn timings(&self, until_us: u64) -> Timings {
        let step = |offset: u64| {
            if offset <= until_us {
                offset as u32
            } else {
                Timings::UNSET
            }
        };
        match self.ending {
            Ending::Gateway(_) => {
                return Timings {
                    head_read_us: step(HEAD_US),
                    ..Timings::NONE
                };
            }
            Ending::Refused => {
                return Timings {
                    head_read_us: step(HEAD_US),
                    upstream_chosen_us: step(CHOSEN_US),
                    ..Timings::NONE
                };
            }
            Ending::Answered | Ending::Cut | Ending::Left(_) | Ending::TimedOut(_) => {}
        }
        Timings {
            head_read_us: step(HEAD_US),
            upstream_chosen_us: step(CHOSEN_US),
            connected_us: step(CONNECTED_US),
            sent_us: step(self.sent_us()),
            first_byte_us: step(self.first_byte_us()),
        }
    }

    fn id(&self) -> ExchangeId {
        ExchangeId {
            connection: ConnectionId::new(1, self.number),
            ordinal: 1,
        }
    }

    fn downstream(&self) -> FourTuple {
        FourTuple {
            source: SocketAddr::from(([192, 0, 2, 1], 40_000)).into(),
            destination: SocketAddr::from(([127, 0, 0, 1], 80)).into(),
        }
    }

    fn upstream(&self) -> FourTuple {
        if matches!(self.ending, Ending::Gateway(_)) {
            return FourTuple::default();
        }
        let route = self.route as u8;
        FourTuple {
            source: SocketAddr::from(([127, 0, 0, 1], 50_000)).into(),
            destination: SocketAddr::from(([10, 0, route, self.endpoint as u8], 8_080)).into(),
        }
    }

    pub(crate) fn request_event(
        &self,
        wall_start_ns: u64,
        monotonic_start_ns: u64,
        identity: &Identity,
    ) -> HttpRequestEvent {
        HttpRequestEvent {
            exchange: self.id(),
            wall_ns: wall_start_ns + self.start_ns,
            start_ns: monotonic_start_ns + self.start_ns,
            downstream: self.downstream(),
            path: InlineText::new(self.path),
            authority: InlineText::new("shop.example"),
            detail: None,
            listener: identity.listener,
            method: self.method,
            version: HttpVersion::Http11,
            source: Source::Proxy,
            is_probe: self.is_probe,
        }
    }

    pub(crate) fn progress_event(
        &self,
        age_ns: u64,
        monotonic_start_ns: u64,
        identity: &Identity,
    ) -> HttpProgressEvent {
        let timings = self.timings(age_ns / 1_000);
        let is_answered = timings.first_byte_us != Timings::UNSET;
        HttpProgressEvent {
            exchange: self.id(),
            start_ns: monotonic_start_ns + self.start_ns,
            age_ns,
            timings,
            request_bytes: 0,
            response_bytes: 0,
            identity: *identity,
            upstream: self.upstream(),
            method: self.method,
            status: if is_answered { self.status } else { 0 },
            is_streaming: self.is_streaming && is_answered,
            source: Source::Proxy,
            is_probe: self.is_probe,
        }
    }

    pub(crate) fn response_event(
        &self,
        wall_start_ns: u64,
        monotonic_start_ns: u64,
        identity: &Identity,
    ) -> HttpResponseEvent {
        let timings = self.timings(self.duration_us());
        let is_answered = timings.first_byte_us != Timings::UNSET;
        let (status, outcome, side, reason) = match self.ending {
            Ending::Answered => (self.status, Outcome::Completed, self.side(), Reason::None),
            Ending::Gateway(reason) => (self.status, Outcome::Answered, Side::Gateway, reason),
            Ending::Cut => (
                self.status,
                Outcome::Truncated,
                Side::Backend,
                Reason::BackendReset,
            ),
            Ending::Left(_) => {
                let status = if is_answered { self.status } else { 0 };
                (
                    status,
                    Outcome::Abandoned,
                    Side::Client,
                    Reason::ClientClosed,
                )
            }
            Ending::TimedOut(_) => (
                504,
                Outcome::Answered,
                Side::Backend,
                Reason::BackendTimeout,
            ),
            Ending::Refused => (
                502,
                Outcome::Answered,
                Side::Backend,
                Reason::ConnectRefused,
            ),
        };
        let attempt = match self.ending {
            Ending::Refused => AttemptOutcome::ConnectRefused,
            _ if is_answered => AttemptOutcome::Responded,
            _ => AttemptOutcome::Cancelled,
        };
        HttpResponseEvent {
            exchange: self.id(),
            wall_ns: wall_start_ns + self.start_ns,
            start_ns: monotonic_start_ns + self.start_ns,
            last_byte_ns: self.duration_us() * 1_000,
            timings,
            request_bytes: 0,
            response_bytes: 10,
            trace: TraceContext::default(),
            upstream: self.upstream(),
            identity: *identity,
            detail: None,
            status,
            grpc_status: self.grpc_status,
            attempts_count: self.attempts,
            attempts: [AttemptOutcome::None, attempt],
            method: self.method,
            downstream_version: HttpVersion::Http11,
            upstream_version: HttpVersion::Http11,
            outcome,
            side,
            reason,
            source: Source::Proxy,
            is_probe: self.is_probe,
            is_streaming: self.is_streaming,
            is_tls: false,
            is_upstream_tls: false,
        }
    }

    fn side(&self) -> Side {
        if self.status >= 500 {
            Side::Backend
        } else {
            Side::None
        }
    }
}
