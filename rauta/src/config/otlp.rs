//! Telemetry to a collector: what may be written, and what it becomes.

use super::duration;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rauta_proxy::{RouteShare, Tracing};
use rauta_sinks::otlp::{Config, Protocol, Signal, Tail, Target, Temporality, TlsFiles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Telemetry by OTLP. The standard `OTEL_*` variables are read as well, under the `RAUTA_` ones.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawOtlp {
    /// The collector, like `http://127.0.0.1:4318` (HTTP) or `http://127.0.0.1:4317` (gRPC).
    /// Default: nothing is exported.
    pub(crate) endpoint: Option<String>,
    /// `grpc` or `http/protobuf`. Default: `grpc` where the endpoint's port is 4317.
    pub(crate) protocol: Option<String>,
    /// Headers of every request, as `name=value`.
    pub(crate) headers: Option<Vec<String>>,
    /// How long one request may take. Default `10s`.
    pub(crate) timeout: Option<String>,
    /// `gzip` or `none`. Default `none`.
    pub(crate) compression: Option<String>,
    /// A PEM file with the certificates to trust. Default: the system's.
    pub(crate) certificate: Option<String>,
    /// A PEM file with RAUTA's own certificate chain; with `client_key`.
    pub(crate) client_certificate: Option<String>,
    /// A PEM file with the private key of `client_certificate`.
    pub(crate) client_key: Option<String>,
    /// Is anything exported? Default `true`, where there is an endpoint.
    pub(crate) enabled: Option<bool>,
    /// `service.name` of the resource. Default `rauta`.
    pub(crate) service_name: Option<String>,
    /// More attributes of the resource, as `name=value`; they win over RAUTA's own.
    pub(crate) resource: Option<Vec<String>>,
    /// Which share of the traces that RAUTA begins is recorded, 0 to 1; a trace that a client began
    /// is recorded where the client chose so. Default 0.01.
    pub(crate) sample: Option<f64>,
    /// Shares of single routes, as `namespace/route=share`.
    pub(crate) sample_routes: Option<Vec<String>>,
    /// Are exchanges recorded that failed by the backend's or RAUTA's fault, whatever was chosen
    /// for their trace (about a thousand a second at most)? Default `true`.
    pub(crate) keep_failed: Option<bool>,
    /// Exchanges that took longer are recorded whatever was chosen for their trace; `0s`: none is
    /// for that. Default `1s`.
    pub(crate) keep_slower_than: Option<String>,
    /// How often metrics are sent. Default `10s`.
    pub(crate) metrics_interval: Option<String>,
    /// Since when totals and histograms are counted: `cumulative` (since RAUTA's start), `delta`
    /// (since the collector last took them in) or `lowmemory` (`delta` for what RAUTA counts per
    /// exchange, `cumulative` for its other totals). Default `cumulative`.
    pub(crate) metrics_temporality: Option<String>,
    /// Do spans carry the attributes of HTTP by their names of semantic conventions 1.20 too, such
    /// as `http.method` and `net.peer.name`? Default `false`.
    pub(crate) old_http_attributes: Option<bool>,
    /// What is different for traces.
    pub(crate) traces: Option<RawSignal>,
    /// What is different for metrics.
    pub(crate) metrics: Option<RawSignal>,
    /// What is different for logs: a record per anomaly.
    pub(crate) logs: Option<RawSignal>,
}

/// What is different for one signal.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSignal {
    /// Is it exported? Default `true`, where there is an endpoint.
    pub(crate) enabled: Option<bool>,
    /// Its own endpoint; over HTTP the whole URL, path included.
    pub(crate) endpoint: Option<String>,
    /// Its own protocol.
    pub(crate) protocol: Option<String>,
    /// Its own headers, in place of the common ones.
    pub(crate) headers: Option<Vec<String>>,
    /// Its own time for one request.
    pub(crate) timeout: Option<String>,
    /// Its own compression.
    pub(crate) compression: Option<String>,
    /// Its own certificates to trust.
    pub(crate) certificate: Option<String>,
    /// Its own certificate chain of RAUTA.
    pub(crate) client_certificate: Option<String>,
    /// Its own private key of RAUTA.
    pub(crate) client_key: Option<String>,
}

/// What is exported, and which traces the data plane records for it.
#[derive(Clone, Debug)]
pub(crate) struct Otlp {
    /// For the sink.
    pub(crate) sink: Config,
    /// For the data plane.
    pub(crate) tracing: Tracing,
}

