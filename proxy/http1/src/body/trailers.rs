//! Which fields may come after a body (RFC 9110 section 6.5.1): none that frame, route, condition,
//! authenticate or describe the message, for those were due before it.

use http::header::{HeaderMap, HeaderName};

/// Takes forbidden fields out of a trailer section, HTTP/2's included; says how many went.
pub fn filter_trailers(trailers: &mut HeaderMap) -> usize {
    let before = trailers.len();
    let forbidden: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| !is_allowed(name.as_str()))
        .cloned()
        .collect();
    for name in forbidden {
        trailers.remove(name);
    }
    before - trailers.len()
}

/// Whether a field may stand in a trailer section; `name` in lower case. An underscore counts as
/// the hyphen that some readers take it for.
pub(super) fn is_allowed(name: &str) -> bool {
    if name.as_bytes().contains(&b'_') {
        return is_allowed(&name.replace('_', "-"));
    }
    FORBIDDEN.binary_search(&name).is_err()
        && !["access-control-", "if-", "proxy-", "x-forwarded-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// In alphabetic order.
const FORBIDDEN: [&str; 44] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "age",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-real-ip",
    "x-request-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(FORBIDDEN.is_sorted());
    }

    #[test]
    fn only_harmless_fields_stay() {
        let mut trailers = HeaderMap::new();
        for name in [
            "content-length",
            "host",
            "authorization",
            "x-forwarded-for",
            "if-match",
            "content_length",
            "grpc-status",
        ] {
            trailers.append(name, http::HeaderValue::from_static("0"));
            trailers.append(name, http::HeaderValue::from_static("1"));
        }
        assert_eq!(filter_trailers(&mut trailers), 12);
        assert_eq!(
            trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["grpc-status"]
        );
    }
}
