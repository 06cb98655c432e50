//! Fields that RAUTA speaks for toward the backend: who the client is, which request and trace this
//! is. A trusted peer's are kept or continued; anyone else's are made anew, for a backend relies on
//! them.

use crate::connection::Client;
use crate::record::Exchange;
use http::header::{EXPECT, HeaderName, HeaderValue, UPGRADE};
use rauta_http1::{Headers, Request, RequestError, strip_hop_by_hop};
use rauta_schemas::TraceContext;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The name under which a request is known to all who handle it.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A longer id than this is replaced: it would be copied into every log behind us.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// What a trace needs that RAUTA begins.
pub(crate) struct NewTrace<'a> {
    /// How many of a million are recorded.
    pub(crate) per_million: u32,
    /// Where ids come from.
    pub(crate) random: &'a mut fastrand::Rng,
}

/// Takes the hop-by-hop fields out of a request and sets those that RAUTA speaks for; says which
/// trace it belongs to. `public_port` is the listener's port.
pub(crate) fn prepare(
    request: &mut Request,
    client: &mut Client,
    public_port: u16,
    new: NewTrace<'_>,
) -> Result<TraceContext, RequestError> {
    strip_hop_by_hop(&mut request.headers)?;
    let headers = &mut request.headers;
    if let Some(upgrade) = &request.upgrade {
        headers.append(UPGRADE, upgrade.clone());
    }
    if request.expect_continue {
        headers.append(EXPECT, HeaderValue::from_static("100-continue"));
    }
    let told = Told::take_out(headers, client.is_trusted);
    set_forwarded(
        headers,
        &told,
        client,
        public_port,
        request.authority.as_str(),
    );
    if !told.has_request_id {
        headers.append(
            REQUEST_ID.clone(),
            hex_value(&new.random.u128(..).to_be_bytes()),
        );
    }
    Ok(continue_trace(headers, &told, new))
}

/// What the peer said in the fields that RAUTA speaks for.
#[derive(Default)]
struct Told {
    /// A trusted peer's hops.
    hops: Option<Vec<u8>>,
    has_proto: bool,
    has_host: bool,
    has_port: bool,
    has_request_id: bool,
    has_tracestate: bool,
    traceparents: usize,
    /// The last trace that was sound.
    trace: Option<([u8; 16], [u8; 8], u8)>,
}

impl Told {
    /// Takes out what is not believed, and what will be said anew.
    fn take_out(headers: &mut Headers, is_trusted: bool) -> Self {
        let mut told = Self::default();
        let keep = |has: &mut bool, is_kept: bool| {
            *has |= is_kept;
            is_kept
        };
        headers.retain(|name, value| match name.as_str() {
            // Nobody but RAUTA could vouch for it, and RAUTA asks clients for no certificate.
            "x-forwarded-client-cert" => false,
            "forwarded" | "x-real-ip" => is_trusted,
            "x-forwarded-for" => {
                if is_trusted {
                    told.add_hop(value);
                }
                false
            }
            "x-forwarded-proto" => keep(&mut told.has_proto, is_trusted),
            "x-forwarded-host" => keep(&mut told.has_host, is_trusted),
            "x-forwarded-port" => keep(&mut told.has_port, is_trusted),
            "x-request-id" => keep(
                &mut told.has_request_id,
                is_trusted && value.len() <= REQUEST_ID_BYTES_MAX,
            ),
            "traceparent" => {
                told.traceparents += 1;
                told.trace = parse_traceparent(value);
                false
            }
            "tracestate" => keep(&mut told.has_tracestate, true),
            _ => true,
        });
        told
    }

    fn add_hop(&mut self, hop: &[u8]) {
        let hops = self.hops.get_or_insert_default();
        if !hops.is_empty() {
            hops.extend_from_slice(b", ");
        }
        hops.extend_from_slice(hop);
    }
}

fn set_forwarded(
    headers: &mut Headers,
    told: &Told,
    client: &mut Client,
    port: u16,
    authority: &str,
) {
    let own = client.forwarded_for();
    let hops = match &told.hops {
        Some(hops) => {
            let joined = [hops, own.as_bytes()].join(&b", "[..]);
            HeaderValue::from_bytes(&joined).unwrap_or(own)
        }
        None => own,
    };
    headers.append(FORWARDED_FOR.clone(), hops);
    if !told.has_proto {
        let scheme = if client.is_tls { "https" } else { "http" };
        headers.append(FORWARDED_PROTO.clone(), HeaderValue::from_static(scheme));
    }
    if !told.has_host {
        headers.append(FORWARDED_HOST.clone(), value(authority));
    }
    if !told.has_port {
        let made = match &client.forwarded_port {
            Some((made_for, made)) if *made_for == port => made.clone(),
            _ => {
                let made = HeaderValue::from(port);
                client.forwarded_port = Some((port, made.clone()));
                made
            }
        };
        headers.append(FORWARDED_PORT.clone(), made);
    }
}

