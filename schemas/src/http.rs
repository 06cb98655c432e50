//! The two events of every HTTP exchange, and the progress of long ones.

use crate::{
    Address, AttemptOutcome, BackendId, EndpointId, ExchangeId, FourTuple, InlineText, ListenerId,
    Outcome, Reason, RuleId, Side,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most an [`HttpDetail`] may hold, in bytes over all its texts.
pub const DETAIL_BYTES_MAX: usize = 4096;

/// Who saw the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Source {
    /// The data plane: it carried the exchange.
    Proxy,
    /// The kernel observer: it watched the exchange go by.
    Observer,
}

/// The request's method; what is not registered becomes `Other` (`_OTHER` in metrics).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
#[expect(missing_docs, reason = "the variants are the methods themselves")]
pub enum HttpMethod {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    #[serde(rename = "_OTHER")]
    Other,
}

impl HttpMethod {
    /// The method's name, `_OTHER` where it is not a registered one.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => "_OTHER",
        }
    }

    /// Reads a method's name as it stands in a request line.
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "CONNECT" => Self::Connect,
            "OPTIONS" => Self::Options,
            "TRACE" => Self::Trace,
            "PATCH" => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// The protocol version spoken on one side.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[repr(u8)]
pub enum HttpVersion {
    /// Not known, or no connection on that side.
    #[default]
    #[serde(rename = "")]
    Unknown,
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

impl HttpVersion {
    /// The value of `network.protocol.version`: `1.0`, `1.1`, `2`, or empty.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// W3C trace context of the exchange; all zero where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceContext {
    /// 16 bytes, all zero = none.
    pub trace_id: [u8; 16],
    /// RAUTA's own span of the exchange, 8 bytes; the parent of those of its attempts.
    pub span_id: [u8; 8],
    /// The span that the client named as its own, 8 bytes; all zero = RAUTA began the trace.
    pub parent_id: [u8; 8],
    /// Trace flags; bit 0 = sampled.
    pub flags: u8,
}

impl TraceContext {
    /// The trace id as 32 hexadecimal digits, where there is one.
    pub fn trace_id_hex(&self) -> Option<String> {
        hex(&self.trace_id)
    }

    /// RAUTA's span of one attempt, counted from 0; the backend sees it as its parent. It follows
    /// from [`Self::span_id`], so that whoever sends it and whoever reports it need not tell each
    /// other.
    pub fn attempt_span_id(&self, attempt: u8) -> [u8; 8] {
        // The finaliser of SplitMix64, a permutation: neighbours land far apart.
        let own = u64::from_be_bytes(self.span_id);
        let step = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(attempt) + 1);
        let mut bits = own.wrapping_add(step);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // Zero would mean that there is none.
        bits.max(1).to_be_bytes()
    }

    /// Did whoever began the trace, or RAUTA where it did, choose it to be recorded?
    pub const fn is_sampled(&self) -> bool {
        self.flags & 1 != 0
    }

    /// The span id as 16 hexadecimal digits, where there is one.
    pub fn span_id_hex(&self) -> Option<String> {
        hex(&self.span_id)
    }
}

/// `None` for zeros only: W3C's "there is none".
fn hex(bytes: &[u8]) -> Option<String> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    Some(text)
}

/// Which configuration an exchange met. Each id resolves through [`crate::Names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The listener (and by it the Gateway).
    pub listener: ListenerId,
    /// The rule (and by it the route).
    pub rule: RuleId,
    /// The backend that was chosen.
    pub backend: BackendId,
    /// The endpoint of the last attempt.
    pub endpoint: EndpointId,
}

