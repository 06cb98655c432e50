//! What RAUTA exports, read by those that operators read it with: a real OpenTelemetry Collector
//! and a real Prometheus.

use rauta_integration::{
    Collector, Manifests, Prometheus, Rauta, check_metrics, get, request, route, service,
};
use rauta_test_support::{Origin, in_time};
use std::time::Duration;

/// The trace that the test's own client begins.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT_SPAN: &str = "b7ad6b7169203331";

async fn manifests(origin: &Origin) -> Manifests {
    let manifests = Manifests::new().expect("a folder");
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let text = [
        service("shop", origin.address()),
        route("shop", "/shop", "shop"),
        service("gone", nowhere),
        route("gone", "/gone", "gone"),
    ]
    .concat();
    manifests.write("routes.yaml", &text).expect("written");
    manifests
}

/// RAUTA that exports to the collector at this URL.
fn exporting(manifests: &Manifests, url: &str, variables: &[(&str, &str)]) -> Rauta {
    let arguments = ["--manifests", manifests.argument(), "--otlp", url];
    Rauta::start(&arguments, variables).expect("RAUTA runs")
}

/// The text of the span of this kind in the trace, as the collector prints it.
fn span<'a>(printed: &'a str, kind: &str, holds: &str) -> Option<&'a str> {
    printed.split("Span #").skip(1).find(|span| {
        let of_kind = format!("Kind           : {kind}");
        span.contains(TRACE) && span.contains(&of_kind) && span.contains(holds)
    })
}

fn field<'a>(span: &'a str, name: &str) -> &'a str {
    find_field(span, name).unwrap_or_else(|| panic!("no {name} in {span}"))
}

fn find_field<'a>(span: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = span.lines();
    lines.find_map(|line| {
        Some(
            line.trim()
                .strip_prefix(name)?
                .trim()
                .strip_prefix(':')?
                .trim(),
        )
    })
}

/// The spans of an exchange, and of one that failed.
fn are_right(origin: &Origin, server: &str, client: &str, failed: &str) {
    assert_eq!(field(server, "Parent ID"), CLIENT_SPAN);
    assert_eq!(field(server, "Name"), "GET /shop/*");
    for expected in [
        "http.request.method: Str(GET)",
        "http.route: Str(/shop/*)",
        "http.response.status_code: Int(200)",
        "url.query: Str(token=REDACTED&a=1)",
        "rauta.route.name: Str(default/shop)",
    ] {
        assert!(server.contains(expected), "{expected} in {server}");
    }
    assert_eq!(field(client, "Parent ID"), field(server, "ID"));
    let seen = origin.received().pop().expect("a request");
    let parent = format!("00-{TRACE}-{}-01", field(client, "ID"));
    assert_eq!(seen.field("traceparent"), Some(parent.as_str()));
    assert!(
        failed.contains("error.type: Str(connect_refused)"),
        "{failed}"
    );
    assert!(failed.contains("Status code    : Error"), "{failed}");
}

/// An endpoint that refuses becomes an anomaly, and the anomaly a record.
fn has_anomaly(collector: &Collector, manifests: &Manifests) {
    for _ in 0..12 {
        let answer = get(manifests.gateway(), "shop.test", "/gone").expect("an answer");
        assert_eq!(answer.status / 100, 5);
    }
    let record = collector.wait_for("record of the anomaly", |printed| {
        let record = printed
            .split("LogRecord #")
            .skip(1)
            .find(|record| record.contains("EventName: service.endpoint.ejected"))?;
        Some(record.to_owned())
    });
    let record = record.expect("a record");
    for expected in [
        "rauta.anomaly.kind: Str(endpoint_ejected)",
        "rauta.anomaly.phase: Str(firing)",
        "rauta.evidence: Map({",
    ] {
        assert!(record.contains(expected), "{expected} in {record}");
    }
}

