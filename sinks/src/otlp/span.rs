//! An exchange as spans: a SERVER span of its own, and a CLIENT span per attempt.

use super::attributes::Attributes;
use super::spans::{Asked, Kept};
use crate::conventions::{error_type, host_and_port};
use crate::jsonl::redact;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};
use rauta_schemas::{
    Attempt, AttemptOutcome, EndpointId, HttpDetail, HttpResponseEvent, HttpVersion, Names, Side,
    Timings,
};

/// The names of gRPC's statuses, by their number.
const GRPC_STATUS: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Is it a gRPC status that the server is to blame for?
pub(super) fn is_grpc_failure(status: Option<u8>) -> bool {
    matches!(status, Some(2 | 4 | 12 | 13 | 14 | 15))
}

/// Appends an exchange's spans.
pub(super) fn append(kept: &Kept, names: &Names, spans: &mut Vec<Span>) {
    let exchange = Exchange {
        response: &kept.response,
        asked: kept.asked.as_ref(),
        names,
    };
    spans.push(exchange.server());
    exchange.clients(spans);
}

struct Exchange<'a> {
    response: &'a HttpResponseEvent,
    asked: Option<&'a Asked>,
    names: &'a Names,
}

impl Exchange<'_> {
    fn server(&self) -> Span {
        let event = self.response;
        let trace = &event.trace;
        let has_parent = trace.parent_id != [0; 8];
        let mut attributes = Attributes::new();
        self.request(&mut attributes);
        self.names(&mut attributes);
        attributes.some_number("http.response.status_code", event.status);
        attributes.text("rauta.outcome", event.outcome.label());
        if event.side != Side::None {
            attributes.text("rauta.side", event.side.label());
        }
        if event.request_bytes > 0 {
            attributes.number("http.request.body.size", event.request_bytes);
        }
        attributes.number("http.response.body.size", event.response_bytes);
        let mut error = error_type(event);
        if let Some(status) = event.grpc_status {
            let name = GRPC_STATUS.get(usize::from(status)).copied();
            attributes.text("rpc.system.name", "grpc");
            attributes.text("rpc.response.status_code", name.unwrap_or("UNKNOWN"));
            if error.is_empty() && is_grpc_failure(Some(status)) {
                error = name.unwrap_or("UNKNOWN").to_owned();
            }
        }
        // The client's own mistakes are no errors of the server that it asked.
        let is_error = event.status >= 500
            || matches!(event.side, Side::Backend | Side::Gateway)
            || is_grpc_failure(event.grpc_status);
        attributes.text("error.type", error.clone());
        let template = self.template();
        let method = event.method.label();
        Span {
            trace_id: trace.trace_id.to_vec(),
            span_id: trace.span_id.to_vec(),
            parent_span_id: match has_parent {
                true => trace.parent_id.to_vec(),
                false => Vec::new(),
            },
            flags: flags(trace.flags, has_parent),
            name: match template.is_empty() {
                true => span_method(method).to_owned(),
                false => format!("{} {template}", span_method(method)),
            },
            kind: SpanKind::Server.into(),
            start_time_unix_nano: event.wall_ns,
            end_time_unix_nano: event.wall_ns.saturating_add(event.last_byte_ns),
            attributes: attributes.into_list(),
            status: status(is_error, error),
            ..Span::default()
        }
    }

    /// What the client asked for, and who it is.
    fn request(&self, attributes: &mut Attributes) {
        let event = self.response;
        attributes.text("http.request.method", event.method.label());
        attributes.text("url.scheme", if event.is_tls { "https" } else { "http" });
        let (path, query) = self.path_and_query();
        attributes.text("url.path", path);
        attributes.text("url.query", query);
        attributes.text("network.protocol.version", event.downstream_version.label());
        if let Some(asked) = self.asked {
            let detail = self.detail();
            let authority = detail.map_or("", |detail| &detail.authority);
            // The event's prefix is the host alone.
            let host = match authority.is_empty() {
                true => asked.authority.as_str(),
                false => host_of(authority),
            };
            attributes.text("server.address", host);
            let peer = asked.downstream.source;
            if peer.is_known() {
                attributes.text("network.peer.address", peer.ip().to_string());
                attributes.number("network.peer.port", peer.port());
            }
            let client = detail.map(|detail| detail.client);
            let client = client.filter(|client| client.is_known()).unwrap_or(peer);
            if client.is_known() {
                attributes.text("client.address", client.ip().to_string());
            }
        }
        if let Some(detail) = self.detail() {
            attributes.text("user_agent.original", detail.user_agent.clone());
            attributes.text("rauta.request_id", detail.request_id.clone());
        }
    }

    /// Which configuration it met.
    fn names(&self, attributes: &mut Attributes) {
        let identity = self.response.identity;
        if let Some(listener) = self.names.listener(identity.listener) {
            attributes.number("server.port", listener.port);
            let gateway = format!("{}/{}", listener.namespace, listener.gateway);
            attributes.text("rauta.gateway.name", gateway);
            attributes.text("rauta.listener.name", listener.listener.clone());
        }
        if let Some(rule) = self.names.rule(identity.rule) {
            attributes.text("http.route", rule.template.clone());
            attributes.text(
                "rauta.route.name",
                format!("{}/{}", rule.namespace, rule.route),
            );
        }
    }

    fn clients(&self, spans: &mut Vec<Span>) {
        let event = self.response;
        let listed = self.detail_of_attempts();
        if listed.is_empty() {
            let chosen_us = event.timings.upstream_chosen_us;
            if event.attempts_count > 0 && chosen_us != Timings::UNSET {
                let only = Attempt {
                    endpoint: event.identity.endpoint,
                    start_us: chosen_us,
                    duration_us: 0,
                    outcome: event.attempts[usize::from(event.attempts_count > 1)],
                    status: event.status,
                };
                let made = event.attempts_count - 1;
                spans.push(self.client(&only, made, true));
            }
            return;
        }
        for (made, attempt) in listed.iter().enumerate() {
            let is_last = made + 1 == listed.len();
            let made = u8::try_from(made).unwrap_or(u8::MAX);
            spans.push(self.client(attempt, made, is_last));
        }
    }

    /// The span of one attempt, before which `made` were made.
    fn client(&self, attempt: &Attempt, made: u8, is_last: bool) -> Span {
        let event = self.response;
        let trace = &event.trace;
        let is_answered = attempt.outcome == AttemptOutcome::Responded;
        let start = event
            .wall_ns
            .saturating_add(u64::from(attempt.start_us) * 1_000);
        // An attempt that was answered lasts until the answer's last byte.
        let end = match is_answered && is_last || attempt.duration_us == 0 {
            true => event.wall_ns.saturating_add(event.last_byte_ns),
            false => start.saturating_add(u64::from(attempt.duration_us) * 1_000),
        };
        let method = event.method.label();
        let mut attributes = Attributes::new();
        attributes.text("http.request.method", method);
        self.endpoint(attempt.endpoint, &mut attributes);
        attributes.some_number("http.response.status_code", attempt.status);
        if made > 0 {
            attributes.number("http.request.resend_count", made);
        }
        if event.upstream_version != HttpVersion::Unknown {
            let version = event.upstream_version.label();
            attributes.text("network.protocol.version", version);
        }
        let is_error = !is_answered || attempt.status >= 400;
        let error = match (is_error, attempt.status) {
            (false, _) => String::new(),
            (true, 400..) => attempt.status.to_string(),
            (true, _) => attempt.outcome.label().to_owned(),
        };
        attributes.text("error.type", error.clone());
        Span {
            trace_id: trace.trace_id.to_vec(),
            span_id: trace.attempt_span_id(made).to_vec(),
            parent_span_id: trace.span_id.to_vec(),
            flags: flags(trace.flags, false),
            name: span_method(method).to_owned(),
            kind: SpanKind::Client.into(),
            start_time_unix_nano: start,
            end_time_unix_nano: end.max(start),
            attributes: attributes.into_list(),
            status: status(is_error, error),
            ..Span::default()
        }
    }

    /// The endpoint of an attempt, and what was asked of it.
    fn endpoint(&self, endpoint: EndpointId, attributes: &mut Attributes) {
        let Some(endpoint) = self.names.endpoint(endpoint) else {
            return;
        };
        let (host, port) = host_and_port(&endpoint.address);
        attributes.text("server.address", host);
        attributes.some_number("server.port", port);
        attributes.text("network.peer.address", host);
        attributes.some_number("network.peer.port", port);
        attributes.text("rauta.endpoint.pod", endpoint.pod.clone());
        if let Some(backend) = self.names.backend(self.response.identity.backend) {
            let name = format!("{}/{}:{}", backend.namespace, backend.service, backend.port);
            attributes.text("rauta.backend.name", name);
        }
        let (path, query) = self.path_and_query();
        let scheme = match self.response.is_upstream_tls {
            true => "https",
            false => "http",
        };
        let mut url = format!("{scheme}://{}{path}", endpoint.address);
        if !query.is_empty() {
            url.push('?');
            url.push_str(&query);
        }
        attributes.text("url.full", url);
    }

    /// Path and query as far as known, without secrets.
    fn path_and_query(&self) -> (String, String) {
        let whole = self.detail().map_or("", |detail| &detail.path);
        if whole.is_empty() {
            let path = self.asked.map_or("", |asked| asked.path.as_str());
            return (path.to_owned(), String::new());
        }
        let whole = redact::query(whole, redact::USUAL);
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        (path.to_owned(), query.to_owned())
    }

    fn template(&self) -> String {
        let rule = self.names.rule(self.response.identity.rule);
        rule.map_or_else(String::new, |rule| rule.template.clone())
    }

    fn detail(&self) -> Option<&HttpDetail> {
        self.response.detail.as_deref()
    }

    fn detail_of_attempts(&self) -> &[Attempt] {
        self.detail().map_or(&[], |detail| &detail.attempts)
    }
}

