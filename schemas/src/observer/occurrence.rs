//! The anomaly as an occurrence: one document that every reader of the platform's later line
//! takes. They ask for the same facts in different places, so some stand there twice.

use super::evidence::Evidence;
use super::tapio::WireOutcome;
use crate::document::{Document, SCHEMA_VERSION, non_empty};
use crate::{AnomalyKind, ObserverEvent, Phase, Severity, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most bytes that readers take as the value of a label.
const LABEL_BYTES_MAX: usize = 1000;

/// Who tells: the same for all occurrences of one RAUTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The cluster's name, from configuration.
    pub cluster: String,
    /// The node's name.
    pub node: String,
    /// RAUTA's version.
    pub version: String,
}

/// An anomaly in the form of the platform's later programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Occurrence {
    /// A ULID.
    pub id: String,
    /// When the last exchange that belongs to it was seen.
    pub timestamp: Timestamp,
    /// Always `rauta`.
    pub source: String,
    /// Three segments: `network.http.slow_response`, `service.http.error_spike`,
    /// `service.probe.failed` or `service.endpoint.ejected`.
    pub r#type: String,
    /// How bad.
    pub severity: Severity,
    /// `failure` for an anomaly, `success` for its all-clear.
    pub outcome: WireOutcome,
    /// Always `1.0`.
    pub protocol_version: String,
    /// The cluster's name.
    pub cluster: String,
    /// The namespace of pod, backend, route or Gateway; `default` where none is known.
    pub namespace: String,
    /// Connections of the samples as `source->destination`.
    pub correlation_keys: Vec<String>,
    /// What it is about, as `kind:id`.
    pub entity_ids: Vec<String>,
    /// Producer, versions, kind, phase and the anomaly's key.
    pub labels: BTreeMap<String, String>,
    /// W3C trace id of a sample, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Span id of that sample, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// How long the answers judged took, or the sample did, microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// Always `raw`: nobody has added to it yet.
    pub enrichment_state: String,
    /// The connection and request of a sample; absent where no connection is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_data: Option<OccurrenceNetworkData>,
    /// The same facts where other readers look for them.
    pub context: OccurrenceContext,
    /// What failed; absent in an all-clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<OccurrenceError>,
    /// The evidence.
    pub data: Evidence,
}

/// The connection and request of the first sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OccurrenceNetworkData {
    /// Always `HTTP`.
    pub protocol: String,
    /// Who opened the connection.
    pub src_ip: String,
    /// Who accepted it.
    pub dst_ip: String,
    /// The opener's port.
    pub src_port: u16,
    /// The acceptor's port.
    pub dst_port: u16,
    /// `egress` for RAUTA toward the endpoint, `ingress` for the client toward RAUTA.
    pub direction: String,
    /// The method, where the anomaly is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_method: Option<String>,
    /// The route's path template; never a path as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_path: Option<String>,
    /// The status of the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status_code: Option<i32>,
    /// How long the answers judged took, or the sample did, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// Where and what, as some readers look for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OccurrenceContext {
    /// The cluster's name.
    pub cluster: String,
    /// The node that tells.
    pub node: String,
    /// The same namespace as above.
    pub namespace: String,
    /// W3C trace id of a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Span id of that sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_id: Option<String>,
    /// What it is about.
    pub entities: Vec<OccurrenceEntity>,
    /// The same keys as above.
    pub correlation_keys: Vec<String>,
}

/// One thing it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OccurrenceEntity {
    /// `pod`, `service`, `endpoint` or `node`.
    pub kind: String,
    /// The same as `kind`, under the name that other readers ask for.
    pub r#type: String,
    /// `namespace/name`; `ip:port` for an endpoint.
    pub id: String,
}

/// What failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OccurrenceError {
    /// A stable code, e.g. `HTTP_SLOW_RESPONSE`.
    pub code: String,
    /// What was seen, against what.
    pub message: String,
    /// Which request on which backend.
    pub what_failed: String,
}

impl Document for Occurrence {
    const NAME: &'static str = "occurrence";
}