async fn exports_over(protocol: &str, url: impl Fn(&Collector) -> String) {
    let collector = Collector::start().expect("a collector");
    let origin = Origin::saying("ok").await;
    let manifests = manifests(&origin).await;
    let url = url(&collector);
    let variables = [
        ("RAUTA_OTLP_METRICS_INTERVAL", "500ms"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        ),
    ];
    let mut rauta = exporting(&manifests, &url, &variables);
    for path in ["/shop/cart?token=secret&a=1", "/gone"] {
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\
             traceparent: 00-{TRACE}-{CLIENT_SPAN}-01\r\n\r\n"
        );
        request(manifests.gateway(), &text).expect("an answer");
    }

    let found = collector.wait_for("span of the exchange", |printed| {
        let server = span(printed, "Server", "/shop/cart")?.to_owned();
        let client = span(printed, "Client", "/shop/cart")?.to_owned();
        let failed = span(printed, "Server", "Str(/gone)")?.to_owned();
        Some((server, client, failed))
    });
    let (server, client, failed) = found.expect("spans");
    are_right(&origin, &server, &client, &failed);

    collector
        .wait_for("histogram and total", |printed| {
            let is_there = printed.contains("Name: http.server.request.duration")
                && printed.contains("Name: rauta_http_requests_total")
                && printed.contains("deployment.environment.name: Str(test)");
            is_there.then_some(())
        })
        .expect("metrics");
    let page = get(rauta.admin(), "localhost", "/metrics")
        .expect("metrics")
        .body;
    let sent = page.lines().find(|line| {
        line.starts_with("rauta_sink_sent_total{signal=\"traces\",sink=\"otlp\"}")
            || line.starts_with("rauta_sink_sent_total{sink=\"otlp\",signal=\"traces\"}")
    });
    let sent = sent.unwrap_or_else(|| panic!("no sent total in {page}"));
    assert!(sent.ends_with(" 4"), "two exchanges of two spans: {sent}");

    has_anomaly(&collector, &manifests);
    rauta.terminate();
    assert!(rauta.wait().expect("ends").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_and_metrics_over_grpc() {
    exports_over("grpc", |collector| format!("http://{}", collector.grpc())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_spans_and_metrics_over_http() {
    exports_over("http/protobuf", |collector| {
        format!("http://{}", collector.http())
    })
    .await;
}

/// Deltas of a metric for `/shop/*`, as the collector prints them: start, end and value or count.
/// The last one may be printed in part only: it does not count.
fn points(printed: &str, name: &str) -> Vec<(String, String, f64)> {
    let named = format!("-> Name: {name}\n");
    let metrics = printed.split("Metric #").skip(1);
    let deltas = metrics.filter(|metric| {
        metric.contains(&named) && metric.contains("-> AggregationTemporality: Delta\n")
    });
    let points = deltas.flat_map(|metric| metric.split("DataPoints #").skip(1));
    let points = points.filter(|point| point.contains("http.route: Str(/shop/*)"));
    let told = points.filter_map(|point| {
        let value = find_field(point, "Count").or_else(|| find_field(point, "Value"))?;
        Some((
            find_field(point, "StartTimestamp")?.to_owned(),
            find_field(point, "Timestamp")?.to_owned(),
            value.parse().ok()?,
        ))
    });
    told.collect()
}

/// The points of each series one after the other: what they add up to, and whether each begins
/// where the one before ended or later.
fn adds_up(points: &[(String, String, f64)]) -> f64 {
    for pair in points.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "points overlap: {points:?}");
    }
    points.iter().map(|(_, _, value)| value).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_wants_deltas_gets_each_exchange_once_and_old_names_beside_the_new() {
    let collector = Collector::start().expect("a collector");
    let origin = Origin::saying("ok").await;
    let manifests = manifests(&origin).await;
    let url = format!("http://{}", collector.http());
    let variables = [
        ("RAUTA_OTLP_METRICS_INTERVAL", "200ms"),
        ("RAUTA_OTLP_SAMPLE", "1"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "http/dup"),
    ];
    let mut rauta = exporting(&manifests, &url, &variables);
    let (total, duration) = ("rauta_http_requests_total", "http.server.request.duration");
    let mut asked = 0.0;
    for more in [3, 2] {
        for _ in 0..more {
            let answer = get(manifests.gateway(), "shop.test", "/shop/cart?a=1");
            assert_eq!(answer.expect("an answer").status, 200);
        }
        asked += f64::from(more);
        let found = collector.wait_for("sum of the deltas", |printed| {
            let sum = |name| {
                points(printed, name)
                    .iter()
                    .map(|(_, _, value)| value)
                    .sum()
            };
            let sums: [f64; 2] = [sum(total), sum(duration)];
            sums.iter().all(|sum| *sum >= asked).then_some(())
        });
        found.expect("each exchange");
    }
    let server = collector.wait_for("span with old names", |printed| {
        let mut spans = printed.split("Span #").skip(1);
        let is_whole = |span: &&str| span.contains("http.target: ");
        spans.find(is_whole).map(str::to_owned)
    });
    let server = server.expect("a span");
    for expected in [
        "http.request.method: Str(GET)",
        "http.method: Str(GET)",
        "http.status_code: Int(200)",
        "http.target: Str(/shop/cart?a=1)",
        "http.scheme: Str(http)",
    ] {
        assert!(server.contains(expected), "{expected} in {server}");
    }
    rauta.terminate();
    assert!(rauta.wait().expect("ends").success());
    let printed = collector.wait_for("all", |printed| Some(printed.to_owned()));
    let printed = printed.expect("there");
    assert!(!printed.contains("AggregationTemporality: Cumulative"));
    for name in [total, duration] {
        let points = points(&printed, name);
        assert!(points.len() >= 2, "{points:?}");
        assert_eq!(adds_up(&points), asked, "{name}: {points:?}");
    }
}

/// Waits until a figure of `/metrics` is at least this.
async fn reaches(rauta: &Rauta, beginning: &str, least: f64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    in_time(beginning, async {
        loop {
            ticks.tick().await;
            let page = get(rauta.admin(), "localhost", "/metrics").expect("metrics");
            let line = page.body.lines().find(|line| line.starts_with(beginning));
            let figure = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
            if figure.is_some_and(|figure: f64| figure >= least) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_was_away_is_told_what_it_missed_and_nothing_twice() {
    let mut collector = Collector::start().expect("a collector");
    let origin = Origin::saying("ok").await;
    let manifests = manifests(&origin).await;
    let url = format!("http://{}", collector.http());
    let variables = [
        ("RAUTA_OTLP_METRICS_INTERVAL", "200ms"),
        ("RAUTA_OTLP_METRICS_TEMPORALITY", "delta"),
    ];
    let rauta = exporting(&manifests, &url, &variables);
    let ask = || {
        let answer = get(manifests.gateway(), "shop.test", "/shop").expect("an answer");
        assert_eq!(answer.status, 200);
    };
    let name = "rauta_http_requests_total";
    let told = |collector: &Collector, asked: f64| {
        let told = collector.wait_for("sum of the deltas", |printed| {
            let points = points(printed, name);
            (adds_up(&points) >= asked).then_some(points)
        });
        told.expect("each exchange")
    };
    (0..3).for_each(|_| ask());
    let before = told(&collector, 3.0);
    // RAUTA goes on with the next export only once it knows that the last one was taken in.
    let exports = |printed: &str| printed.matches("ResourceMetrics #0").count();
    let so_far = collector.wait_for("exports", |printed| Some(exports(printed)));
    let so_far = so_far.expect("some");
    let next = collector.wait_for("one more", |printed| {
        (exports(printed) > so_far).then_some(())
    });
    next.expect("the next export");

    collector.kill();
    ask();
    let failed = "rauta_sink_failed_total{sink=\"otlp\",signal=\"metrics\",reason=\"unreachable\"}";
    reaches(&rauta, failed, 3.0).await;
    ask();
    reaches(&rauta, failed, 6.0).await;
    collector.restart().expect("starts again");
    let after = told(&collector, 2.0);
    assert_eq!((adds_up(&before), adds_up(&after)), (3.0, 2.0));
    let all = [before, after].concat();
    assert_eq!(adds_up(&all), 5.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_what_promtool_finds_no_fault_with() {
    let origin = Origin::saying("ok").await;
    let manifests = manifests(&origin).await;
    let rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("RAUTA runs");
    for _ in 0..3 {
        let answer = get(manifests.gateway(), "shop.test", "/shop").expect("an answer");
        assert_eq!(answer.status, 200);
    }
    let prometheus = Prometheus::start(rauta.admin()).expect("Prometheus runs");
    let query =
        "rauta_http_requests_total{http_route=\"/shop/*\",http_response_status_code=\"200\"} == 3";
    let series = prometheus.wait_for(query).expect("the exchanges");
    let labels = &series[0]["metric"];
    assert_eq!(labels["rauta_route_name"], "default/shop");
    assert_eq!(labels["url_scheme"], "http");
    let quantile = "histogram_quantile(0.5, http_server_request_duration_seconds_bucket{http_route=\"/shop/*\"}) > 0";
    prometheus
        .wait_for(quantile)
        .expect("a quantile of the histogram");
    let page = get(rauta.admin(), "localhost", "/metrics")
        .expect("metrics")
        .body;
    assert_eq!(check_metrics(&page).expect("promtool runs"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_refuses_is_told_with_what_to_do() {
    let origin = Origin::saying("ok").await;
    let manifests = manifests(&origin).await;
    let refusing = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let collector = Origin::answering(refusing).await;
    let url = format!("http://{}", collector.address());
    let mut rauta = exporting(
        &manifests,
        &url,
        &[("RAUTA_OTLP_METRICS_INTERVAL", "100ms")],
    );
    let line = rauta.wait_for_text("OTLP export fails").expect("a line");
    let told: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let has = |name: &str, part: &str| {
        let value = told[name].as_str().unwrap_or_default();
        assert!(value.contains(part), "{part} in {name} of {told}");
    };
    has("to", &collector.address().to_string());
    has("reason", "unauthorized");
    has("then", "dropped");
    has("fix", "otlp.headers");
}
