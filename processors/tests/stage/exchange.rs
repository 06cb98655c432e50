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
}

#[derive(Clone, Debug)]
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
            Ending::Left(after) | Ending::TimedOut(after) => {
                after.min(self.first_byte_us() + self.download_us)
            }
        }
    }

    pub(crate) fn end_ns(&self) -> u64 {
        self.start_ns + self.duration_us() * 1_000
    }

    /// When the data plane reports it next: at 100 ms, then at twice the age, at most 10 s later.
    pub(crate) fn next_report_ns(&self) -> u64 {
        let age_ns = if self.reported_ns == 0 {
            HttpProgressEvent::FIRST_AFTER_MS * MS
        } else {
            self.reported_ns + self.reported_ns.min(10 * SECOND)
        };
        self.end_ns().min(self.start_ns + age_ns)
    }

    fn timings(&self, until_us: u64) -> Timings {
        let step = |offset: u64| {
            if offset <= until_us {
                offset as u32
            } else {
                Timings::UNSET
            }
        };
        if matches!(self.ending, Ending::Gateway(_)) {
            return Timings {
                head_read_us: step(HEAD_US),
                ..Timings::NONE
            };
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
        };
        let attempt = if is_answered {
            AttemptOutcome::Responded
        } else {
            AttemptOutcome::Cancelled
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
