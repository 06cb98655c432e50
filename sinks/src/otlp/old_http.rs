//! The names that HTTP attributes had before they were stable (semantic conventions 1.20), beside
//! the stable ones: for readers that still know these.

use super::attributes::text;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

/// Attributes of both kinds of spans: the stable name, the old one.
const BOTH: &[(&str, &str)] = &[
    ("http.request.method", "http.method"),
    ("http.response.status_code", "http.status_code"),
    ("http.request.body.size", "http.request_content_length"),
    ("http.response.body.size", "http.response_content_length"),
    ("network.protocol.version", "net.protocol.version"),
    ("network.peer.address", "net.sock.peer.addr"),
    ("network.peer.port", "net.sock.peer.port"),
];

const SERVER: &[(&str, &str)] = &[
    ("client.address", "http.client_ip"),
    ("server.address", "net.host.name"),
    ("server.port", "net.host.port"),
    ("url.scheme", "http.scheme"),
];

const CLIENT: &[(&str, &str)] = &[
    ("http.request.resend_count", "http.resend_count"),
    ("server.address", "net.peer.name"),
    ("server.port", "net.peer.port"),
    ("url.full", "http.url"),
];

/// Adds the old names of what a span says.
pub(super) fn add(span: &mut Span) {
    let is_server = span.kind == i32::from(SpanKind::Server);
    let own = if is_server { SERVER } else { CLIENT };
    let mut old = Vec::new();
    for (stable, name) in BOTH.iter().chain(own) {
        old.extend(find(span, stable).map(|value| pair(name, value.clone())));
    }
    if is_server && let Some(path) = find(span, "url.path").and_then(as_text) {
        let target = match find(span, "url.query").and_then(as_text) {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        old.push(pair("http.target", text(target)));
    }
    span.attributes.extend(old);
}

fn find<'a>(span: &'a Span, key: &str) -> Option<&'a AnyValue> {
    let found = span.attributes.iter().find(|one| one.key == key)?;
    found.value.as_ref()
}

fn as_text(value: &AnyValue) -> Option<&str> {
    match &value.value {
        Some(Value::StringValue(text)) => Some(text),
        _ => None,
    }
}

fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::attributes::Attributes;

    fn span(kind: SpanKind) -> Span {
        let mut attributes = Attributes::new();
        attributes.text("http.request.method", "GET");
        attributes.number("http.response.status_code", 503);
        attributes.text("server.address", "shop.test");
        attributes.number("server.port", 80);
        match kind {
            SpanKind::Server => {
                attributes.text("url.scheme", "https");
                attributes.text("url.path", "/cart");
                attributes.text("url.query", "a=1");
            }
            _ => attributes.text("url.full", "http://10.0.0.1:80/cart?a=1"),
        }
        let mut span = Span {
            kind: kind.into(),
            attributes: attributes.into_list(),
            ..Span::default()
        };
        add(&mut span);
        span
    }

    fn old(span: &Span) -> Vec<(&str, String)> {
        let known = [
            "http.method",
            "http.status_code",
            "http.scheme",
            "http.target",
            "http.url",
        ];
        let is_old =
            |one: &&KeyValue| one.key.starts_with("net.") || known.contains(&one.key.as_str());
        let old = span.attributes.iter().filter(is_old).map(|one| {
            let value = match one.value.as_ref().and_then(|value| value.value.as_ref()) {
                Some(Value::StringValue(text)) => text.clone(),
                Some(Value::IntValue(number)) => number.to_string(),
                other => panic!("{other:?}"),
            };
            (one.key.as_str(), value)
        });
        old.collect()
    }

    fn owned(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let owned = pairs.iter().map(|(key, value)| (*key, (*value).to_owned()));
        owned.collect()
    }

    #[test]
    fn a_server_s_span_says_what_was_asked_and_a_client_s_whom() {
        let expected = [
            ("http.method", "GET"),
            ("http.status_code", "503"),
            ("net.host.name", "shop.test"),
            ("net.host.port", "80"),
            ("http.scheme", "https"),
            ("http.target", "/cart?a=1"),
        ];
        assert_eq!(old(&span(SpanKind::Server)), owned(&expected));
        let expected = [
            ("http.method", "GET"),
            ("http.status_code", "503"),
            ("net.peer.name", "shop.test"),
            ("net.peer.port", "80"),
            ("http.url", "http://10.0.0.1:80/cart?a=1"),
        ];
        assert_eq!(old(&span(SpanKind::Client)), owned(&expected));
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let mut span = Span::default();
        add(&mut span);
        assert_eq!(span.attributes, []);
    }
}
