//! One request to a collector, and how it comes apart when it is too large.

use crate::conventions::SCHEMA_URL;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// Who speaks: the same in every request.
#[derive(Clone, Debug, Default)]
pub(super) struct Speaker {
    pub(super) resource: Resource,
    pub(super) scope: InstrumentationScope,
}

/// What one request carries.
#[derive(Clone, Debug)]
pub(super) enum Items {
    Spans(Vec<Span>),
    Metrics(Vec<Metric>),
    Records(Vec<LogRecord>),
}

/// One request to a collector.
#[derive(Clone, Debug)]
pub(super) enum Batch {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

impl Batch {
    pub(super) fn new(speaker: &Speaker, items: Items) -> Self {
        let resource = Some(speaker.resource.clone());
        let scope = Some(speaker.scope.clone());
        let schema_url = SCHEMA_URL.to_owned();
        match items {
            Items::Spans(spans) => Self::Traces(ExportTraceServiceRequest {
                resource_spans: vec![ResourceSpans {
                    resource,
                    scope_spans: vec![ScopeSpans {
                        scope,
                        spans,
                        schema_url: schema_url.clone(),
                    }],
                    schema_url,
                }],
            }),
            Items::Metrics(metrics) => Self::Metrics(ExportMetricsServiceRequest {
                resource_metrics: vec![ResourceMetrics {
                    resource,
                    scope_metrics: vec![ScopeMetrics {
                        scope,
                        metrics,
                        schema_url: schema_url.clone(),
                    }],
                    schema_url,
                }],
            }),
            Items::Records(log_records) => Self::Logs(ExportLogsServiceRequest {
                resource_logs: vec![ResourceLogs {
                    resource,
                    scope_logs: vec![ScopeLogs {
                        scope,
                        log_records,
                        schema_url: schema_url.clone(),
                    }],
                    schema_url,
                }],
            }),
        }
    }

    /// How many spans, data points or records it carries.
    pub(super) fn len(&self) -> u64 {
        let len: usize = match self {
            Self::Traces(request) => {
                let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
                scopes.map(|scope| scope.spans.len()).sum()
            }
            Self::Metrics(request) => {
                let scopes = request
                    .resource_metrics
                    .iter()
                    .flat_map(|r| &r.scope_metrics);
                scopes.flat_map(|scope| &scope.metrics).map(points).sum()
            }
            Self::Logs(request) => {
                let scopes = request.resource_logs.iter().flat_map(|r| &r.scope_logs);
                scopes.map(|scope| scope.log_records.len()).sum()
            }
        };
        len as u64
    }

    /// The request's bytes.
    pub(super) fn encode(&self) -> Bytes {
        match self {
            Self::Traces(request) => request.encode_to_vec().into(),
            Self::Metrics(request) => request.encode_to_vec().into(),
            Self::Logs(request) => request.encode_to_vec().into(),
        }
    }

    /// Two halves, in order; `None` where it holds one item only.
    pub(super) fn split(self, speaker: &Speaker) -> Option<(Self, Self)> {
        let items = match self {
            Self::Traces(mut request) => {
                let scope = request.resource_spans.pop()?.scope_spans.pop()?;
                Items::Spans(scope.spans)
            }
            Self::Metrics(mut request) => {
                let scope = request.resource_metrics.pop()?.scope_metrics.pop()?;
                Items::Metrics(scope.metrics)
            }
            Self::Logs(mut request) => {
                let scope = request.resource_logs.pop()?.scope_logs.pop()?;
                Items::Records(scope.log_records)
            }
        };
        let (first, second) = halves(items)?;
        Some((Self::new(speaker, first), Self::new(speaker, second)))
    }
}

fn points(metric: &Metric) -> usize {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => 0,
    }
}

fn halves(items: Items) -> Option<(Items, Items)> {
    match items {
        Items::Spans(mut spans) if spans.len() > 1 => {
            let second = spans.split_off(spans.len() / 2);
            Some((Items::Spans(spans), Items::Spans(second)))
        }
        Items::Records(mut records) if records.len() > 1 => {
            let second = records.split_off(records.len() / 2);
            Some((Items::Records(records), Items::Records(second)))
        }
        Items::Metrics(mut metrics) if metrics.len() > 1 => {
            let second = metrics.split_off(metrics.len() / 2);
            Some((Items::Metrics(metrics), Items::Metrics(second)))
        }
        Items::Metrics(mut metrics) if metrics.first().is_some_and(|one| points(one) > 1) => {
            let mut second = metrics.clone();
            for (metric, is_second) in [(&mut metrics, false), (&mut second, true)] {
                metric
                    .iter_mut()
                    .for_each(|metric| keep_half(metric, is_second));
            }
            Some((Items::Metrics(metrics), Items::Metrics(second)))
        }
        Items::Spans(_) | Items::Metrics(_) | Items::Records(_) => None,
    }
}

fn keep_half(metric: &mut Metric, is_second: bool) {
    fn keep<T>(points: &mut Vec<T>, is_second: bool) {
        let second = points.split_off(points.len() / 2);
        if is_second {
            *points = second;
        }
    }
    match &mut metric.data {
        Some(Data::Sum(sum)) => keep(&mut sum.data_points, is_second),
        Some(Data::Gauge(gauge)) => keep(&mut gauge.data_points, is_second),
        Some(Data::Histogram(histogram)) => keep(&mut histogram.data_points, is_second),
        Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => {}
    }
}
