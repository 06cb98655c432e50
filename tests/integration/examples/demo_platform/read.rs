//! What stands in NATS, collector and Prometheus of a detection, in a line each.

use crate::Wanted;
use anyhow::{Context, ensure};
use async_nats::jetstream;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use rauta_integration::{Collector, Prometheus};
use rauta_schemas::{BaselineDocument, Evidence, Occurrence, Phase, TapioEvent};
use std::sync::{Arc, Mutex, PoisonError};

/// The stream of occurrences, and what it binds.
const STREAM: &str = "RAUTA";
const OCCURRENCES: &str = "rauta.v1.>";

/// Makes the stream, as a platform does before anybody publishes to it.
pub(crate) async fn create_stream(url: &str) -> anyhow::Result<()> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let config = jetstream::stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![OCCURRENCES.to_owned()],
        ..jetstream::stream::Config::default()
    };
    context.create_stream(config).await?;
    Ok(())
}

/// A subject and its document.
pub(crate) type Heard = Arc<Mutex<Vec<(String, TapioEvent)>>>;

/// Keeps what is published on the subjects of the platform's Go programs.
pub(crate) async fn subscribe(url: &str) -> anyhow::Result<Heard> {
    let client = async_nats::connect(url).await?;
    let mut messages = client.subscribe("tapio.events.>").await?;
    client.flush().await?;
    let heard = Heard::default();
    let kept = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            if let Ok(event) = serde_json::from_slice(&message.payload) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push((message.subject.to_string(), event));
            }
        }
        drop(client);
    });
    Ok(heard)
}

/// All occurrences in the stream.
pub(crate) async fn stream(url: &str) -> anyhow::Result<Vec<Occurrence>> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let stream = context.get_stream(STREAM).await?;
    let last = stream.cached_info().state.last_sequence;
    let mut occurrences = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await?;
        occurrences.push(serde_json::from_slice(&message.payload)?);
    }
    Ok(occurrences)
}

/// The evidence of the wanted detection among what was heard.
pub(crate) fn observer_event(
    heard: &[(String, TapioEvent)],
    wanted: &Wanted,
) -> anyhow::Result<String> {
    for (subject, event) in heard
        .iter()
        .filter(|(subject, _)| subject == wanted.subject)
    {
        let Some(raw) = &event.raw_data else {
            continue;
        };
        let evidence: Evidence = serde_json::from_slice(&BASE64_STANDARD.decode(raw)?)?;
        if is_wanted(&evidence, wanted) {
            return Ok(format!("{subject} {}", told(&evidence)?));
        }
    }
    anyhow::bail!("{} messages, none of them this", heard.len())
}

/// The evidence of the wanted detection in the stream.
pub(crate) fn occurrence(occurrences: &[Occurrence], wanted: &Wanted) -> anyhow::Result<String> {
    let found = occurrences
        .iter()
        .find(|one| one.r#type == wanted.r#type && is_wanted(&one.data, wanted));
    let found =
        found.with_context(|| format!("{} messages, none of them this", occurrences.len()))?;
    Ok(format!("{} {}", found.r#type, told(&found.data)?))
}

fn is_wanted(evidence: &Evidence, wanted: &Wanted) -> bool {
    let route = evidence
        .identity
        .rule
        .as_ref()
        .map(|rule| rule.route.as_str());
    evidence.phase == Phase::Firing && route == Some(wanted.route)
}

/// What was seen against what, and how many exchanges show it.
fn told(evidence: &Evidence) -> anyhow::Result<String> {
    ensure!(!evidence.exchanges.is_empty(), "no exchange shows it");
    let observed = &evidence.observed;
    let unit = observed.unit.label();
    let baseline = evidence.baseline.as_ref().map(|baseline| {
        let BaselineDocument { value, samples, .. } = baseline;
        format!(", normal {value:.1} {unit} of {samples}")
    });
    Ok(format!(
        "{:.1} {unit} over {:.1} {unit}{}, {} exchanges, at fault: {}",
        observed.value,
        observed.threshold,
        baseline.unwrap_or_default(),
        evidence.exchanges.len(),
        evidence.side.label(),
    ))
}

/// The log record of the wanted detection, as the collector prints it.
pub(crate) fn record(collector: &Collector, wanted: &Wanted) -> anyhow::Result<String> {
    let event = format!("EventName: {}", wanted.r#type);
    let route = format!("/{}", wanted.route);
    collector.wait_for(wanted.fault, |printed| {
        let record = printed.split("LogRecord #").skip(1).find(|record| {
            record.contains(&event)
                && record.contains("rauta.anomaly.phase: Str(firing)")
                && record.contains(&route)
        })?;
        let evidence = record
            .lines()
            .find(|line| line.contains("rauta.evidence: Map("))?;
        let trace = record
            .lines()
            .find_map(|line| line.trim().strip_prefix("Trace ID: "));
        Some(format!(
            "{} with {} bytes of evidence, trace {}",
            wanted.r#type,
            evidence.trim().len(),
            trace.unwrap_or("-"),
        ))
    })
}

/// The count of such anomalies, and the figures of the route that say the same.
pub(crate) fn series(prometheus: &Prometheus, wanted: &Wanted) -> anyhow::Result<String> {
    let count = format!(
        "rauta_anomalies_total{{kind=\"{}\",phase=\"firing\"}} > 0",
        wanted.kind
    );
    let count = value(prometheus, &count)?;
    let route = format!("rauta_route_name=~\".*{}\"", wanted.route);
    let (name, evidence) = match wanted.fault {
        "slow_response" | "hang" => (
            "slowest p99 of 3 s",
            format!(
                "max_over_time(histogram_quantile(0.99, sum by (le) (rate(\
                 http_server_request_duration_seconds_bucket{{{route}}}[3s])))[60s:1s]) > 0.1"
            ),
        ),
        _ => (
            "answers of 5xx",
            format!(
                "sum(rauta_http_requests_total{{{route},http_response_status_code=~\"5..\"}}) > 1"
            ),
        ),
    };
    let evidence = value(prometheus, &evidence)?;
    Ok(format!(
        "rauta_anomalies_total{{kind=\"{}\"}} {count}; {name} on {}: {evidence}",
        wanted.kind, wanted.route
    ))
}

fn value(prometheus: &Prometheus, expression: &str) -> anyhow::Result<String> {
    let series = prometheus.query(expression)?;
    let value = series.first().and_then(|one| one["value"][1].as_str());
    let value = value.with_context(|| format!("no series of {expression}"))?;
    Ok(value.to_owned())
}