/// Takes in a mistake: the field and what is wrong with it.
type Mistaken<'a> = &'a mut dyn FnMut(&str, String);

/// Validates the section; `None` where nothing is exported.
pub(super) fn validate(raw: RawOtlp, mistaken: Mistaken<'_>) -> Option<Otlp> {
    let mut check = Check { mistaken };
    let sample = check.share("otlp.sample", raw.sample.unwrap_or(0.01));
    let routes = check.routes(raw.sample_routes.as_deref().unwrap_or_default());
    let slower = check.duration("otlp.keep_slower_than", raw.keep_slower_than.as_deref());
    let slower = slower.unwrap_or(Duration::from_secs(1));
    let tail = Tail {
        failed: raw.keep_failed.unwrap_or(true),
        slower_than: (!slower.is_zero()).then_some(slower),
    };
    let interval = check.duration("otlp.metrics_interval", raw.metrics_interval.as_deref());
    let interval = interval.unwrap_or(Duration::from_secs(10));
    if interval < Duration::from_millis(100) {
        (check.mistaken)("otlp.metrics_interval", "must be at least 100ms".into());
    }
    let temporality = check.temporality(raw.metrics_temporality.as_deref());
    let resource = check.pairs("otlp.resource", raw.resource.as_deref().unwrap_or_default());
    let traces = check.target(&raw, raw.traces.as_ref(), Signal::Traces);
    let metrics = check.target(&raw, raw.metrics.as_ref(), Signal::Metrics);
    let logs = check.target(&raw, raw.logs.as_ref(), Signal::Logs);
    let is_any = traces.is_some() || metrics.is_some() || logs.is_some();
    let named = resource.iter().find(|(name, _)| name == "service.name");
    let named = named.map(|(_, value)| value.clone());
    let tracing = Tracing {
        is_on: traces.is_some(),
        per_million: if traces.is_some() { sample } else { 0 },
        routes: if traces.is_some() { routes } else { Vec::new() },
    };
    let sink = Config {
        traces,
        metrics,
        logs,
        service_name: raw.service_name.or(named).unwrap_or_else(|| "rauta".into()),
        resource: resource
            .into_iter()
            .filter(|(name, _)| name != "service.name")
            .collect(),
        tail,
        metrics_interval: interval.max(Duration::from_millis(100)),
        metrics_temporality: temporality,
        old_http_attributes: raw.old_http_attributes.unwrap_or(false),
    };
    is_any.then_some(Otlp { sink, tracing })
}

struct Check<'a> {
    mistaken: Mistaken<'a>,
}