/// The host of an authority.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            host.trim_matches(['[', ']'])
        }
        _ => authority.trim_matches(['[', ']']),
    }
}

/// A method as a span's name begins: the conventions ask for `HTTP` where it is none of theirs.
fn span_method(label: &'static str) -> &'static str {
    match label {
        "_OTHER" => "HTTP",
        label => label,
    }
}

/// The trace's flags, and whether the parent is another process's.
fn flags(trace: u8, is_remote: bool) -> u32 {
    let mut flags = u32::from(trace) | SpanFlags::ContextHasIsRemoteMask as u32;
    if is_remote {
        flags |= SpanFlags::ContextIsRemoteMask as u32;
    }
    flags
}

fn status(is_error: bool, message: String) -> Option<Status> {
    is_error.then(|| Status {
        message,
        code: StatusCode::Error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use rauta_schemas::{BackendId, EndpointName, Reason, TraceContext};
    use rauta_test_support::events::{chosen_request, response};

    fn spans(event: HttpResponseEvent, path: &str) -> Vec<Span> {
        spans_with(event, path, &Names::default())
    }

    fn spans_with(event: HttpResponseEvent, path: &str, names: &Names) -> Vec<Span> {
        let asked = chosen_request(1, path);
        let kept = Kept {
            response: event,
            asked: Some(Asked {
                path: asked.path,
                authority: asked.authority,
                downstream: asked.downstream,
            }),
        };
        let mut spans = Vec::new();
        append(&kept, names, &mut spans);
        assert_eq!(spans.len() as u64, kept.spans());
        spans
    }

    fn traced(status: u16) -> HttpResponseEvent {
        let mut event = response(1, status);
        event.wall_ns = 1_000_000_000;
        event.trace = TraceContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            parent_id: [3; 8],
            flags: 1,
        };
        event
    }

    fn text(span: &Span, key: &str) -> Option<String> {
        let found = span.attributes.iter().find(|pair| pair.key == key)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::StringValue(text) => Some(text.clone()),
            Value::IntValue(number) => Some(number.to_string()),
            other => panic!("{key} is {other:?}"),
        }
    }

    fn is_error(span: &Span) -> bool {
        let status = span.status.as_ref();
        status.is_some_and(|status| status.code == i32::from(StatusCode::Error))
    }

    #[test]
    fn each_attempt_is_a_child_of_the_exchange_and_the_exchange_one_of_the_client_s() {
        let mut event = traced(200);
        let attempt = |start_us, duration_us, outcome, status| Attempt {
            endpoint: EndpointId::NONE,
            start_us,
            duration_us,
            outcome,
            status,
        };
        event.attempts_count = 3;
        event.detail = Some(Box::new(HttpDetail {
            attempts: vec![
                attempt(15, 100, AttemptOutcome::ConnectRefused, 0),
                attempt(200, 300, AttemptOutcome::RetriedStatus, 503),
                attempt(600, 700, AttemptOutcome::Responded, 200),
            ],
            ..HttpDetail::default()
        }));
        let trace = event.trace;
        let spans = spans(event, "/cart/17?token=x");
        let [server, first, second, third] = &spans[..] else {
            panic!("{spans:?}")
        };
        assert_eq!(server.parent_span_id, [3; 8]);
        assert_eq!(server.flags, 0x301, "sampled, and the parent is remote");
        assert_eq!(server.end_time_unix_nano, 1_002_000_000);
        assert!(!is_error(server));
        for (made, span) in [first, second, third].into_iter().enumerate() {
            assert_eq!(span.parent_span_id, server.span_id);
            let made = u8::try_from(made).expect("few");
            assert_eq!(span.span_id, trace.attempt_span_id(made));
            let resent = (made > 0).then(|| made.to_string());
            assert_eq!(text(span, "http.request.resend_count"), resent);
        }
        assert_eq!(
            text(first, "error.type").as_deref(),
            Some("connect_refused")
        );
        assert_eq!(text(second, "error.type").as_deref(), Some("503"));
        assert_eq!(text(third, "error.type"), None);
        assert_eq!(first.start_time_unix_nano, 1_000_015_000);
        assert_eq!(first.end_time_unix_nano, 1_000_115_000);
        assert_eq!(
            third.end_time_unix_nano, 1_002_000_000,
            "until the answer's end"
        );
    }

    #[test]
    fn errors_are_the_server_s_own_on_one_side_and_every_bad_answer_on_the_other() {
        for (status, server, client) in [(200, false, false), (404, false, true), (503, true, true)]
        {
            let spans = spans(traced(status), "/");
            let found = (is_error(&spans[0]), is_error(&spans[1]));
            assert_eq!(found, (server, client), "{status}");
        }
        let mut gone = traced(0);
        (gone.side, gone.reason) = (Side::Client, Reason::ClientClosed);
        assert!(!is_error(&spans(gone, "/")[0]));
        let mut grpc = traced(200);
        grpc.grpc_status = Some(14);
        let spans = spans(grpc, "/");
        assert!(is_error(&spans[0]));
        let status = text(&spans[0], "rpc.response.status_code");
        assert_eq!(status.as_deref(), Some("UNAVAILABLE"));
    }

    #[test]
    fn the_url_of_an_attempt_says_whether_it_is_over_tls() {
        let names = Names::default();
        let endpoint = names.endpoints.intern(EndpointName {
            address: "10.0.0.7:8443".into(),
            pod: String::new(),
            node: String::new(),
            backend: BackendId::NONE,
        });
        for (is_upstream_tls, url) in [
            (true, "https://10.0.0.7:8443/cart"),
            (false, "http://10.0.0.7:8443/cart"),
        ] {
            let mut event = traced(200);
            event.is_upstream_tls = is_upstream_tls;
            event.identity.endpoint = EndpointId::from(endpoint.number());
            let spans = spans_with(event, "/cart", &names);
            assert_eq!(text(&spans[1], "url.full").as_deref(), Some(url));
        }
    }

    #[test]
    fn secrets_in_a_query_stay_here() {
        let mut event = traced(200);
        event.detail = Some(Box::new(HttpDetail {
            path: "/cart?token=secret&a=1".into(),
            authority: "shop.test:8080".into(),
            ..HttpDetail::default()
        }));
        let spans = spans(event, "/cart");
        assert_eq!(
            text(&spans[0], "url.query").as_deref(),
            Some("token=REDACTED&a=1")
        );
        assert_eq!(
            text(&spans[0], "server.address").as_deref(),
            Some("shop.test")
        );
        assert!(!format!("{spans:?}").contains("secret"));
    }
}
