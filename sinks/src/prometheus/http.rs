//! HTTP metrics by route, status and endpoint, from response events; names and buckets by the
//! OpenTelemetry semantic conventions for HTTP metrics (v1.44).

use super::series::{Series, SeriesMap, Shape};
use super::{Error, prom};
use crate::conventions::{error_type, host_and_port};
use prom::Histogram;
use rauta_core::bus::Subscriber;
use rauta_core::clock::Now;
use rauta_schemas::{
    BackendId, EndpointId, Event, Families, Family, HttpMethod, HttpResponseEvent, HttpVersion,
    ListenerId, Names, Outcome, Reason, RuleId, Timings,
};
use std::sync::Arc;

/// Seconds, as the conventions state them for request durations.
const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Seconds; a proxy's own share is far below the conventions' first bucket.
const PROXY_BUCKETS: [f64; 10] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.025, 0.1,
];

/// Series of each metric; what comes later shares one series labelled `_overflow`.
const SERIES_MAX: usize = 2_000;

const SERVER_LABELS: [&str; 9] = [
    "http_request_method",
    "http_response_status_code",
    "http_route",
    "network_protocol_version",
    "error_type",
    "rauta_gateway_name",
    "rauta_listener_name",
    "rauta_route_name",
    "url_scheme",
];