impl Check<'_> {
    fn target(
        &mut self,
        common: &RawOtlp,
        own: Option<&RawSignal>,
        signal: Signal,
    ) -> Option<Target> {
        let none = RawSignal::default();
        let own = own.unwrap_or(&none);
        // The field as the user wrote it: its own, or the common one.
        let field = |name: &str, is_own: bool| match is_own {
            true => format!("otlp.{}.{name}", signal.label()),
            false => format!("otlp.{name}"),
        };
        let text = own.endpoint.as_ref().or(common.endpoint.as_ref())?;
        let is_on = common.enabled != Some(false) && own.enabled != Some(false);
        let at = field("endpoint", own.endpoint.is_some());
        let url = self.url(&at, text)?;
        let protocol = own.protocol.as_ref().or(common.protocol.as_ref());
        let at = field("protocol", own.protocol.is_some());
        let protocol = self.protocol(&at, protocol.map(String::as_str), &url);
        let is_shared = own.endpoint.is_none() && protocol == Protocol::HttpProtobuf;
        let headers = own.headers.as_ref().or(common.headers.as_ref());
        let at = field("headers", own.headers.is_some());
        let headers = self.headers(&at, headers.map_or(&[], Vec::as_slice));
        let timeout = own.timeout.as_ref().or(common.timeout.as_ref());
        let at = field("timeout", own.timeout.is_some());
        let timeout = self.duration(&at, timeout.map(String::as_str));
        let timeout = timeout.unwrap_or(Duration::from_secs(10));
        if timeout.is_zero() {
            (self.mistaken)(&at, "must be longer than 0s".into());
        }
        let gzip = own.compression.as_ref().or(common.compression.as_ref());
        let at = field("compression", own.compression.is_some());
        let gzip = self.gzip(&at, gzip.map(String::as_str));
        let file = |own: &Option<String>, common: &Option<String>| {
            own.as_ref().or(common.as_ref()).map(PathBuf::from)
        };
        let tls = TlsFiles {
            certificate: file(&own.certificate, &common.certificate),
            client_certificate: file(&own.client_certificate, &common.client_certificate),
            client_key: file(&own.client_key, &common.client_key),
        };
        if tls.client_certificate.is_some() != tls.client_key.is_some() {
            let name = match tls.client_key {
                Some(_) => "client_certificate",
                None => "client_key",
            };
            (self.mistaken)(
                &field(name, false),
                "a certificate and its key belong together".into(),
            );
        }
        is_on.then(|| Target {
            protocol,
            url: match is_shared {
                true => with_path(url, signal),
                false => url,
            },
            headers,
            timeout,
            gzip,
            tls,
        })
    }

    fn url(&mut self, field: &str, text: &str) -> Option<Uri> {
        let advice = "write a URL, like http://127.0.0.1:4318";
        let url: Uri = match text.parse() {
            Ok(url) => url,
            Err(error) => {
                (self.mistaken)(field, format!("`{text}`: {error}; {advice}"));
                return None;
            }
        };
        let is_http = matches!(url.scheme_str(), Some("http" | "https"));
        let authority = url.authority().map_or("", |authority| authority.as_str());
        if !is_http || authority.is_empty() {
            (self.mistaken)(field, format!("`{text}` is no http or https URL; {advice}"));
            return None;
        }
        if authority.contains('@') {
            let text = "credentials do not belong into a URL; put them into `headers`";
            (self.mistaken)(field, text.into());
            return None;
        }
        // A port that is no number of one is otherwise left out in silence.
        let has_port = authority
            .rsplit(']')
            .next()
            .is_some_and(|end| end.contains(':'));
        if has_port && url.port_u16().is_none_or(|port| port == 0) {
            (self.mistaken)(
                field,
                format!("`{text}` has no port of 1 to 65535; {advice}"),
            );
            return None;
        }
        if url.query().is_some() {
            let text = "a query is not sent; leave it out, or write it into `headers`";
            (self.mistaken)(field, text.into());
            return None;
        }
        Some(url)
    }

    fn protocol(&mut self, field: &str, text: Option<&str>, url: &Uri) -> Protocol {
        match text {
            Some("grpc") => Protocol::Grpc,
            Some("http/protobuf") => Protocol::HttpProtobuf,
            Some(other) => {
                let text = format!("`{other}` is no protocol; use grpc or http/protobuf");
                (self.mistaken)(field, text);
                Protocol::HttpProtobuf
            }
            None if url.port_u16() == Some(4317) => Protocol::Grpc,
            None => Protocol::HttpProtobuf,
        }
    }

    fn gzip(&mut self, field: &str, text: Option<&str>) -> bool {
        match text {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(other) => {
                let text = format!("`{other}` is no compression; use gzip or none");
                (self.mistaken)(field, text);
                false
            }
        }
    }

    fn temporality(&mut self, text: Option<&str>) -> Temporality {
        // The standard asks for any case.
        match text.map(str::to_ascii_lowercase).as_deref() {
            None | Some("cumulative") => Temporality::Cumulative,
            Some("delta") => Temporality::Delta,
            Some("lowmemory") => Temporality::LowMemory,
            Some(other) => {
                let text = format!("`{other}` is none; use cumulative, delta or lowmemory");
                (self.mistaken)("otlp.metrics_temporality", text);
                Temporality::Cumulative
            }
        }
    }

    fn headers(&mut self, field: &str, pairs: &[String]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.pairs(field, pairs) {
            let parsed = name
                .to_ascii_lowercase()
                .parse::<HeaderName>()
                .ok()
                .zip(value.parse::<HeaderValue>().ok());
            match parsed {
                Some((name, mut value)) => {
                    value.set_sensitive(true);
                    headers.append(name, value);
                }
                None => {
                    // The value may be a secret.
                    let text = format!("`{name}` is no header with a value that HTTP can carry");
                    (self.mistaken)(field, text);
                }
            }
        }
        headers
    }

    fn pairs(&mut self, field: &str, pairs: &[String]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for pair in pairs {
            match pair.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    found.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => (self.mistaken)(field, "an entry is not of the form name=value".into()),
            }
        }
        found
    }

    fn routes(&mut self, pairs: &[String]) -> Vec<RouteShare> {
        let field = "otlp.sample_routes";
        let mut routes = Vec::new();
        for (name, share) in self.pairs(field, pairs) {
            match (name.split_once('/'), share.parse::<f64>()) {
                (Some((namespace, route)), Ok(share)) => routes.push(RouteShare {
                    namespace: namespace.to_owned(),
                    route: route.to_owned(),
                    per_million: self.share(field, share),
                }),
                _ => {
                    let text = format!(
                        "`{name}={share}`: write namespace/route=share, like shop/cart=0.5"
                    );
                    (self.mistaken)(field, text);
                }
            }
        }
        routes
    }

    fn share(&mut self, field: &str, share: f64) -> u32 {
        if !(0.0..=1.0).contains(&share) {
            (self.mistaken)(field, format!("`{share}` is no share; write 0 to 1"));
        }
        crate::outputs::per_million(share)
    }

    fn duration(&mut self, field: &str, text: Option<&str>) -> Option<Duration> {
        match duration::parse(text?) {
            Ok(duration) => Some(duration),
            Err(text) => {
                (self.mistaken)(field, text);
                None
            }
        }
    }
}

