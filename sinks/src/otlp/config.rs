//! Where signals go and what goes there; validated by whoever makes it.

use http::{HeaderMap, Uri};
use std::path::PathBuf;
use std::time::Duration;

/// What kinds of telemetry there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Spans of exchanges and of their attempts.
    Traces,
    /// Histograms and totals.
    Metrics,
    /// A record per anomaly.
    Logs,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The stable label used in metrics, logs and configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// What is added to the path of an endpoint that all signals share, over HTTP.
    pub const fn http_path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    /// The gRPC method.
    pub(super) const fn grpc_path(self) -> &'static str {
        match self {
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, usually on port 4317.
    Grpc,
    /// Protocol Buffers over HTTP/1.1, usually on port 4318.
    HttpProtobuf,
}

impl Protocol {
    /// As `OTEL_EXPORTER_OTLP_PROTOCOL` spells it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }
}

/// Files that TLS needs, PEM each; they are read anew whenever a connection cannot be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Whom to trust; `None`: the system's own list.
    pub certificate: Option<PathBuf>,
    /// The client's certificate chain; with `client_key`.
    pub client_certificate: Option<PathBuf>,
    /// The client's private key.
    pub client_key: Option<PathBuf>,
}

/// Where one signal goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// `http` or `https`. Over HTTP the whole URL, for gRPC scheme and authority count.
    pub url: Uri,
    /// Sent with every request; values marked as sensitive, so that no log shows them.
    pub headers: HeaderMap,
    /// How long one request may take.
    pub timeout: Duration,
    /// Are requests compressed?
    pub gzip: bool,
    /// For `https`.
    pub tls: TlsFiles,
}

/// Which exchanges get spans beside those that their trace's beginning chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Are exchanges kept that failed by the backend's or RAUTA's fault?
    pub failed: bool,
    /// Exchanges are kept that took longer; `None`: none is for that.
    pub slower_than: Option<Duration>,
}

/// Since when figures that only grow are counted, as
/// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` means it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    /// Since RAUTA's start.
    #[default]
    Cumulative,
    /// Since the collector last took them in.
    Delta,
    /// The same, but for totals that are asked for rather than kept: these since RAUTA's start.
    LowMemory,
}

/// What OTLP exports.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where spans go.
    pub traces: Option<Target>,
    /// Where metrics go.
    pub metrics: Option<Target>,
    /// Where anomalies go.
    pub logs: Option<Target>,
    /// `service.name`.
    pub service_name: String,
    /// More attributes of the resource; they win over RAUTA's own.
    pub resource: Vec<(String, String)>,
    /// Which exchanges get spans whatever their trace's beginning chose.
    pub tail: Tail,
    /// How often metrics are sent.
    pub metrics_interval: Duration,
    /// Since when their totals and histograms are counted.
    pub metrics_temporality: Temporality,
    /// Do spans carry attributes of HTTP by their old names too?
    pub old_http_attributes: bool,
}

impl Config {
    /// Where a signal goes.
    pub fn target(&self, signal: Signal) -> Option<&Target> {
        match signal {
            Signal::Traces => self.traces.as_ref(),
            Signal::Metrics => self.metrics.as_ref(),
            Signal::Logs => self.logs.as_ref(),
        }
    }
}
