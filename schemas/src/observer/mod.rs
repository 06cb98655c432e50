//! The anomaly: what a processor found, with the evidence for it.
//!
//! [`ObserverEvent`] is the one internal type. It leaves the process in two forms, which differ in
//! names and places only. It states facts: what was seen, against what, with samples; no guesses
//! at causes.

mod emission; // which anomaly of which run: what makes kills auditable
mod evidence; // the evidence as it stands in both forms
mod occurrence; // the form of the platform's later programs
mod tapio; // the form of its Go programs
mod text; // message and what failed, in words

pub use emission::Emission;
pub use evidence::{BaselineDocument, Evidence, ExchangeSample, ObservedDocument};
pub use occurrence::{
    Occurrence, OccurrenceContext, OccurrenceEntity, OccurrenceError, OccurrenceNetworkData,
    Producer,
};
pub use tapio::{RAW_DATA_BYTES_MAX, TapioError, TapioEvent, TapioNetworkData, WireOutcome};

use crate::{
    AttemptOutcome, BackendName, EndpointName, ExchangeId, FourTuple, HttpMethod, ListenerName,
    Outcome, Reason, RuleName, Side, Timings, TraceContext,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use ulid::Ulid;

/// How many sample exchanges an anomaly carries at most.
pub const SAMPLES_MAX: usize = 5;

/// An anomaly, or its all-clear.
///
/// It is kept on disk in this form until every sink has delivered it: a new field needs a default,
/// so that a later RAUTA reads what an earlier one kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObserverEvent {
    /// Unique; sorts by the time of the event.
    pub id: Ulid,
    /// What was found.
    pub kind: AnomalyKind,
    /// Is it there, or over?
    pub phase: Phase,
    /// How bad.
    pub severity: Severity,
    /// Joins the repeats of one anomaly and its all-clear, e.g.
    /// `slow_response/HTTPRoute/shop/cart/0/GET`. Stable over restarts.
    pub key: String,
    /// Wall time of the first exchange that belongs to it, nanoseconds since 1970.
    pub first_ns: u64,
    /// Wall time of the last one so far, nanoseconds since 1970.
    pub last_ns: u64,
    /// The window that was judged, nanoseconds.
    pub window_ns: u64,
    /// How many exchanges belong to it so far, from 1 (for ejections: how many there were).
    pub count: u64,
    /// Which side failed.
    pub side: Side,
    /// Why, where the exchanges agree on it; `None` where they do not.
    pub reason: Reason,
    /// What it is about.
    pub subject: Subject,
    /// What is normal; `None` where the kind has no baseline or none is known yet.
    pub baseline: Option<Baseline>,
    /// What was seen instead.
    pub observed: Observed,
    /// Exchanges that show it, at most [`SAMPLES_MAX`].
    pub samples: Vec<SampleExchange>,
}

/// What an anomaly is about; absent parts are not known or do not apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The listener (and by it the Gateway).
    pub listener: Option<Arc<ListenerName>>,
    /// The rule (and by it the route and the path template).
    pub rule: Option<Arc<RuleName>>,
    /// The backend.
    pub backend: Option<Arc<BackendName>>,
    /// The endpoint, where all of the exchanges went to the same one.
    pub endpoint: Option<Arc<EndpointName>>,
    /// The method, where the anomaly is about one.
    pub method: Option<HttpMethod>,
}

/// What kinds of anomaly there are.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// Answers take far longer than this route's baseline, or do not come at all.
    SlowResponse,
    /// Far more exchanges fail with 5xx (or a failing gRPC status) than this route's baseline.
    ErrorSpike,
    /// A health probe that passed through failed repeatedly.
    ProbeFailed,
    /// An endpoint refused connections and gets no requests for a while.
    EndpointEjected,
}

impl AnomalyKind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [
        Self::SlowResponse,
        Self::ErrorSpike,
        Self::ProbeFailed,
        Self::EndpointEjected,
    ];

    /// The stable label used in metrics, logs and documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::SlowResponse => "slow_response",
            Self::ErrorSpike => "error_spike",
            Self::ProbeFailed => "probe_failed",
            Self::EndpointEjected => "endpoint_ejected",
        }
    }
}