const CLIENT_LABELS: [&str; 6] = [
    "http_request_method",
    "http_response_status_code",
    "server_address",
    "server_port",
    "error_type",
    "rauta_backend_name",
];

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ServerKey {
    rule: RuleId,
    listener: ListenerId,
    status: u16,
    method: HttpMethod,
    version: HttpVersion,
    reason: Reason,
    is_tls: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct ClientKey {
    endpoint: EndpointId,
    backend: BackendId,
    status: u16,
    method: HttpMethod,
    reason: Reason,
}

const SERVER: Shape = Shape {
    counter: Some((
        "rauta_http_requests_total",
        "Exchanges that ended; http_route=\"_dropped\" counts those whose event was dropped.",
    )),
    histogram: (
        "http_server_request_duration_seconds",
        "From the request head's first byte to the response's last, seconds.",
    ),
    labels: &SERVER_LABELS,
    bounds: &DURATION_BUCKETS,
};

const CLIENT: Shape = Shape {
    counter: None,
    histogram: (
        "http_client_request_duration_seconds",
        "From choosing the endpoint of the last attempt to the response's last byte, seconds.",
    ),
    labels: &CLIENT_LABELS,
    bounds: &DURATION_BUCKETS,
};

/// Counts and times exchanges on the pipeline thread.
#[derive(Debug)]
pub struct HttpMetrics {
    names: Names,
    server: SeriesMap<ServerKey>,
    /// Exchanges whose event was dropped.
    dropped: Arc<Series>,
    client: SeriesMap<ClientKey>,
    proxy: Histogram,
}

impl HttpMetrics {
    /// Registers the metrics.
    pub fn new(registry: &prom::Registry, names: Names) -> Result<Self, Error> {
        let server = SeriesMap::register(SERVER, SERIES_MAX, registry)?;
        let client = SeriesMap::register(CLIENT, SERIES_MAX, registry)?;
        let proxy = Histogram::with_opts(
            prom::HistogramOpts::new(
                "rauta_http_proxy_duration_seconds",
                "RAUTA's own share until the request was sent: routing and sending, without connecting; seconds.",
            )
            .buckets(PROXY_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(proxy.clone()))?;
        let mut dropped = [""; SERVER_LABELS.len()];
        dropped[2] = "_dropped";
        Ok(Self {
            names,
            dropped: server.add(dropped.into_iter()),
            server,
            client,
            proxy,
        })
    }

    fn record(&mut self, event: &HttpResponseEvent) {
        let id = event.identity;
        let key = ServerKey {
            rule: id.rule,
            listener: id.listener,
            status: event.status,
            method: event.method,
            version: event.downstream_version,
            reason: event.reason,
            is_tls: event.is_tls,
        };
        let names = &self.names;
        let series = self.server.get(key, || server_labels(names, event));
        series.count(1);
        if event.outcome != Outcome::Tunnelled && !event.is_streaming {
            series.observe(event.last_byte_ns as f64 / 1e9);
        }
        if id.endpoint.is_some() && event.timings.upstream_chosen_us != Timings::UNSET {
            let key = ClientKey {
                endpoint: id.endpoint,
                backend: id.backend,
                status: event.status,
                method: event.method,
                reason: event.reason,
            };
            let before = f64::from(event.timings.upstream_chosen_us) / 1e6;
            let seconds = (event.last_byte_ns as f64 / 1e9 - before).max(0.0);
            self.client
                .get(key, || client_labels(names, event))
                .observe(seconds);
        }
        if let Some(seconds) = own_share(&event.timings) {
            self.proxy.observe(seconds);
        }
    }
}

impl Subscriber for HttpMetrics {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn families(&self) -> Families {
        Families::NONE.with(Family::HttpResponse)
    }

    fn on_event(&mut self, event: &Event) {
        if let Event::HttpResponse(response) = event {
            self.record(response);
        }
    }

    fn on_dropped(&mut self, family: Family, count: u64) {
        if family == Family::HttpResponse {
            self.dropped.count(count);
        }
    }

    fn on_tick(&mut self, _now: Now) {}
}

/// Choosing and sending, without connecting, in seconds; `None` where nothing was sent.
fn own_share(timings: &Timings) -> Option<f64> {
    let Timings {
        head_read_us,
        upstream_chosen_us,
        connected_us,
        sent_us,
        ..
    } = *timings;
    if sent_us == Timings::UNSET || connected_us == Timings::UNSET {
        return None;
    }
    let choosing = upstream_chosen_us.saturating_sub(head_read_us);
    let sending = sent_us.saturating_sub(connected_us);
    Some(f64::from(choosing.saturating_add(sending)) / 1e6)
}

fn status_label(status: u16) -> String {
    if status == 0 {
        String::new()
    } else {
        status.to_string()
    }
}

fn server_labels(names: &Names, event: &HttpResponseEvent) -> Vec<String> {
    let listener = names.listener(event.identity.listener);
    let rule = names.rule(event.identity.rule);
    let (gateway, listener) = listener.map_or_else(Default::default, |name| {
        (
            format!("{}/{}", name.namespace, name.gateway),
            name.listener.clone(),
        )
    });
    let (template, route) = rule.map_or_else(Default::default, |name| {
        (
            name.template.clone(),
            format!("{}/{}", name.namespace, name.route),
        )
    });
    vec![
        event.method.label().to_owned(),
        status_label(event.status),
        template,
        event.downstream_version.label().to_owned(),
        error_type(event),
        gateway,
        listener,
        route,
        if event.is_tls { "https" } else { "http" }.to_owned(),
    ]
}

fn client_labels(names: &Names, event: &HttpResponseEvent) -> Vec<String> {
    let address = names
        .endpoint(event.identity.endpoint)
        .map(|name| name.address.clone());
    let address = address.unwrap_or_default();
    let (host, port) = host_and_port(&address);
    let backend = names
        .backend(event.identity.backend)
        .map_or_else(String::new, |name| {
            format!("{}/{}:{}", name.namespace, name.service, name.port)
        });
    vec![
        event.method.label().to_owned(),
        status_label(event.status),
        host.to_owned(),
        match port {
            0 => String::new(),
            port => port.to_string(),
        },
        error_type(event),
        backend,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::Page;
    use rauta_schemas::{EndpointName, ListenerName, RouteKind, RuleName};
    use rauta_test_support::events::response;

    fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
        text.lines()
            .filter(|line| line.starts_with(start))
            .collect()
    }

    #[test]
    fn an_exchange_is_counted_and_timed_by_its_configuration() {
        let names = Names::default();
        let listener = names.listeners.intern(ListenerName {
            namespace: "infra".into(),
            gateway: "edge".into(),
            listener: "http".into(),
            port: 80,
        });
        let rule = names.rules.intern(RuleName {
            kind: RouteKind::Http,
            namespace: "shop".into(),
            route: "cart".into(),
            rule: "0".into(),
            template: "/cart".into(),
        });
        let endpoint = names.endpoints.intern(EndpointName {
            address: "[::1]:3000".into(),
            pod: String::new(),
            node: String::new(),
            backend: BackendId::NONE,
        });
        let page = Page::default();
        let mut metrics = HttpMetrics::new(page.registry(), names).expect("registers");
        let mut event = response(1, 200);
        event.identity.listener = ListenerId::from(listener.number());
        event.identity.rule = RuleId::from(rule.number());
        event.identity.endpoint = EndpointId::from(endpoint.number());
        metrics.on_event(&Event::HttpResponse(event));
        let text = page.text().expect("encodes");
        assert_eq!(
            lines(&text, "rauta_http_requests_total{"),
            [
                "rauta_http_requests_total{error_type=\"\",http_request_method=\"\",\
                 http_response_status_code=\"\",http_route=\"_dropped\",\
                 network_protocol_version=\"\",rauta_gateway_name=\"\",\
                 rauta_listener_name=\"\",rauta_route_name=\"\",url_scheme=\"\"} 0",
                "rauta_http_requests_total{error_type=\"\",http_request_method=\"GET\",\
                 http_response_status_code=\"200\",http_route=\"/cart\",\
                 network_protocol_version=\"1.1\",rauta_gateway_name=\"infra/edge\",\
                 rauta_listener_name=\"http\",rauta_route_name=\"shop/cart\",url_scheme=\"http\"} 1",
            ]
        );
        let client = lines(&text, "http_client_request_duration_seconds_count");
        assert!(
            client[0].contains("server_address=\"::1\",server_port=\"3000\"}"),
            "{client:?}"
        );
        assert_eq!(
            lines(&text, "rauta_http_proxy_duration_seconds_count"),
            ["rauta_http_proxy_duration_seconds_count 1"]
        );
    }

    #[test]
    fn what_the_bus_dropped_keeps_the_sum_whole() {
        let page = Page::default();
        let mut metrics = HttpMetrics::new(page.registry(), Names::default()).expect("registers");
        for ordinal in 1..=5 {
            metrics.on_event(&Event::HttpResponse(response(ordinal, 200)));
        }
        metrics.on_dropped(Family::HttpResponse, 3);
        metrics.on_dropped(Family::HttpRequest, 9);
        let text = page.text().expect("encodes");
        let sum: u64 = lines(&text, "rauta_http_requests_total{")
            .iter()
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum();
        assert_eq!(sum, 8);
    }

    #[test]
    fn series_are_capped_and_the_rest_shares_one() {
        let page = Page::default();
        let mut metrics = HttpMetrics::new(page.registry(), Names::default()).expect("registers");
        let many = u32::try_from(SERIES_MAX).expect("small") + 100;
        for rule in 1..=many {
            let mut event = response(rule, 200);
            event.identity.rule = RuleId::from(rule);
            event.status = 100 + (rule % 900) as u16;
            event.method = if rule % 2 == 0 {
                HttpMethod::Get
            } else {
                HttpMethod::Put
            };
            event.reason = Reason::ALL[(rule / 900) as usize % Reason::ALL.len()];
            metrics.on_event(&Event::HttpResponse(event));
        }
        let text = page.text().expect("encodes");
        let series = lines(&text, "rauta_http_requests_total{");
        assert!(series.len() <= SERIES_MAX + 2, "{} series", series.len());
        let overflow = series
            .iter()
            .find(|line| line.contains("http_route=\"_overflow\""));
        assert!(
            overflow.is_some_and(|line| line.ends_with(" 100")),
            "{overflow:?}"
        );
    }
}
