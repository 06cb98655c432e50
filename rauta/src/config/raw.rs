//! What the user may write. Every field is optional; its doc comment becomes the reference page.

use super::nats::{RawNats, RawSpool};
use super::otlp::RawOtlp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All of the process's configuration, as written in the file, the environment or flags.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawConfig {
    /// What this process does: `ingress` carries traffic; `observability` only watches it.
    /// Default `ingress`.
    pub(crate) mode: Option<String>,
    /// Where routing comes from: `true` reads it from the Kubernetes API, `false` from
    /// `manifests` or from the quick way's addresses. Default `false`.
    pub(crate) k8s_mode: Option<bool>,
    /// Files and folders of Gateway API manifests, watched and applied live.
    pub(crate) manifests: Option<Vec<String>>,
    /// The only GatewayClass that is ours. Default: from manifests every one is.
    pub(crate) gateway_class: Option<String>,
    /// The quick way: the one backend, `ip:port`. Takes the place of `manifests`.
    pub(crate) backend_addr: Option<String>,
    /// The quick way: where to listen, `ip:port`. Default `127.0.0.1:8080`.
    pub(crate) bind_addr: Option<String>,
    /// The quick way: a PEM file with the certificate chain; makes the listener HTTPS.
    pub(crate) tls_cert: Option<String>,
    /// The quick way: a PEM file with the certificate's private key.
    pub(crate) tls_key: Option<String>,
    /// The network interface that the observer attaches to.
    pub(crate) interface: Option<String>,
    /// Added to each listener's port where it is bound, for users who may not bind ports below
    /// 1024. Default 0.
    pub(crate) port_offset: Option<u16>,
    /// Gateways read from manifests get their addresses from this IPv4 network.
    /// Default `127.0.10.0/24`.
    pub(crate) address_pool: Option<String>,
    /// May `spec.addresses` of a manifest name addresses that are not loopback? Default `false`.
    pub(crate) bind_any: Option<bool>,
    /// Where the admin server listens, `ip:port`. Default `127.0.0.1:9090`.
    pub(crate) admin: Option<String>,
    /// The least severe log lines that are written: `error`, `warn`, `info`, `debug`, `trace`
    /// (not in release builds), or a filter as `RUST_LOG` takes it. `RUST_LOG`, where set, wins.
    /// Default `info`.
    pub(crate) log_level: Option<String>,
    /// How logs are written: `text`, `json`, or `auto` (text on a terminal). Default `auto`.
    pub(crate) log_format: Option<String>,
    /// The data plane.
    pub(crate) proxy: Option<RawProxy>,
    /// The detectors.
    pub(crate) detection: Option<RawDetection>,
    /// A line of JSON per exchange.
    pub(crate) access_log: Option<RawAccessLog>,
    /// A line of JSON per anomaly.
    pub(crate) anomaly_log: Option<RawAnomalyLog>,
    /// Telemetry by OTLP: traces, metrics, and a log record per anomaly.
    pub(crate) otlp: Option<RawOtlp>,
    /// What keeps anomalies until their sinks have delivered them.
    pub(crate) spool: Option<RawSpool>,
    /// Anomalies to NATS.
    pub(crate) nats: Option<RawNats>,
    /// Ending in good order.
    pub(crate) drain: Option<RawDrain>,
}

/// The data plane.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawProxy {
    /// Worker threads. Default: one per core.
    pub(crate) workers: Option<u16>,
    /// Peers (IPs or networks) whose `X-Forwarded-*`, `X-Request-Id` and probes are believed.
    /// Default: none.
    pub(crate) trusted_peers: Option<Vec<String>>,
    /// Must connections from `trusted_peers` begin with a PROXY protocol header (v1 or v2)?
    /// Default `false`.
    pub(crate) proxy_protocol: Option<bool>,
    /// Open downstream connections per worker; more are refused and counted. Default 50000.
    pub(crate) connections_max: Option<u32>,
    /// Bytes of a request's body; more is answered 413. Default: no limit.
    pub(crate) request_body_bytes_max: Option<u64>,
    /// Bytes of a request's head; more is answered 431. Default 32768.
    pub(crate) request_head_bytes_max: Option<u32>,
    /// Fields of a request's head; more is answered 431. Default 100.
    pub(crate) request_fields_max: Option<u16>,
    /// How long a client may take for a request's head. Default `10s`.
    pub(crate) head_timeout: Option<String>,
    /// How long either direction of an exchange may make no progress. Default `30s`.
    pub(crate) progress_timeout: Option<String>,
    /// Bytes a second that a client has to send of a body, or take of a response, on average over
    /// `progress_timeout` while the exchange waits for it; slower ones are cut. 0 asks for none.
    /// Default 500.
    pub(crate) client_bytes_per_second_min: Option<u32>,
    /// How long an idle keep-alive connection is kept. Default `60s`.
    pub(crate) keep_alive_timeout: Option<String>,
    /// How long connecting to an endpoint may take. Default `5s`.
    pub(crate) connect_timeout: Option<String>,
}

/// The detectors.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDetection {
    /// A file that keeps baselines over restarts. Default: not kept.
    pub(crate) baseline_file: Option<String>,
    /// How long a slot of a baseline is: what is normal is learnt from whole slots, never from the
    /// current one. Default `60s` (`10s` in a route's first ten minutes); demos use less.
    pub(crate) baseline_slot: Option<String>,
    /// How many rules and methods each detector tracks, 16 to 1,000,000; one takes 1 to 2 KiB. What
    /// comes when all are in use is not watched, and counted. Default 100000.
    pub(crate) keys_max: Option<usize>,
    /// The name of this cluster in documents that leave it. Default `local`.
    pub(crate) cluster: Option<String>,
    /// The name of this node in documents that leave it. Default: the machine's name.
    pub(crate) node: Option<String>,
}

/// A line of JSON per exchange.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAccessLog {
    /// The file that lines are appended to; `-` is stdout. Default: no access log.
    pub(crate) path: Option<String>,
    /// Which share of exchanges is logged, 0 to 1. Default 1.
    pub(crate) sample: Option<f64>,
    /// The fields of a line. Default: all.
    pub(crate) fields: Option<Vec<String>>,
    /// Query parameters whose values are replaced by `REDACTED`.
    /// Default: signatures, credentials and tokens by their usual names.
    pub(crate) redact: Option<Vec<String>>,
}

/// A line of JSON per anomaly.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawAnomalyLog {
    /// The file that lines are appended to; `-` is stdout. Default: anomalies go to the log.
    pub(crate) path: Option<String>,
}

/// Ending in good order.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawDrain {
    /// After SIGTERM `/readyz` answers 503 for this long before connections are drained, so that
    /// load balancers can look away. Default: `10s` with Kubernetes, `0s` without.
    pub(crate) pre_stop_wait: Option<String>,
    /// All of draining takes at most this long. Default `30s`.
    pub(crate) deadline: Option<String>,
}