/// W3C Trace Context: a sound `traceparent` is continued with a span of RAUTA's own, anything else
/// is replaced by a new trace, and then `tracestate` has lost its meaning. Whoever began a trace
/// has chosen whether it is recorded; RAUTA chooses where it begins one.
fn continue_trace(headers: &mut Headers, told: &Told, new: NewTrace<'_>) -> TraceContext {
    let NewTrace {
        per_million,
        random,
    } = new;
    let span_id = nonzero(random).to_be_bytes();
    let trace = match told.trace.filter(|_| told.traceparents == 1) {
        Some((trace_id, parent_id, flags)) => TraceContext {
            trace_id,
            span_id,
            parent_id,
            flags,
        },
        None => {
            if told.has_tracestate {
                headers.remove(&TRACESTATE);
            }
            let trace_id = [nonzero(random).to_be_bytes(), nonzero(random).to_be_bytes()];
            let mut joined = [0; 16];
            joined[..8].copy_from_slice(&trace_id[0]);
            joined[8..].copy_from_slice(&trace_id[1]);
            TraceContext {
                trace_id: joined,
                span_id,
                parent_id: [0; 8],
                flags: u8::from(per_million > 0 && random.u32(..1_000_000) < per_million),
            }
        }
    };
    set_traceparent(headers, &trace, 0);
    trace
}

/// Makes the span of another attempt the parent of what the backend does. `made` attempts were
/// made before; a filter that took the field out has the last word.
pub(crate) fn set_attempt(headers: &mut Headers, exchange: &Exchange, made: u32) {
    if headers.contains(&TRACEPARENT) {
        let attempt = u8::try_from(made).unwrap_or(u8::MAX);
        set_traceparent(headers, &exchange.trace(), attempt);
    }
}

fn set_traceparent(headers: &mut Headers, trace: &TraceContext, attempt: u8) {
    let mut text = [0; TRACEPARENT_BYTES];
    text[..3].copy_from_slice(b"00-");
    put_hex(&mut text[3..35], &trace.trace_id);
    text[35] = b'-';
    put_hex(&mut text[36..52], &trace.attempt_span_id(attempt));
    text[52] = b'-';
    put_hex(&mut text[53..], &[trace.flags]);
    if let Ok(made) = HeaderValue::from_bytes(&text) {
        headers.insert(TRACEPARENT.clone(), made);
    }
}

const TRACEPARENT_BYTES: usize = 55;

fn nonzero(random: &mut fastrand::Rng) -> u64 {
    random.u64(1..)
}

/// Reads `version-traceid-parentid-flags`; later versions may go on after a dash.
fn parse_traceparent(text: &[u8]) -> Option<([u8; 16], [u8; 8], u8)> {
    let [version, trace_id, parent, flags] = [0..2, 3..35, 36..52, 53..55].map(|at| text.get(at));
    let is_dashed = [2, 35, 52].iter().all(|&at| text.get(at) == Some(&b'-'));
    let is_whole = match text.get(TRACEPARENT_BYTES) {
        None => true,
        Some(next) => *next == b'-' && version != Some(b"00"),
    };
    let mut id = [0; 16];
    let (mut parent_id, mut flag, mut number) = ([0; 8], [0; 1], [0; 1]);
    read_hex(version?, &mut number)?;
    read_hex(trace_id?, &mut id)?;
    read_hex(parent?, &mut parent_id)?;
    read_hex(flags?, &mut flag)?;
    let is_sound = is_dashed && is_whole && number != [0xff] && id != [0; 16];
    // Only the sampled bit is known in version 00; what is not known is not passed on.
    (is_sound && parent_id != [0; 8]).then_some((id, parent_id, flag[0] & 1))
}

/// Lower-case digits only, as the recommendation demands.
fn read_hex(text: &[u8], out: &mut [u8]) -> Option<()> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    for (pair, out) in text.chunks_exact(2).zip(out) {
        *out = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

fn put_hex(out: &mut [u8], bytes: &[u8]) {
    let (pairs, _) = out.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = PAIRS[usize::from(*byte)];
    }
}

/// The two digits of each byte.
static PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xf]];
        byte += 1;
    }
    pairs
};

fn hex_value(bytes: &[u8; 16]) -> HeaderValue {
    let mut text = [0; 32];
    put_hex(&mut text, bytes);
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// Hosts and addresses hold no byte that a field could not.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
