//! CORS (Fetch standard): preflights are answered by RAUTA, other responses get the fields that
//! let a browser's script read them. A foreign origin gets none; refusing is the browser's part.

use super::Answer;
use crate::upstream::Outgoing;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, ORIGIN,
    VARY,
};
use http::{Method, StatusCode};
use rauta_http1::Headers;
use rauta_routing::{Cors, CorsOrigin, CorsOrigins};

/// What CORS makes of a request.
#[derive(Debug)]
pub(crate) enum Decision {
    /// It is a preflight: this is its answer.
    Preflight(Answer),
    /// It goes on; these fields belong on its response.
    Actual(Headers),
}

/// Looks at a request's `Origin`.
pub(crate) fn on_request(cors: &Cors, request: &Outgoing) -> Decision {
    let origin = request.headers.value(&ORIGIN);
    let is_wanted = request.headers.contains(&ACCESS_CONTROL_REQUEST_METHOD);
    let is_preflight = request.method == Method::OPTIONS && origin.is_some() && is_wanted;
    let allowed = origin
        .as_ref()
        .filter(|origin| is_allowed(&cors.origins, origin));
    let mut fields = Headers::new();
    if let Some(origin) = allowed {
        allow_origin(cors, origin, &mut fields);
        if is_preflight {
            allow_preflight(cors, request, &mut fields);
        } else if let Some(exposed) = exposed(cors) {
            fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
    if is_preflight {
        let status = StatusCode::NO_CONTENT;
        vary(&mut fields);
        return Decision::Preflight(Answer {
            status,
            headers: fields,
        });
    }
    Decision::Actual(fields)
}

/// Puts the fields on the response, in place of a backend's own.
pub(crate) fn on_response(fields: &Headers, headers: &mut Headers) {
    if fields.is_empty() {
        return;
    }
    for (name, value) in fields.entries() {
        headers.insert(name.clone(), value);
    }
    vary(headers);
}

/// Caches must not give one origin's answer to another.
fn vary(headers: &mut Headers) {
    headers.append(VARY, HeaderValue::from_static("origin"));
}

fn allow_origin(cors: &Cors, origin: &HeaderValue, fields: &mut Headers) {
    let is_any = matches!(cors.origins, CorsOrigins::Any) && !cors.credentials;
    let allowed = if is_any {
        HeaderValue::from_static("*")
    } else {
        origin.clone()
    };
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        fields.insert(
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
}

fn allow_preflight(cors: &Cors, request: &Outgoing, fields: &mut Headers) {
    let asked = |name| request.headers.value(&name);
    // With credentials `*` is a plain name to browsers, so what was asked for is repeated.
    let methods = match &cors.methods {
        Some(methods) => join(methods.iter().map(Method::as_str)),
        None if cors.credentials => asked(ACCESS_CONTROL_REQUEST_METHOD),
        None => Some(HeaderValue::from_static("*")),
    };
    let headers = match &cors.headers {
        Some(headers) => join(headers.iter().map(HeaderName::as_str)),
        // `*` would not cover Authorization.
        None => asked(ACCESS_CONTROL_REQUEST_HEADERS),
    };
    fields.extend(methods.map(|value| (ACCESS_CONTROL_ALLOW_METHODS, value)));
    fields.extend(headers.map(|value| (ACCESS_CONTROL_ALLOW_HEADERS, value)));
    fields.insert(
        ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from(cors.max_age.as_secs()),
    );
}

fn exposed(cors: &Cors) -> Option<HeaderValue> {
    match &cors.expose {
        Some(names) => join(names.iter().map(HeaderName::as_str)),
        None => Some(HeaderValue::from_static("*")),
    }
}

/// Joins names with commas; nothing for an empty list.
fn join<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let joined = names.collect::<Vec<_>>().join(", ");
    HeaderValue::try_from(joined)
        .ok()
        .filter(|value| !value.is_empty())
}

fn is_allowed(origins: &CorsOrigins, origin: &HeaderValue) -> bool {
    let CorsOrigins::List(list) = origins else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    list.iter().any(|allowed| match allowed {
        CorsOrigin::Exact(exact) => exact.eq_ignore_ascii_case(origin),
        CorsOrigin::Wildcard {
            scheme,
            suffix,
            port,
        } => {
            let lower = origin.to_ascii_lowercase();
            let host = lower.strip_prefix(scheme.as_str());
            let host = host.and_then(|rest| rest.strip_suffix(port.as_str()));
            let label = host.and_then(|host| host.strip_suffix(suffix.as_str()));
            // The wildcard stands for at least one label, and for nothing but labels.
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            label.is_some_and(|label| !label.is_empty() && label.bytes().all(is_plain))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::uri::{Authority, PathAndQuery};
    use rauta_http1::BodyLength;
    use std::time::Duration;

    fn cors(origins: CorsOrigins, credentials: bool) -> Cors {
        Cors {
            origins,
            methods: Some(vec![Method::GET, Method::PUT]),
            headers: None,
            expose: Some(vec![
                HeaderName::from_static("x-a"),
                HeaderName::from_static("x-b"),
            ]),
            credentials,
            max_age: Duration::from_secs(600),
        }
    }

    fn request(method: Method, fields: &[(&'static str, &'static str)]) -> Outgoing {
        let field = |&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        Outgoing {
            method,
            target: PathAndQuery::from_static("/"),
            authority: Authority::from_static("api.test"),
            headers: fields.iter().map(field).collect(),
            body: BodyLength::Empty,
            is_upgrade: false,
        }
    }

    #[test]
    fn a_preflight_is_answered_with_what_is_allowed() {
        let preflight = [
            ("origin", "https://shop.test"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-c"),
        ];
        let decision = on_request(
            &cors(CorsOrigins::Any, false),
            &request(Method::OPTIONS, &preflight),
        );
        let Decision::Preflight(answer) = decision else {
            panic!("{decision:?}")
        };
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(
            answer.headers.value(&ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(),
            "*"
        );
        assert_eq!(
            answer.headers.value(&ACCESS_CONTROL_ALLOW_METHODS).unwrap(),
            "GET, PUT"
        );
        assert_eq!(
            answer.headers.value(&ACCESS_CONTROL_ALLOW_HEADERS).unwrap(),
            "x-c"
        );
        assert_eq!(
            answer.headers.value(&ACCESS_CONTROL_MAX_AGE).unwrap(),
            "600"
        );
        assert_eq!(answer.headers.value(&VARY).unwrap(), "origin");
    }

    #[test]
    fn a_response_names_its_origin_where_credentials_go_along() {
        let get = request(Method::GET, &[("origin", "https://shop.test")]);
        let decision = on_request(&cors(CorsOrigins::Any, true), &get);
        let Decision::Actual(fields) = decision else {
            panic!("{decision:?}")
        };
        let mut headers = Headers::new();
        headers.insert(
            ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("https://own.test"),
        );
        on_response(&fields, &mut headers);
        assert_eq!(
            headers.value(&ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(),
            "https://shop.test"
        );
        assert_eq!(
            headers.value(&ACCESS_CONTROL_ALLOW_CREDENTIALS).unwrap(),
            "true"
        );
        assert_eq!(
            headers.value(&ACCESS_CONTROL_EXPOSE_HEADERS).unwrap(),
            "x-a, x-b"
        );
    }

    #[test]
    fn only_listed_origins_get_any_field() {
        let list = || {
            CorsOrigins::List(vec![
                CorsOrigin::Exact("https://shop.test".to_owned()),
                CorsOrigin::Wildcard {
                    scheme: "https://".to_owned(),
                    suffix: ".shop.test".to_owned(),
                    port: ":8443".to_owned(),
                },
            ])
        };
        for (origin, is_allowed) in [
            ("https://shop.test", true),
            ("https://SHOP.test", true),
            ("http://shop.test", false),
            ("https://a.shop.test:8443", true),
            ("https://a.b.shop.test:8443", true),
            ("https://a.shop.test", false),
            ("https://.shop.test:8443", false),
            ("https://evil.test#.shop.test:8443", false),
            ("https://evil.test:1.shop.test:8443", false),
            ("https://evilshop.test:8443", false),
            ("null", false),
        ] {
            let get = request(Method::GET, &[("origin", origin)]);
            let Decision::Actual(fields) = on_request(&cors(list(), false), &get) else {
                panic!("{origin}");
            };
            assert_eq!(!fields.is_empty(), is_allowed, "{origin}");
        }
    }
}
