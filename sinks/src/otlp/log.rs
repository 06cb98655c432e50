//! An anomaly as a log record: its type as the event's name, the evidence in attributes.

use super::attributes::{self, Attributes};
use crate::spool::Spooled;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use rauta_schemas::{Producer, Severity};

/// The record of an anomaly, or of its all-clear.
pub(super) fn record(spooled: &Spooled, producer: &Producer, observed_ns: u64) -> LogRecord {
    let event = &spooled.event;
    let occurrence = event.occurrence(producer).with_emission(&spooled.emission);
    let trace = event
        .samples
        .first()
        .map(|sample| sample.trace)
        .filter(|trace| trace.trace_id != [0; 16]);
    let mut attributes = Attributes::new();
    attributes.text("occurrence.id", occurrence.id.clone());
    attributes.text("rauta.anomaly.kind", event.kind.label());
    attributes.text("rauta.anomaly.phase", event.phase.label());
    attributes.text("rauta.anomaly.key", event.key.clone());
    attributes.text("rauta.anomaly.side", event.side.label());
    attributes.text("rauta.anomaly.reason", event.reason.label());
    attributes.number("rauta.anomaly.count", event.count);
    attributes.float("rauta.anomaly.observed", event.observed.value);
    attributes.float("rauta.anomaly.threshold", event.observed.threshold);
    if let Some(baseline) = &event.baseline {
        attributes.float("rauta.anomaly.baseline", baseline.value);
    }
    attributes.text("rauta.anomaly.unit", event.observed.unit.label());
    let subject = &event.subject;
    if let Some(rule) = &subject.rule {
        attributes.text("http.route", rule.template.clone());
        attributes.text(
            "rauta.route.name",
            format!("{}/{}", rule.namespace, rule.route),
        );
    }
    if let Some(method) = subject.method {
        attributes.text("http.request.method", method.label());
    }
    attributes.text("k8s.namespace.name", occurrence.namespace.clone());
    let pod = subject
        .endpoint
        .as_ref()
        .map_or("", |endpoint| &endpoint.pod);
    attributes.text("k8s.pod.name", pod.rsplit('/').next().unwrap_or_default());
    // A document of RAUTA's own: it cannot fail to be one.
    let evidence = serde_json::to_value(&occurrence.data).unwrap_or_default();
    attributes.document("rauta.evidence", evidence);
    let message = occurrence.error.as_ref().map_or_else(
        || format!("{} is over", event.key),
        |error| format!("{}: {}", error.what_failed, error.message),
    );
    let (severity_number, severity_text) = severity(event.severity);
    LogRecord {
        time_unix_nano: event.last_ns,
        observed_time_unix_nano: observed_ns,
        severity_number: severity_number.into(),
        severity_text: severity_text.to_owned(),
        body: Some(attributes::text(message)),
        attributes: attributes.into_list(),
        flags: trace.map_or(0, |trace| u32::from(trace.flags)),
        trace_id: trace.map_or_else(Vec::new, |trace| trace.trace_id.to_vec()),
        span_id: trace.map_or_else(Vec::new, |trace| trace.span_id.to_vec()),
        event_name: occurrence.r#type,
        ..LogRecord::default()
    }
}

fn severity(severity: Severity) -> (SeverityNumber, &'static str) {
    match severity {
        Severity::Debug => (SeverityNumber::Debug, "DEBUG"),
        Severity::Info => (SeverityNumber::Info, "INFO"),
        Severity::Warning => (SeverityNumber::Warn, "WARN"),
        Severity::Error => (SeverityNumber::Error, "ERROR"),
        Severity::Critical => (SeverityNumber::Fatal, "FATAL"),
    }
}