/// A request's head is complete, or RAUTA answered before it was.
#[derive(Clone, Debug)]
pub struct HttpRequestEvent {
    /// Joins with the [`HttpResponseEvent`].
    pub exchange: ExchangeId,
    /// Wall time of the head's first byte, nanoseconds since 1970.
    pub wall_ns: u64,
    /// `CLOCK_MONOTONIC` of the head's first byte, nanoseconds.
    pub start_ns: u64,
    /// Client and RAUTA: the downstream connection.
    pub downstream: FourTuple,
    /// The first bytes of the path, without the query.
    pub path: InlineText<40>,
    /// The first bytes of the authority, lower case.
    pub authority: InlineText<24>,
    /// What does not fit a slot; only for exchanges that access log or sampling chose.
    pub detail: Option<Box<HttpDetail>>,
    /// The listener that took it; rule and backend are known with the response.
    pub listener: ListenerId,
    /// The method.
    pub method: HttpMethod,
    /// The version spoken by the client.
    pub version: HttpVersion,
    /// Who saw it.
    pub source: Source,
    /// Is this a kubelet-style probe from a trusted source?
    pub is_probe: bool,
}

/// Offsets from the head's first byte, in microseconds; [`Timings::UNSET`] where a step was not
/// reached. They saturate at 71 minutes; only the end can be later and has its own field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timings {
    /// The request's head was read and valid.
    pub head_read_us: u32,
    /// Backend and endpoint of the last attempt were chosen.
    pub upstream_chosen_us: u32,
    /// The connection to it stood (reused connections: the moment it was taken).
    pub connected_us: u32,
    /// The request's last byte was handed to the kernel.
    pub sent_us: u32,
    /// The first byte of the final response head arrived.
    pub first_byte_us: u32,
}

impl Timings {
    /// A step that was not reached.
    pub const UNSET: u32 = u32::MAX;
    /// No step reached.
    pub const NONE: Self = Self {
        head_read_us: Self::UNSET,
        upstream_chosen_us: Self::UNSET,
        connected_us: Self::UNSET,
        sent_us: Self::UNSET,
        first_byte_us: Self::UNSET,
    };
}

impl Default for Timings {
    fn default() -> Self {
        Self::NONE
    }
}

/// One attempt at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The endpoint tried.
    pub endpoint: EndpointId,
    /// When it was chosen: offset from the request head's first byte, microseconds, saturating.
    pub start_us: u32,
    /// From choosing the endpoint to the attempt's outcome, microseconds, saturating.
    pub duration_us: u32,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// The status it was answered with; 0 where no response came.
    pub status: u16,
}

impl Attempt {
    /// No attempt.
    pub const NONE: Self = Self {
        endpoint: EndpointId::NONE,
        start_us: 0,
        duration_us: 0,
        outcome: AttemptOutcome::None,
        status: 0,
    };
}

/// An exchange is over: exactly one for each [`HttpRequestEvent`], whatever path it took.
#[derive(Clone, Debug)]
pub struct HttpResponseEvent {
    /// Joins with the [`HttpRequestEvent`].
    pub exchange: ExchangeId,
    /// Wall time of the request head's first byte, nanoseconds since 1970.
    pub wall_ns: u64,
    /// `CLOCK_MONOTONIC` of the request head's first byte, nanoseconds.
    pub start_ns: u64,
    /// From the head's first byte to the response's last byte, or to the exchange's end, ns.
    pub last_byte_ns: u64,
    /// The steps between.
    pub timings: Timings,
    /// Bytes of the request's body as received from the client.
    pub request_bytes: u64,
    /// Bytes of the response's body as sent to the client.
    pub response_bytes: u64,
    /// W3C trace context.
    pub trace: TraceContext,
    /// RAUTA's own address toward the backend and the backend's; unknown where none was reached.
    pub upstream: FourTuple,
    /// Listener, rule, backend, endpoint.
    pub identity: Identity,
    /// What does not fit a slot: whole for exchanges that access log or tracing chose, with the
    /// attempts alone for others of which one failed.
    pub detail: Option<Box<HttpDetail>>,
    /// The status sent to the client; 0 where none was sent.
    pub status: u16,
    /// `grpc-status` of the response or its trailers; `None` where there was none.
    pub grpc_status: Option<u8>,
    /// How many attempts were made; those past two are in the detail.
    pub attempts_count: u8,
    /// The first attempt's outcome where there was more than one, then the last's.
    pub attempts: [AttemptOutcome; 2],
    /// The request's method, again, so that detectors need no join.
    pub method: HttpMethod,
    /// The version spoken by the client.
    pub downstream_version: HttpVersion,
    /// The version spoken with the backend.
    pub upstream_version: HttpVersion,
    /// How it ended.
    pub outcome: Outcome,
    /// Who is at fault.
    pub side: Side,
    /// Why.
    pub reason: Reason,
    /// Who saw it.
    pub source: Source,
    /// Is this a kubelet-style probe from a trusted source?
    pub is_probe: bool,
    /// Is its duration no measure of the backend's speed (upgrade, event stream)?
    pub is_streaming: bool,
    /// Did the client speak TLS?
    pub is_tls: bool,
    /// Is TLS spoken with the backend?
    pub is_upstream_tls: bool,
}

