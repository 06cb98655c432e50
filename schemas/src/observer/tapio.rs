//! The anomaly as the platform's Go programs know it: `ObserverEvent` with exactly their names,
//! published on `tapio.events.<type>.<subtype>`. What they have no field for stands in `raw_data`.

use super::emission::Emission;
use super::evidence::Evidence;
use crate::document::{Document, non_empty};
use crate::{AnomalyKind, FourTuple, ObserverEvent, Phase, Severity, Timestamp, Unit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most that `raw_data` may take, bytes of base64.
pub const RAW_DATA_BYTES_MAX: usize = 8192;

/// An anomaly in the form of the platform's first programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TapioEvent {
    /// A ULID.
    pub id: String,
    /// `network` or `health`.
    pub r#type: String,
    /// `http_slow_response`, `http_error_spike`, `probe_failed` or `endpoint_ejected`.
    pub subtype: String,
    /// Always `rauta`.
    pub source: String,
    /// When the last exchange that belongs to it was seen.
    pub timestamp: Timestamp,
    /// W3C trace id of a sample, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Span id of that sample, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// Trace flags of that sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_flags: Option<u8>,
    /// How long the answers judged took, or the sample did, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// How bad.
    pub severity: Severity,
    /// `failure` for an anomaly, `success` for its all-clear.
    pub outcome: WireOutcome,
    /// What failed; absent in an all-clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TapioError>,
    /// The connection and request of a sample.
    pub network_data: TapioNetworkData,
    /// The [`Evidence`] as JSON in base64, at most 8 KiB: samples are left out until it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_data: Option<String>,
}

/// How the platform's documents say that something went well or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WireOutcome {
    /// All is well (again).
    Success,
    /// Something failed.
    Failure,
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TapioError {
    /// A stable code, e.g. `HTTP_SLOW_RESPONSE`.
    pub code: String,
    /// What was seen, against what, and where.
    pub message: String,
}

/// The connection and request of the sample that shows the anomaly best: the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TapioNetworkData {
    /// Always `HTTP`.
    pub protocol: String,
    /// Who opened the connection: RAUTA toward the endpoint, or else the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_ip: Option<String>,
    /// Who accepted it: the endpoint, or else RAUTA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst_ip: Option<String>,
    /// The opener's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u16>,
    /// The acceptor's port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u16>,
    /// The method, where the anomaly is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// The route's path template; never a path as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// The status of the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status_code: Option<i32>,
    /// The same duration as above, nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<i64>,
    /// The endpoint's pod, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// The namespace of pod, backend or route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl Document for TapioEvent {
    const NAME: &'static str = "tapio_event";
}

impl TapioEvent {
    /// The subject it is published on: `tapio.events.<type>.<subtype>`.
    pub fn subject(&self) -> String {
        format!("tapio.events.{}.{}", self.r#type, self.subtype)
    }
}

impl ObserverEvent {
    /// The document for the platform's Go programs.
    pub fn tapio(&self) -> TapioEvent {
        self.tapio_with(Evidence::new(self))
    }

    /// The same document, with the anomaly's place among all that were emitted.
    pub fn tapio_emitted(&self, emission: &Emission) -> TapioEvent {
        self.tapio_with(Evidence::new(self).with_emission(emission))
    }

    fn tapio_with(&self, evidence: Evidence) -> TapioEvent {
        let (kind, subtype) = self.kind.tapio_type();
        let sample = self.samples.first();
        let trace = sample.map(|sample| sample.trace).unwrap_or_default();
        let trace_id = trace.trace_id_hex();
        let duration_ns = self.duration_ns();
        TapioEvent {
            id: self.id.to_string(),
            r#type: kind.to_owned(),
            subtype: subtype.to_owned(),
            source: "rauta".to_owned(),
            timestamp: Timestamp::from_ns(self.last_ns),
            span_id: trace.span_id_hex().filter(|_| trace_id.is_some()),
            trace_flags: trace_id.is_some().then_some(trace.flags),
            trace_id,
            duration: duration_ns.map(|ns| ns / 1000),
            severity: self.severity,
            outcome: self.wire_outcome(),
            error: (self.phase == Phase::Firing).then(|| TapioError {
                code: self.code().to_owned(),
                message: format!("{}: {}", self.what_failed(), self.message()),
            }),
            network_data: self.network_data(duration_ns),
            raw_data: raw_data(evidence),
        }
    }

