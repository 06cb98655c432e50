//! Metrics as OTLP writes them, from the same figures that a scrape reads, so that both agree.
//!
//! The metrics of the HTTP conventions get the conventions' names back; RAUTA's own keep the names
//! that a scrape shows. Everything is cumulative since RAUTA's start; `deltas` makes less of it.

use super::attributes::Attributes;
use crate::prometheus::prom::proto::{self, MetricFamily, MetricType};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};

/// Metrics that the conventions name: as a scrape shows them, then their own name.
const CONVENTIONAL: &[(&str, &str)] = &[
    (
        "http_server_request_duration_seconds",
        "http.server.request.duration",
    ),
    (
        "http_client_request_duration_seconds",
        "http.client.request.duration",
    ),
    (
        "rauta_http_proxy_duration_seconds",
        "rauta.http.proxy.duration",
    ),
];

/// Labels whose attribute is a number.
const NUMBERS: &[&str] = &["http_response_status_code", "server_port"];

/// Labels that stand for attributes with dots; others keep their name.
const DOTTED: &[(&str, &str)] = &[
    ("error_type", "error.type"),
    ("http_request_method", "http.request.method"),
    ("http_response_status_code", "http.response.status_code"),
    ("http_route", "http.route"),
    ("network_protocol_version", "network.protocol.version"),
    ("rauta_backend_name", "rauta.backend.name"),
    ("rauta_gateway_name", "rauta.gateway.name"),
    ("rauta_listener_name", "rauta.listener.name"),
    ("rauta_route_name", "rauta.route.name"),
    ("server_address", "server.address"),
    ("server_port", "server.port"),
    ("url_scheme", "url.scheme"),
];

/// When a cumulative figure began, and when it was read; nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start_ns: u64,
    pub(super) now_ns: u64,
}

/// A scrape's families as metrics.
pub(super) fn metrics(families: &[MetricFamily], span: Span) -> Vec<Metric> {
    families
        .iter()
        .filter_map(|family| metric(family, span))
        .collect()
}

fn metric(family: &MetricFamily, span: Span) -> Option<Metric> {
    let scraped = family.name();
    let named = CONVENTIONAL.iter().find(|(name, _)| *name == scraped);
    let name = named.map_or(scraped, |(_, name)| name);
    let points = family.get_metric().iter();
    let temporality = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: points
                .map(|metric| number(metric, metric.get_counter().get_value(), span))
                .collect(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        MetricType::GAUGE => Data::Gauge(Gauge {
            data_points: points
                .map(|metric| number(metric, metric.get_gauge().get_value(), span))
                .collect(),
        }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: points.map(|metric| histogram(metric, span)).collect(),
            aggregation_temporality: temporality,
        }),
        // RAUTA keeps none of these.
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(Metric {
        name: name.to_owned(),
        description: family.help().to_owned(),
        unit: unit(scraped).to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// UCUM's word for the unit that a name ends with.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "1",
    }
}

fn number(metric: &proto::Metric, value: f64, span: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(metric),
        start_time_unix_nano: span.start_ns,
        time_unix_nano: span.now_ns,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// A scrape's buckets hold all below their bound, OTLP's only what is between two.
fn histogram(metric: &proto::Metric, span: Span) -> HistogramDataPoint {
    let scraped = metric.get_histogram();
    let count = scraped.get_sample_count();
    let mut below = 0;
    let mut bucket_counts = Vec::new();
    let mut explicit_bounds = Vec::new();
    for bucket in scraped.get_bucket() {
        if bucket.upper_bound().is_finite() {
            let up_to = bucket.cumulative_count();
            bucket_counts.push(up_to.saturating_sub(below));
            explicit_bounds.push(bucket.upper_bound());
            below = up_to;
        }
    }
    bucket_counts.push(count.saturating_sub(below));
    HistogramDataPoint {
        attributes: attributes(metric),
        start_time_unix_nano: span.start_ns,
        time_unix_nano: span.now_ns,
        count,
        sum: Some(scraped.get_sample_sum()),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(metric: &proto::Metric) -> Vec<KeyValue> {
    let mut attributes = Attributes::new();
    for label in metric.get_label() {
        let (name, value) = (label.name(), label.value());
        let dotted = DOTTED.iter().find(|(label, _)| *label == name);
        let key = dotted.map_or(name, |(_, dotted)| dotted);
        match value.parse::<u16>() {
            Ok(value) if NUMBERS.contains(&name) => attributes.number(key, value),
            _ => attributes.text(key, value),
        }
    }
    attributes.into_list()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::{HttpMetrics, Page, Sample};
    use opentelemetry_proto::tonic::common::v1::any_value;
    use rauta_core::bus::Subscriber;
    use rauta_schemas::{Event, Names};
    use rauta_test_support::events::response;

    const SPAN: Span = Span {
        start_ns: 1,
        now_ns: 2,
    };

    #[test]
    fn a_scrape_and_an_export_say_the_same() {
        let page = Page::default();
        let mut http = HttpMetrics::new(page.registry(), Names::default()).expect("registers");
        for (ordinal, ns) in [(1, 7_000_000), (2, 60_000_000), (3, 99_000_000_000)] {
            let mut event = response(ordinal, 503);
            event.last_byte_ns = ns;
            http.on_event(&Event::HttpResponse(event));
        }
        page.add_source(Box::new(|| {
            vec![Sample::gauge("rauta_spool_bytes", "Bytes.", 2.5)]
        }));
        let metrics = metrics(&page.reading().families, SPAN);
        let named = |name| {
            let found = metrics.iter().find(|metric| metric.name == name);
            found.unwrap_or_else(|| panic!("no {name} in {metrics:?}"))
        };

        let duration = named("http.server.request.duration");
        assert_eq!(duration.unit, "s");
        let Some(Data::Histogram(histogram)) = &duration.data else {
            panic!("{duration:?}")
        };
        let point = &histogram.data_points[0];
        assert_eq!(point.count, 3);
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), 3);
        assert_eq!(
            (point.bucket_counts[1], point.bucket_counts.last()),
            (1, Some(&1))
        );
        let status = point
            .attributes
            .iter()
            .find(|a| a.key == "http.response.status_code");
        let status = status.and_then(|status| status.value.clone()?.value);
        assert_eq!(status, Some(any_value::Value::IntValue(503)));

        let Some(Data::Sum(sum)) = &named("rauta_http_requests_total").data else {
            panic!("a sum")
        };
        assert!(sum.is_monotonic);
        let gauge = named("rauta_spool_bytes");
        assert_eq!(gauge.unit, "By");
        assert!(matches!(gauge.data, Some(Data::Gauge(_))), "{gauge:?}");
    }
}
