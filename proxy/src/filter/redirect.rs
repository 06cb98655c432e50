//! RequestRedirect: an answer with `Location`, made of the request's own parts where the filter
//! names none.

use super::{Answer, Received, rewrite};
use http::header::{HeaderValue, LOCATION};
use rauta_http1::Headers;
use rauta_routing::Redirect;

/// The redirect's answer.
pub(crate) fn answer(redirect: &Redirect, received: &Received<'_>) -> Answer {
    let mut headers = Headers::new();
    if let Ok(location) = HeaderValue::try_from(location(redirect, received)) {
        headers.insert(LOCATION, location);
    }
    Answer {
        status: redirect.status,
        headers,
    }
}

fn location(redirect: &Redirect, received: &Received<'_>) -> String {
    let scheme = redirect.scheme.unwrap_or(received.scheme);
    let host = redirect.hostname.as_deref().unwrap_or(received.host);
    // Gateway API: the port is the filter's, else the well-known one of a scheme that the filter
    // names, else the listener's.
    let well_known = if scheme == "https" { 443 } else { 80 };
    let port = redirect.port.unwrap_or(match redirect.scheme {
        Some(_) => well_known,
        None => received.port,
    });
    let target = match &redirect.path {
        Some(path) => rewrite::target(path, received),
        None => match received.query {
            Some(query) => format!("{}?{query}", received.path),
            None => received.path.to_owned(),
        },
    };
    // A port that the scheme implies is left out.
    if port == well_known {
        format!("{scheme}://{host}{target}")
    } else {
        format!("{scheme}://{host}:{port}{target}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use rauta_routing::PathRewrite;

    fn redirect() -> Redirect {
        let status = StatusCode::FOUND;
        Redirect {
            scheme: None,
            hostname: None,
            port: None,
            path: None,
            status,
        }
    }

    #[test]
    fn what_is_absent_stays_as_the_request_has_it() {
        let received = Received {
            scheme: "http",
            host: "a.test",
            port: 8080,
            path: "/foo/bar",
            query: Some("q=1"),
            prefix_len: 4,
        };
        let https = Some("https");
        let host = Some("b.test".to_owned());
        let prefix = Some(PathRewrite::Prefix("/new".to_owned()));
        for (redirect, expected) in [
            (redirect(), "http://a.test:8080/foo/bar?q=1"),
            (
                Redirect {
                    scheme: https,
                    ..redirect()
                },
                "https://a.test/foo/bar?q=1",
            ),
            (
                Redirect {
                    hostname: host,
                    ..redirect()
                },
                "http://b.test:8080/foo/bar?q=1",
            ),
            (
                Redirect {
                    port: Some(80),
                    ..redirect()
                },
                "http://a.test/foo/bar?q=1",
            ),
            (
                Redirect {
                    scheme: https,
                    port: Some(8443),
                    ..redirect()
                },
                "https://a.test:8443/foo/bar?q=1",
            ),
            (
                Redirect {
                    path: prefix,
                    ..redirect()
                },
                "http://a.test:8080/new/bar?q=1",
            ),
        ] {
            let answer = answer(&redirect, &received);
            assert_eq!(answer.status, StatusCode::FOUND);
            assert_eq!(answer.headers.value(&LOCATION).unwrap(), expected);
        }
    }

    #[test]
    fn the_port_that_a_scheme_implies_is_left_out() {
        let received = Received {
            scheme: "https",
            host: "a.test",
            port: 443,
            path: "/",
            query: None,
            prefix_len: 0,
        };
        assert_eq!(location(&redirect(), &received), "https://a.test/");
    }
}
