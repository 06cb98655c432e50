//! The evidence of an anomaly as it stands in both wire forms: facts with their units, no guesses.

use super::emission::Emission;
use crate::document::{
    AttemptDocument, IdentityDocument, SCHEMA_VERSION, TimingsDocument, is_unknown, non_empty,
    outcomes,
};
use crate::{
    AnomalyKind, Baseline, ExchangeId, FourTuple, HttpMethod, Observed, ObserverEvent, Outcome,
    Phase, Reason, SampleExchange, Side, Timestamp, Unit,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nanoseconds in a millisecond.
const MS_NS: u64 = 1_000_000;

/// What was seen, against what, with samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The version of this document's form.
    pub schema_version: u32,
    /// What was found.
    pub kind: AnomalyKind,
    /// Is it there, or over?
    pub phase: Phase,
    /// Joins the repeats of one anomaly and its all-clear.
    pub key: String,
    /// How many exchanges belong to it so far, from 1 (for ejections: how many there were).
    pub count: u64,
    /// The first exchange that belongs to it.
    pub first: Timestamp,
    /// The last one so far.
    pub last: Timestamp,
    /// The window that was judged, milliseconds.
    pub window_ms: u64,
    /// Which side failed.
    pub side: Side,
    /// Why, where the exchanges agree on it; `none` where they do not.
    pub reason: Reason,
    /// Do the exchanges hang: is every affected one still open?
    pub is_hang: bool,
    /// Listener, rule, backend and endpoint it is about.
    #[serde(flatten)]
    pub identity: IdentityDocument,
    /// The method, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<HttpMethod>,
    /// What is normal; absent where nothing is known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineDocument>,
    /// What was seen instead.
    pub observed: ObservedDocument,
    /// Exchanges that show it, at most five.
    pub exchanges: Vec<ExchangeSample>,
    /// Its place among all that this run of RAUTA has emitted, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emission: Option<Emission>,
}

/// What is normal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineDocument {
    /// The normal value, in `unit`.
    pub value: f64,
    /// What the value is measured in.
    pub unit: Unit,
    /// Which quantile it is (0.99 = p99); absent for shares and counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantile: Option<f64>,
    /// How many exchanges it was learnt from.
    pub samples: u64,
    /// How long the time was that it was learnt over, milliseconds.
    pub window_ms: u64,
    /// Was it learnt from traffic? `false` = a default, because too little was seen yet.
    pub is_learnt: bool,
}

/// What was seen in the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObservedDocument {
    /// The value that was judged, in `unit`: for slow responses the median of those over the
    /// threshold, for error spikes the share of failures, for probes and ejections the failures
    /// in a row.
    pub value: f64,
    /// What the value and the threshold are measured in.
    pub unit: Unit,
    /// The value from which on it is an anomaly, in `unit`.
    pub threshold: f64,
    /// Exchanges beyond the threshold, or failed.
    pub affected: u64,
    /// Those of them that are still open.
    pub open: u64,
    /// All exchanges in the window.
    pub total: u64,
    /// How likely so many are by chance under the baseline, where that was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Events lost on their way to the detector: where there are any, the counts are lower bounds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

/// One exchange that shows the anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExchangeSample {
    /// Which exchange: joins with the HTTP documents.
    pub exchange: ExchangeId,
    /// When the request head's first byte arrived.
    pub timestamp: Timestamp,
    /// The first bytes of the path, without the query, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The status sent to the client, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `grpc-status`, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u8>,
    /// From the head's first byte to the exchange's end, or its age so far, milliseconds.
    pub duration_ms: f64,
    /// The steps between.
    pub timings: TimingsDocument,
    /// How it ended; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Who is at fault.
    pub side: Side,
    /// Why.
    pub reason: Reason,
    /// How many attempts were made at backends.
    pub attempts_count: u8,
    /// The first attempt where there was more than one, then the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptDocument>,
    /// W3C trace id, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// RAUTA's own span, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// The endpoint it went to as `ip:port`, where one was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Client and RAUTA, where known.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub downstream: FourTuple,
    /// RAUTA and the endpoint, where one was reached.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub upstream: FourTuple,
}

impl Evidence {
    /// The evidence of an anomaly.
    pub fn new(event: &ObserverEvent) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            kind: event.kind,
            phase: event.phase,
            key: event.key.clone(),
            count: event.count,
            first: Timestamp::from_ns(event.first_ns),
            last: Timestamp::from_ns(event.last_ns),
            window_ms: event.window_ns / MS_NS,
            side: event.side,
            reason: event.reason,
            is_hang: event.is_hang(),
            identity: IdentityDocument::of(&event.subject),
            method: event.subject.method,
            baseline: event
                .baseline
                .as_ref()
                .map(|baseline| BaselineDocument::new(baseline, event.observed.unit)),
            observed: ObservedDocument::new(&event.observed),
            exchanges: event.samples.iter().map(ExchangeSample::new).collect(),
            emission: None,
        }
    }
}

impl BaselineDocument {
    fn new(baseline: &Baseline, unit: Unit) -> Self {
        Self {
            value: rounded(baseline.value),
            unit,
            quantile: baseline.quantile.map(rounded),
            samples: baseline.samples,
            window_ms: baseline.window_ns / MS_NS,
            is_learnt: baseline.is_learnt,
        }
    }
}

impl ObservedDocument {
    fn new(observed: &Observed) -> Self {
        Self {
            value: rounded(observed.value),
            unit: observed.unit,
            threshold: rounded(observed.threshold),
            affected: observed.affected,
            open: observed.open,
            total: observed.total,
            chance: observed.chance.filter(|chance| chance.is_finite()),
            lost: observed.lost,
        }
    }
}

impl ExchangeSample {
    fn new(sample: &SampleExchange) -> Self {
        Self {
            exchange: sample.exchange,
            timestamp: Timestamp::from_ns(sample.wall_ns),
            path: non_empty(&sample.path),
            status: (sample.status != 0).then_some(sample.status),
            grpc_status: sample.grpc_status,
            duration_ms: ms(sample.duration_ns),
            timings: TimingsDocument::from(&sample.timings),
            outcome: sample.outcome,
            side: sample.side,
            reason: sample.reason,
            attempts_count: sample.attempts_count,
            attempts: outcomes(sample.attempts),
            trace_id: sample.trace.trace_id_hex(),
            span_id: sample.trace.span_id_hex(),
            endpoint: non_empty(&sample.endpoint),
            downstream: sample.downstream,
            upstream: sample.upstream,
        }
    }
}

/// Nanoseconds as milliseconds with three places.
pub(super) fn ms(ns: u64) -> f64 {
    rounded(ns as f64 / MS_NS as f64)
}

/// A number that every reader can hold: finite, at most six places.
fn rounded(value: f64) -> f64 {
    if !value.is_finite() {
        return 0.0;
    }
    (value * 1e6).round() / 1e6
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