/// An exchange is still open: sent at the age of [`HttpProgressEvent::FIRST_AFTER_MS`] and then at
/// growing intervals, so that hanging backends, tunnels and hours-long streams stay visible; and
/// within 100 ms once the answer's first byte came after the exchange was said to wait for it.
#[derive(Clone, Debug)]
pub struct HttpProgressEvent {
    /// Joins with the [`HttpRequestEvent`].
    pub exchange: ExchangeId,
    /// `CLOCK_MONOTONIC` of the request head's first byte, nanoseconds.
    pub start_ns: u64,
    /// The exchange's age, nanoseconds.
    pub age_ns: u64,
    /// The steps so far: what is still unset has not happened yet. They tell whether the exchange
    /// waits for the backend (`sent` is set) or for the client (it is not).
    pub timings: Timings,
    /// Bytes of the request's body so far.
    pub request_bytes: u64,
    /// Bytes of the response's body so far.
    pub response_bytes: u64,
    /// Listener, rule, backend, endpoint as far as known.
    pub identity: Identity,
    /// The upstream connection as far as known.
    pub upstream: FourTuple,
    /// The method.
    pub method: HttpMethod,
    /// Status sent so far; 0 = the response's head has not arrived.
    pub status: u16,
    /// Is it a tunnel or an event stream?
    pub is_streaming: bool,
    /// Who saw it.
    pub source: Source,
    /// Is this a kubelet-style probe from a trusted source?
    pub is_probe: bool,
}

impl HttpProgressEvent {
    /// The age at which an exchange is first reported open, milliseconds.
    pub const FIRST_AFTER_MS: u64 = 100;
}

/// What does not fit an event's slot; at most [`DETAIL_BYTES_MAX`] bytes of text in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpDetail {
    /// The whole path and query, bounded.
    pub path: String,
    /// The whole authority.
    pub authority: String,
    /// `User-Agent`.
    pub user_agent: String,
    /// `X-Request-Id`, the client's or RAUTA's.
    pub request_id: String,
    /// `X-Forwarded-For` or the PROXY protocol's client, where trusted.
    pub client: Address,
    /// All attempts, in order.
    pub attempts: Vec<Attempt>,
}

/// The texts of a detail, as long as they come; [`HttpDetail::fill`] bounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetailTexts<'a> {
    /// Path and query.
    pub path: &'a str,
    /// The authority.
    pub authority: &'a str,
    /// `User-Agent`.
    pub user_agent: &'a str,
    /// `X-Request-Id`.
    pub request_id: &'a str,
}

impl HttpDetail {
    /// The most that is kept of path and query, bytes.
    pub const PATH_BYTES_MAX: usize = 2048;
    /// The most that is kept of the authority, bytes.
    pub const AUTHORITY_BYTES_MAX: usize = 512;
    /// The most that is kept of `User-Agent`, bytes.
    pub const USER_AGENT_BYTES_MAX: usize = 1024;
    /// The most that is kept of `X-Request-Id`, bytes.
    pub const REQUEST_ID_BYTES_MAX: usize = 512;