/// Whether an anomaly is there or over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is there.
    Firing,
    /// It is over: the all-clear of the same key.
    Cleared,
}

impl Phase {
    /// The stable label used in metrics, logs and documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Cleared => "cleared",
        }
    }
}

/// How bad an anomaly is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are the platform's own words")]
pub enum Severity {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    /// The stable label used in metrics, logs and documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What a baseline, an observed value and a threshold are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// A share between 0 and 1.
    Ratio,
    /// A number of events.
    Count,
}

impl Unit {
    /// The stable label used in documents.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::Ratio => "ratio",
            Self::Count => "count",
        }
    }
}

/// What is normal for the subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The normal value, in the unit of [`Observed::unit`].
    pub value: f64,
    /// Which quantile it is (0.99 = p99); `None` for shares and counts.
    pub quantile: Option<f64>,
    /// How many exchanges it was learnt from.
    pub samples: u64,
    /// How long the time was that it was learnt over, nanoseconds.
    pub window_ns: u64,
    /// Was it learnt from traffic? `false` = a default, because too little was seen yet.
    pub is_learnt: bool,
}

/// What was seen in the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The value that was judged: for slow responses the median of those over the threshold, for
    /// error spikes the share of failures, for probes and ejections the failures in a row.
    pub value: f64,
    /// What `value`, `threshold` and the baseline's value are measured in.
    pub unit: Unit,
    /// The value from which on it is an anomaly.
    pub threshold: f64,
    /// Exchanges beyond the threshold, or failed.
    pub affected: u64,
    /// Those of `affected` that are still open: a backend that hangs shows here.
    pub open: u64,
    /// All exchanges of the subject in the window.
    pub total: u64,
    /// How likely so many are by chance under the baseline; `None` where it was not computed.
    pub chance: Option<f64>,
    /// Events that were lost on their way to the detector in the window: where there are any, the
    /// counts above are lower bounds.
    pub lost: u64,
}

/// One exchange that shows the anomaly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleExchange {
    /// Which exchange: joins with the access log and the HTTP events.
    pub exchange: ExchangeId,
    /// Wall time of the request head's first byte, nanoseconds since 1970.
    pub wall_ns: u64,
    /// The first bytes of the path, without the query; empty where not known.
    pub path: String,
    /// The status sent to the client; 0 where none was sent (yet).
    pub status: u16,
    /// `grpc-status`, where there was one.
    pub grpc_status: Option<u8>,
    /// From the head's first byte to the exchange's end, or its age so far, nanoseconds.
    pub duration_ns: u64,
    /// The steps between.
    pub timings: Timings,
    /// How it ended; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// Who is at fault.
    pub side: Side,
    /// Why.
    pub reason: Reason,
    /// How many attempts were made.
    pub attempts_count: u8,
    /// The first attempt's outcome where there was more than one, then the last's.
    pub attempts: [AttemptOutcome; 2],
    /// W3C trace context; all zero where there is none.
    pub trace: TraceContext,
    /// The endpoint it went to as `ip:port`; empty where none was reached.
    pub endpoint: String,
    /// Client and RAUTA; unknown where the event did not carry it.
    pub downstream: FourTuple,
    /// RAUTA and the endpoint; unknown where none was reached.
    pub upstream: FourTuple,
}

impl ObserverEvent {
    /// An id for an event at this wall time; `random` keeps ids of one millisecond apart.
    pub fn id_at(wall_ns: u64, random: u128) -> Ulid {
        Ulid::from_parts(wall_ns / 1_000_000, random)
    }

    /// Do the exchanges hang: is every affected one still open?
    pub fn is_hang(&self) -> bool {
        self.kind == AnomalyKind::SlowResponse
            && self.observed.open > 0
            && self.observed.open == self.observed.affected
    }
}
