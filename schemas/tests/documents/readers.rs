//! What the platform's readers require of an anomaly, stated as readers of this test's own.

use base64::Engine as _;
use proptest::prelude::*;
use rauta_schemas::{
    AnomalyKind, Document, Emission, Evidence, Phase, Producer, RAW_DATA_BYTES_MAX, Ulid,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::strategy;

/// The reader that looks into `context` and asks for a protocol version and a message.
#[derive(Deserialize)]
struct ContextReader {
    id: String,
    timestamp: String,
    source: String,
    r#type: String,
    severity: String,
    outcome: String,
    protocol_version: String,
    context: Context,
    error: Option<MessageError>,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    node: String,
    namespace: String,
    correlation_keys: Vec<String>,
    entities: Vec<KindEntity>,
    trace_id: Option<String>,
}

#[derive(Deserialize)]
struct KindEntity {
    kind: String,
    id: String,
}

#[derive(Deserialize)]
struct MessageError {
    code: String,
    message: String,
}

/// The reader that asks what failed, and for the type of an entity.
#[derive(Deserialize)]
struct HubReader {
    outcome: String,
    context: HubContext,
    error: Option<HubError>,
}

#[derive(Deserialize)]
struct HubContext {
    correlation_keys: Vec<String>,
    entities: Vec<TypeEntity>,
}

#[derive(Deserialize)]
struct TypeEntity {
    r#type: String,
    id: String,
}

#[derive(Deserialize)]
struct HubError {
    code: String,
    what_failed: String,
}

/// The reader that looks at the top level, parses the id, and has typed network data.
#[derive(Deserialize)]
struct TopLevelReader {
    id: String,
    r#type: String,
    cluster: String,
    namespace: String,
    correlation_keys: Vec<String>,
    entity_ids: Vec<String>,
    labels: std::collections::BTreeMap<String, String>,
    enrichment_state: String,
    network_data: Option<NetworkData>,
    error: Option<HubError>,
}

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "that the fields are there, with these types, is the test"
)]
struct NetworkData {
    protocol: String,
    src_ip: String,
    dst_ip: String,
    src_port: u16,
    dst_port: u16,
    direction: String,
    http_status_code: Option<i32>,
    latency_ms: Option<f64>,
}

/// The Go programs' reader; their types are strict about numbers, and a name that they do not know
/// would be lost with them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "that there are no other fields, and these have these types, is the test"
)]
struct GoReader {
    id: String,
    r#type: String,
    subtype: String,
    source: String,
    timestamp: String,
    trace_id: Option<String>,
    span_id: Option<String>,
    trace_flags: Option<u8>,
    parent_span_id: Option<String>,
    severity: String,
    outcome: String,
    duration: Option<u64>,
    error: Option<GoError>,
    network_data: GoNetworkData,
    raw_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "that there are no other fields is the test")]
struct GoError {
    code: String,
    message: String,
    stack: Option<String>,
    cause: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "that there are no other fields, and these have these types, is the test"
)]
struct GoNetworkData {
    protocol: Option<String>,
    src_ip: Option<String>,
    dst_ip: Option<String>,
    src_port: Option<u16>,
    dst_port: Option<u16>,
    http_method: Option<String>,
    http_path: Option<String>,
    http_status_code: Option<i32>,
    duration: Option<i64>,
    bytes_sent: Option<u64>,
    bytes_received: Option<u64>,
    rtt_baseline: Option<f64>,
    rtt_current: Option<f64>,
    rtt_degradation: Option<f64>,
    retransmit_count: Option<u32>,
    tcp_state: Option<String>,
    performance_impact: Option<String>,
    container_id: Option<String>,
    pod_name: Option<String>,
    namespace: Option<String>,
}

fn producer() -> Producer {
    Producer {
        cluster: "prod".to_owned(),
        node: "n1".to_owned(),
        version: "0.1.0".to_owned(),
    }
}