    /// Puts other texts in place of those there, each cut at its limit. Memory that is there is
    /// used again.
    pub fn fill(&mut self, texts: DetailTexts<'_>) {
        put(&mut self.path, texts.path, Self::PATH_BYTES_MAX);
        put(
            &mut self.authority,
            texts.authority,
            Self::AUTHORITY_BYTES_MAX,
        );
        put(
            &mut self.user_agent,
            texts.user_agent,
            Self::USER_AGENT_BYTES_MAX,
        );
        put(
            &mut self.request_id,
            texts.request_id,
            Self::REQUEST_ID_BYTES_MAX,
        );
    }

    /// Empties it and keeps its memory, except for texts that have more than they may.
    pub fn clear(&mut self) {
        self.fill(DetailTexts::default());
        self.client = Address::UNKNOWN;
        self.attempts.clear();
    }
}

const _: () = assert!(
    HttpDetail::PATH_BYTES_MAX
        + HttpDetail::AUTHORITY_BYTES_MAX
        + HttpDetail::USER_AGENT_BYTES_MAX
        + HttpDetail::REQUEST_ID_BYTES_MAX
        <= DETAIL_BYTES_MAX
);

fn put(place: &mut String, text: &str, max: usize) {
    place.clear();
    place.shrink_to(max);
    place.push_str(&text[..text.floor_char_boundary(max)]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_detail_is_bounded_and_keeps_prefixes(
            path in ".{0,3000}", user_agent in ".{0,2000}", request_id in ".{0,900}",
        ) {
            let mut detail = HttpDetail {
                path: "an earlier exchange's".to_owned(),
                ..HttpDetail::default()
            };
            let texts = DetailTexts {
                path: &path,
                authority: "shop.example.com",
                user_agent: &user_agent,
                request_id: &request_id,
            };
            detail.fill(texts);
            let kept = [&detail.path, &detail.authority, &detail.user_agent, &detail.request_id];
            let whole = [texts.path, texts.authority, texts.user_agent, texts.request_id];
            for (kept, whole) in kept.into_iter().zip(whole) {
                prop_assert!(whole.starts_with(kept.as_str()));
            }
            prop_assert!(kept.iter().map(|text| text.len()).sum::<usize>() <= DETAIL_BYTES_MAX);
            detail.clear();
            prop_assert_eq!(detail, HttpDetail::default());
        }
    }

    #[test]
    fn a_cleared_detail_keeps_its_memory_within_the_limits() {
        let mut detail = HttpDetail {
            path: "p".repeat(100_000),
            authority: "a".repeat(100),
            ..HttpDetail::default()
        };
        detail.clear();
        assert!(detail.path.capacity() <= HttpDetail::PATH_BYTES_MAX);
        assert!(detail.authority.capacity() >= 100);
    }

    #[test]
    fn ids_of_traces_read_as_hexadecimal() {
        let mut trace = TraceContext::default();
        assert_eq!((trace.trace_id_hex(), trace.span_id_hex()), (None, None));
        trace.trace_id[0] = 0xab;
        trace.span_id[7] = 0x01;
        assert_eq!(
            trace.trace_id_hex(),
            Some("ab".to_owned() + &"0".repeat(30))
        );
        assert_eq!(trace.span_id_hex().as_deref(), Some("0000000000000001"));
    }

    #[test]
    fn methods_read_back_and_unknown_ones_are_other() {
        for name in [
            "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
        ] {
            assert_eq!(HttpMethod::from_name(name).label(), name);
        }
        assert_eq!(
            HttpMethod::from_name("get").label(),
            "_OTHER",
            "methods are case-sensitive"
        );
    }
}