/// The URL that all signals share, for one of them.
fn with_path(url: Uri, signal: Signal) -> Uri {
    let mut parts = url.clone().into_parts();
    let path = url.path().trim_end_matches('/');
    match PathAndQuery::try_from(format!("{path}{}", signal.http_path())) {
        Ok(path) => {
            parts.path_and_query = Some(path);
            Uri::from_parts(parts).unwrap_or(url)
        }
        Err(_) => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;

    fn read(file: &str, environment: &[(&str, &str)]) -> (Option<Otlp>, Vec<String>) {
        let mut layers = Layers::default();
        layers.file("rauta.toml", file);
        let look = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        layers.otel(look);
        layers.environment(look);
        let (raw, _, mistakes) = layers.read();
        assert_eq!(mistakes, []);
        let mut fields = Vec::new();
        let otlp = validate(raw.otlp.unwrap_or_default(), &mut |field, _| {
            fields.push(field.to_owned());
        });
        (otlp, fields)
    }

    fn sink(file: &str, environment: &[(&str, &str)]) -> Config {
        let (otlp, mistakes) = read(file, environment);
        assert_eq!(mistakes, [""; 0]);
        otlp.expect("something is exported").sink
    }

    #[test]
    fn one_endpoint_is_enough() {
        let http = sink("[otlp]\nendpoint = \"http://c:4318/in/\"", &[]);
        let traces = http.traces.expect("traces");
        assert_eq!(traces.url.to_string(), "http://c:4318/in/v1/traces");
        assert_eq!(traces.protocol, Protocol::HttpProtobuf);
        let grpc = sink("", &[("RAUTA_OTLP_ENDPOINT", "http://c:4317")]);
        let logs = grpc.logs.expect("logs");
        assert_eq!((logs.protocol, logs.url.path()), (Protocol::Grpc, "/"));
        assert!(read("", &[]).0.is_none());
    }

    #[test]
    fn the_standard_variables_are_read_and_those_of_a_signal_win() {
        let sink = sink(
            "[otlp]\nendpoint = \"http://file:4318\"\ntimeout = \"3s\"",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://env:4318"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b,x=1"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
                ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://spans:4317"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
                ("OTEL_LOGS_EXPORTER", "none"),
                ("OTEL_SERVICE_NAME", "edge"),
                ("OTEL_RESOURCE_ATTRIBUTES", "team=web,service.name=other"),
                ("OTEL_METRIC_EXPORT_INTERVAL", "2000"),
            ],
        );
        let (traces, metrics) = (sink.traces.expect("traces"), sink.metrics.expect("metrics"));
        assert_eq!(traces.url.to_string(), "http://spans:4317/");
        assert!(!traces.gzip && metrics.gzip);
        assert_eq!(metrics.url.to_string(), "https://env:4318/v1/metrics");
        assert_eq!(metrics.timeout, Duration::from_millis(1500));
        assert_eq!(metrics.headers["api-key"], "a b");
        assert!(
            !format!("{metrics:?}").contains("a b"),
            "secrets stay unseen"
        );
        assert_eq!(metrics.tls.certificate, Some("/ca.pem".into()));
        assert!(sink.logs.is_none());
        assert_eq!(sink.service_name, "edge");
        assert_eq!(sink.resource, [("team".to_owned(), "web".to_owned())]);
        assert_eq!(sink.metrics_interval, Duration::from_secs(2));
    }

    #[test]
    fn temporality_and_old_names_are_the_standard_s() {
        let with = |name, value| {
            let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
            sink("", &[endpoint, (name, value)])
        };
        let temporality = |value| {
            let name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
            with(name, value).metrics_temporality
        };
        assert_eq!(temporality(""), Temporality::Cumulative);
        assert_eq!(temporality("cumulative"), Temporality::Cumulative);
        assert_eq!(temporality("DELTA"), Temporality::Delta);
        assert_eq!(temporality("lowmemory"), Temporality::LowMemory);
        let has_old = |value| with("OTEL_SEMCONV_STABILITY_OPT_IN", value).old_http_attributes;
        assert!(has_old("http/dup") && has_old("database, http/dup,http"));
        assert!(!has_old("") && !has_old("http") && !has_old("database/dup"));
        let own = "[otlp]\nendpoint = \"http://c:4318\"\nold_http_attributes = true";
        let opted = [("OTEL_SEMCONV_STABILITY_OPT_IN", "http")];
        assert!(!sink(own, &opted).old_http_attributes, "the variable wins");
        let others = [("OTEL_SEMCONV_STABILITY_OPT_IN", "database")];
        assert!(
            sink(own, &others).old_http_attributes,
            "it says nothing about HTTP"
        );
    }

    #[test]
    fn samplers_and_the_off_switch_are_the_standard_s() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        let share = |sampler, argument| {
            let variables = [
                endpoint,
                ("OTEL_TRACES_SAMPLER", sampler),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ];
            read("", &variables).0.expect("on").tracing.per_million
        };
        assert_eq!(share("parentbased_always_on", ""), 1_000_000);
        assert_eq!(share("always_off", ""), 0);
        assert_eq!(share("parentbased_traceidratio", "0.25"), 250_000);
        assert!(
            read("", &[endpoint, ("OTEL_SDK_DISABLED", "true")])
                .0
                .is_none()
        );
        let own = "[otlp]\nsample = 0.5\nsample_routes = [\"shop/cart=1\"]";
        let (otlp, _) = read(own, &[endpoint]);
        let tracing = otlp.expect("on").tracing;
        assert_eq!(tracing.per_million, 500_000);
        assert_eq!(tracing.routes[0].per_million, 1_000_000);
    }

    #[test]
    fn urls_that_cannot_be_meant_are_refused() {
        for url in [
            "http://127.0.0.1:70000",
            "http://a:0",
            "http://[::1]:x",
            "http://a:4318/?key=1",
            "http://user:secret@a",
            "a:4317",
        ] {
            let (_, fields) = read(&format!("[otlp]\nendpoint = \"{url}\""), &[]);
            assert!(fields.contains(&"otlp.endpoint".to_owned()), "{url}");
        }
        for url in ["http://[::1]", "http://[::1]:4318", "https://a/base"] {
            let (_, fields) = read(&format!("[otlp]\nendpoint = \"{url}\""), &[]);
            assert!(fields.is_empty(), "{url}: {fields:?}");
        }
    }

    #[test]
    fn mistakes_name_their_field() {
        let file = r#"
            [otlp]
            endpoint = "c:4317"
            sample = 2.0
            sample_routes = ["cart=1"]
            resource = ["x"]
            metrics_interval = "1ms"
            metrics_temporality = "sometimes"
            [otlp.logs]
            endpoint = "http://u:p@c:4318"
            [otlp.metrics]
            endpoint = "http://c"
            protocol = "json"
            compression = "zstd"
            headers = ["a b=c"]
            timeout = "5"
            client_key = "key.pem"
        "#;
        let (_, mut mistakes) = read(file, &[]);
        mistakes.sort();
        assert_eq!(
            mistakes,
            [
                "otlp.client_certificate",
                "otlp.endpoint",
                "otlp.logs.endpoint",
                "otlp.metrics.compression",
                "otlp.metrics.headers",
                "otlp.metrics.protocol",
                "otlp.metrics.timeout",
                "otlp.metrics_interval",
                "otlp.metrics_temporality",
                "otlp.resource",
                "otlp.sample",
                "otlp.sample_routes",
            ]
        );
    }
}