    fn network_data(&self, duration_ns: Option<u64>) -> TapioNetworkData {
        let sample = self.samples.first();
        let tuple = self.connection();
        let status = sample.map(|sample| sample.status).filter(|s| *s != 0);
        let rule = self.subject.rule.as_ref();
        TapioNetworkData {
            protocol: "HTTP".to_owned(),
            src_ip: tuple.map(|t| t.source.ip().to_string()),
            dst_ip: tuple.map(|t| t.destination.ip().to_string()),
            src_port: tuple.map(|t| t.source.port()),
            dst_port: tuple.map(|t| t.destination.port()),
            http_method: self.subject.method.map(|method| method.label().to_owned()),
            http_path: rule.and_then(|rule| non_empty(&rule.template)),
            http_status_code: status.map(i32::from),
            duration: duration_ns.and_then(|ns| ns.try_into().ok()),
            pod_name: self.pod().map(|(_, name)| name.to_owned()),
            namespace: self.namespace().map(str::to_owned),
        }
    }

    /// The connection of the first sample: toward the endpoint where it got that far.
    pub(super) fn connection(&self) -> Option<&FourTuple> {
        let sample = self.samples.first()?;
        let tuples = [&sample.upstream, &sample.downstream];
        tuples.into_iter().find(|tuple| tuple.is_known())
    }

    /// How long the answers judged took, or else the first sample.
    pub(super) fn duration_ns(&self) -> Option<u64> {
        let duration_ns = if self.observed.unit == Unit::Ms {
            // A cast of floats saturates, and makes nothing of what is no number.
            (self.observed.value * 1e6) as u64
        } else {
            self.samples.first()?.duration_ns
        };
        // Readers hold it in a signed number.
        Some(duration_ns.min(i64::MAX as u64))
    }

    /// The endpoint's pod as namespace and name.
    pub(super) fn pod(&self) -> Option<(&str, &str)> {
        self.subject.endpoint.as_ref()?.pod.split_once('/')
    }

    /// The namespace of pod, backend, route or Gateway: the first that is known.
    pub fn namespace(&self) -> Option<&str> {
        let subject = &self.subject;
        let backend = subject.backend.as_ref().map(|b| b.namespace.as_str());
        let rule = subject.rule.as_ref().map(|r| r.namespace.as_str());
        let listener = subject.listener.as_ref().map(|l| l.namespace.as_str());
        let pod = self.pod().map(|(namespace, _)| namespace);
        pod.or(backend).or(rule).or(listener)
    }

    pub(super) fn wire_outcome(&self) -> WireOutcome {
        match self.phase {
            Phase::Firing => WireOutcome::Failure,
            Phase::Cleared => WireOutcome::Success,
        }
    }

    /// The stable code of what failed.
    pub(super) fn code(&self) -> &'static str {
        match self.kind {
            AnomalyKind::SlowResponse => "HTTP_SLOW_RESPONSE",
            AnomalyKind::ErrorSpike => "HTTP_ERROR_SPIKE",
            AnomalyKind::ProbeFailed => "PROBE_FAILED",
            AnomalyKind::EndpointEjected => "ENDPOINT_EJECTED",
        }
    }
}

impl AnomalyKind {
    /// Type and subtype as the platform's Go programs and their subjects name them.
    pub const fn tapio_type(self) -> (&'static str, &'static str) {
        match self {
            Self::SlowResponse => ("network", "http_slow_response"),
            Self::ErrorSpike => ("network", "http_error_spike"),
            Self::ProbeFailed => ("health", "probe_failed"),
            Self::EndpointEjected => ("health", "endpoint_ejected"),
        }
    }
}

/// The evidence as JSON in base64, with as many samples as fit; `None` where even its names are
/// too long.
fn raw_data(mut evidence: Evidence) -> Option<String> {
    loop {
        let json = serde_json::to_vec(&evidence).ok()?;
        let is_fitting = base64::encoded_len(json.len(), true)? <= RAW_DATA_BYTES_MAX;
        if is_fitting {
            return Some(STANDARD.encode(json));
        }
        evidence.exchanges.pop()?;
    }
}