impl ObserverEvent {
    /// The occurrence, told by `producer`.
    pub fn occurrence(&self, producer: &Producer) -> Occurrence {
        let trace = self.samples.first().map(|s| s.trace).unwrap_or_default();
        let trace_id = trace.trace_id_hex();
        let span_id = trace.span_id_hex().filter(|_| trace_id.is_some());
        let namespace = self.namespace().unwrap_or("default").to_owned();
        let entities = self.entities();
        let entity_id = |entity: &OccurrenceEntity| format!("{}:{}", entity.kind, entity.id);
        Occurrence {
            id: self.id.to_string(),
            timestamp: Timestamp::from_ns(self.last_ns),
            source: "rauta".to_owned(),
            r#type: occurrence_type(self.kind).to_owned(),
            severity: self.severity,
            outcome: self.wire_outcome(),
            protocol_version: "1.0".to_owned(),
            cluster: producer.cluster.clone(),
            namespace: namespace.clone(),
            correlation_keys: self.correlation_keys(),
            entity_ids: entities.iter().map(entity_id).collect(),
            labels: self.labels(producer),
            trace_id: trace_id.clone(),
            span_id: span_id.clone(),
            duration_us: self.duration_ns().map(|ns| ns / 1000),
            enrichment_state: "raw".to_owned(),
            network_data: self.occurrence_network_data(),
            context: OccurrenceContext {
                cluster: producer.cluster.clone(),
                node: producer.node.clone(),
                namespace,
                trace_id,
                span_id,
                entities,
                correlation_keys: self.correlation_keys(),
            },
            error: (self.phase == Phase::Firing).then(|| OccurrenceError {
                code: self.code().to_owned(),
                message: self.message(),
                what_failed: self.what_failed(),
            }),
            data: Evidence::new(self),
        }
    }

    fn occurrence_network_data(&self) -> Option<OccurrenceNetworkData> {
        let sample = self.samples.first()?;
        let tuple = self.connection()?;
        let rule = self.subject.rule.as_ref();
        Some(OccurrenceNetworkData {
            protocol: "HTTP".to_owned(),
            src_ip: tuple.source.ip().to_string(),
            dst_ip: tuple.destination.ip().to_string(),
            src_port: tuple.source.port(),
            dst_port: tuple.destination.port(),
            direction: if sample.upstream.is_known() {
                "egress".to_owned()
            } else {
                "ingress".to_owned()
            },
            http_method: self.subject.method.map(|method| method.label().to_owned()),
            http_path: rule.and_then(|rule| non_empty(&rule.template)),
            http_status_code: (sample.status != 0).then_some(i32::from(sample.status)),
            latency_ms: self.duration_ns().map(super::evidence::ms),
        })
    }

    fn entities(&self) -> Vec<OccurrenceEntity> {
        let mut entities = Vec::new();
        let mut add = |kind: &str, id: String| {
            entities.push(OccurrenceEntity {
                kind: kind.to_owned(),
                r#type: kind.to_owned(),
                id,
            });
        };
        if let Some(endpoint) = &self.subject.endpoint {
            if !endpoint.pod.is_empty() {
                add("pod", endpoint.pod.clone());
            }
            add("endpoint", endpoint.address.clone());
            if !endpoint.node.is_empty() {
                add("node", endpoint.node.clone());
            }
        }
        if let Some(backend) = &self.subject.backend {
            add(
                "service",
                format!("{}/{}", backend.namespace, backend.service),
            );
        }
        entities
    }

    /// The samples' connections on both sides, each once.
    fn correlation_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for sample in &self.samples {
            for tuple in [&sample.upstream, &sample.downstream] {
                let key = tuple.to_string();
                if tuple.is_known() && !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys
    }

    fn labels(&self, producer: &Producer) -> BTreeMap<String, String> {
        let mut key = self.key.clone();
        key.truncate(key.floor_char_boundary(LABEL_BYTES_MAX));
        BTreeMap::from([
            ("anomaly_key".to_owned(), key),
            ("anomaly_kind".to_owned(), self.kind.label().to_owned()),
            ("node_id".to_owned(), producer.node.clone()),
            ("phase".to_owned(), self.phase.label().to_owned()),
            ("producer".to_owned(), "rauta".to_owned()),
            ("producer_version".to_owned(), producer.version.clone()),
            ("schema_version".to_owned(), SCHEMA_VERSION.to_string()),
        ])
    }
}

fn occurrence_type(kind: AnomalyKind) -> &'static str {
    match kind {
        AnomalyKind::SlowResponse => "network.http.slow_response",
        AnomalyKind::ErrorSpike => "service.http.error_spike",
        AnomalyKind::ProbeFailed => "service.probe.failed",
        AnomalyKind::EndpointEjected => "service.endpoint.ejected",
    }
}