fn read<R: DeserializeOwned, D: Document>(document: &D) -> R {
    let from_msgpack: Result<R, _> = rmp_serde::from_slice(&document.to_msgpack());
    assert!(
        from_msgpack.is_ok(),
        "MessagePack: {:?}",
        from_msgpack.err()
    );
    serde_json::from_slice(&document.to_json()).expect("the reader takes the document")
}

/// `^[a-z0-9]+\.[a-z0-9._]+$` with exactly three segments.
fn is_type(text: &str) -> bool {
    let is_word = |word: &str| {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        !word.is_empty() && word.chars().all(is_fine)
    };
    let segments: Vec<_> = text.split('.').collect();
    segments.len() == 3 && segments.iter().all(|s| is_word(s)) && !segments[0].contains('_')
}

fn keys(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                found.push(key.clone());
                keys(value, found);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|v| keys(v, found)),
        _ => {}
    }
}

/// What facts-only readers refuse at any depth.
const OPINIONS: [&str; 9] = [
    "reasoning",
    "root_cause",
    "rootCause",
    "causal_chain",
    "explanation",
    "possible_causes",
    "suggested_fix",
    "remediation",
    "recommendation",
];

proptest! {
    #[test]
    fn every_reader_takes_the_occurrence(event in strategy::anomaly()) {
        let emission = Emission { boot_id: Ulid::from(7_u128).to_string(), sequence: event.count };
        let document = event.occurrence(&producer()).with_emission(&emission);
        let is_firing = event.phase == Phase::Firing;
        let outcome = if is_firing { "failure" } else { "success" };

        let reader: ContextReader = read(&document);
        prop_assert_eq!(&reader.protocol_version, "1.0");
        prop_assert_eq!(&reader.source, "rauta");
        prop_assert_eq!(&reader.outcome, outcome);
        prop_assert_eq!(&reader.severity, event.severity.label());
        prop_assert!(is_type(&reader.r#type), "{}", reader.r#type);
        prop_assert!(reader.timestamp.ends_with('Z'));
        prop_assert_eq!(reader.id.parse::<Ulid>(), Ok(event.id));
        prop_assert_eq!(&reader.context.cluster, "prod");
        prop_assert_eq!(&reader.context.node, "n1");
        prop_assert_eq!(&reader.context.trace_id, &document.trace_id);
        prop_assert!(!reader.context.namespace.is_empty());
        prop_assert_eq!(reader.error.is_some(), is_firing);
        if let Some(error) = &reader.error {
            prop_assert!(!error.message.is_empty() && !error.code.is_empty());
        }
        let evidence: Evidence = serde_json::from_value(reader.data).expect("evidence");
        prop_assert_eq!(evidence.exchanges.len(), event.samples.len());
        prop_assert_eq!(evidence.emission, Some(emission));

        let hub: HubReader = read(&document);
        prop_assert_eq!(hub.outcome, outcome);
        prop_assert_eq!(&hub.context.correlation_keys, &reader.context.correlation_keys);
        for (left, right) in hub.context.entities.iter().zip(&reader.context.entities) {
            prop_assert_eq!((&left.r#type, &left.id), (&right.kind, &right.id));
        }
        if let Some(error) = &hub.error {
            prop_assert!(!error.what_failed.is_empty() && !error.code.is_empty());
        }

        let top: TopLevelReader = read(&document);
        prop_assert!(top.id.parse::<Ulid>().is_ok());
        prop_assert_eq!(top.r#type, reader.r#type);
        prop_assert_eq!(top.cluster, reader.context.cluster);
        prop_assert_eq!(top.namespace, reader.context.namespace);
        prop_assert_eq!(top.correlation_keys, reader.context.correlation_keys);
        prop_assert_eq!(top.entity_ids.len(), reader.context.entities.len());
        prop_assert_eq!(top.enrichment_state, "raw");
        prop_assert_eq!(top.error.is_some(), is_firing);
        for (key, value) in &top.labels {
            prop_assert!(key.len() <= 1000 && value.len() <= 1000);
        }
        prop_assert!(top.labels.len() <= 100 && top.entity_ids.len() <= 100);
        prop_assert!(document.r#type.len() <= 256 && document.namespace.len() <= 256);
        let has_connection = event.samples.first()
            .is_some_and(|s| s.upstream.is_known() || s.downstream.is_known());
        prop_assert_eq!(top.network_data.is_some(), has_connection);
        if let Some(network) = &top.network_data {
            for ip in [&network.src_ip, &network.dst_ip] {
                prop_assert!(ip.parse::<std::net::IpAddr>().is_ok(), "{ip}");
            }
        }
    }

    #[test]
    fn documents_hold_facts_only(event in strategy::anomaly()) {
        let occurrence = serde_json::to_value(event.occurrence(&producer())).expect("JSON");
        let mut found = Vec::new();
        keys(&occurrence, &mut found);
        for opinion in OPINIONS {
            prop_assert!(!found.iter().any(|key| key == opinion), "{opinion}");
        }
    }

    #[test]
    fn the_go_programs_take_the_event(event in strategy::anomaly(), sequence in any::<u64>()) {
        let emission = Emission { boot_id: Ulid::from(7_u128).to_string(), sequence };
        let document = event.tapio_emitted(&emission);
        let reader: GoReader = read(&document);
        prop_assert!(reader.timestamp.ends_with('Z'));
        let is_known = ["network", "health"].contains(&reader.r#type.as_str());
        prop_assert!(is_known, "{}", reader.r#type);
        prop_assert_eq!(reader.id.parse::<Ulid>(), Ok(event.id));
        prop_assert_eq!(reader.source, "rauta");
        prop_assert_eq!(reader.severity, event.severity.label());
        let is_firing = event.phase == Phase::Firing;
        prop_assert_eq!(reader.outcome, if is_firing { "failure" } else { "success" });
        prop_assert_eq!(reader.error.is_some(), is_firing);
        if let Some(error) = &reader.error {
            prop_assert!(!error.message.is_empty() && !error.code.is_empty());
        }
        let subject = format!("tapio.events.{}.{}", reader.r#type, reader.subtype);
        prop_assert_eq!(document.subject(), subject);
        prop_assert_eq!(
            reader.duration,
            reader.network_data.duration.map(|ns| ns as u64 / 1000),
            "one duration in two units"
        );
        let template = event.subject.rule.as_ref().map(|rule| rule.template.clone());
        prop_assert_eq!(reader.network_data.http_path, template);

        let raw = reader.raw_data.expect("names are short enough here");
        prop_assert!(raw.len() <= RAW_DATA_BYTES_MAX);
        let json = base64::engine::general_purpose::STANDARD.decode(raw).expect("base64");
        let evidence: Evidence = serde_json::from_slice(&json).expect("evidence");
        prop_assert_eq!(evidence.key, event.key);
        prop_assert_eq!(evidence.emission, Some(emission));
        prop_assert!(evidence.exchanges.len() <= event.samples.len());
    }
}

#[test]
fn kinds_have_their_subjects() {
    let subjects = AnomalyKind::ALL.map(|kind| {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let tree = strategy::anomaly().new_tree(&mut runner).expect("a value");
        let mut event = proptest::strategy::ValueTree::current(&tree);
        event.kind = kind;
        (
            event.tapio().subject(),
            event.occurrence(&producer()).r#type,
        )
    });
    let expected = [
        (
            "tapio.events.network.http_slow_response",
            "network.http.slow_response",
        ),
        (
            "tapio.events.network.http_error_spike",
            "service.http.error_spike",
        ),
        ("tapio.events.health.probe_failed", "service.probe.failed"),
        (
            "tapio.events.health.endpoint_ejected",
            "service.endpoint.ejected",
        ),
    ];
    assert_eq!(
        subjects,
        expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
}
