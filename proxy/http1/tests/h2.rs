//! HTTP/2 requests, as an HTTP/2 library hands them over, against RFC 9113 section 8.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use http::header::{COOKIE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request as Parts, Version};
use rauta_http1::{BodyLength, Limits, Request, RequestError, Underscores};

/// A request for `uri` with fields; a method other than GET stands before the URI.
fn judge(
    line: &str,
    fields: &[(&str, &str)],
    end_of_stream: bool,
) -> Result<Request, RequestError> {
    let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
    let mut builder = Parts::builder()
        .method(method)
        .uri(uri)
        .version(Version::HTTP_2);
    for (name, value) in fields {
        builder = builder.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (parts, ()) = builder.body(()).unwrap().into_parts();
    Request::from_h2(parts, end_of_stream, &Limits::default())
}

const A: &str = "https://a.test/p";

/// URI, fields, and why they are refused.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], RequestError);

#[test]
fn malformed_requests_are_refused() {
    use RequestError as E;
    let long = format!("https://a.test/{}", "a".repeat(8192));
    let cases: &[Case<'_>] = &[
        (A, &[("connection", "close")], E::ConnectionField),
        (A, &[("keep-alive", "5")], E::ConnectionField),
        (A, &[("proxy-connection", "x")], E::ConnectionField),
        (A, &[("transfer-encoding", "chunked")], E::ConnectionField),
        (A, &[("upgrade", "websocket")], E::ConnectionField),
        (A, &[("te", "gzip")], E::Te),
        (A, &[("te", "trailers, gzip")], E::Te),
        (
            A,
            &[("content-length", "5"), ("content-length", "6")],
            E::DuplicateContentLength,
        ),
        (
            A,
            &[("content-length", "5"), ("content-length", "5")],
            E::DuplicateContentLength,
        ),
        (A, &[("content-length", "+5")], E::ContentLength),
        (A, &[("content-length", "5, 5")], E::ContentLength),
        (A, &[("expect", "200-ok")], E::Expectation),
        (A, &[("host", "b.test")], E::AuthorityMismatch),
        (A, &[("host", "a.test:80")], E::AuthorityMismatch),
        (
            A,
            &[("host", "a.test"), ("host", "a.test")],
            E::DuplicateHost,
        ),
        (A, &[("host", "a.test, b.test")], E::Authority),
        (A, &[("x", " y")], E::FieldValue),
        (A, &[("x", "y\t")], E::FieldValue),
        ("/p", &[], E::MissingHost),
        ("/p", &[("host", "u@a.test")], E::Authority),
        ("https://u@a.test/p", &[], E::Authority),
        ("https://u:p@a.test/p", &[], E::Authority),
        ("ftp://a.test/p", &[], E::Scheme),
        ("https://a.test/a/../b", &[], E::DotSegment),
        ("https://a.test/%2e%2e", &[], E::DotSegment),
        ("https://a.test/%00", &[], E::Target),
        ("https://a.test/a\\b", &[], E::Target),
        ("https://a.test/\u{e4}", &[], E::Target),
        ("*", &[("host", "a.test")], E::Target),
        ("CONNECT a.test:443", &[], E::ConnectMethod),
        ("get https://a.test/p", &[], E::Method),
        (&long, &[], E::TargetTooLong),
    ];
    for (line, fields, error) in cases {
        let judged = judge(line, fields, false);
        assert_eq!(judged.err(), Some(*error), "{line} {fields:?}");
    }
}

#[test]
fn sound_requests_keep_what_they_said() {
    let request = judge(
        A,
        &[("host", "A.test:443"), ("te", "trailers"), ("x", "y")],
        true,
    )
    .unwrap();
    assert_eq!(request.authority.host(), "a.test");
    assert_eq!(request.target.as_str(), "/p");
    assert_eq!(request.body, BodyLength::Empty);
    assert_eq!(request.version, Version::HTTP_2);
    assert!(request.keep_alive && request.accepts_trailers && request.upgrade.is_none());
    assert_eq!(request.headers.len(), 2);
    assert!(request.headers.get(&TE) == Some(b"trailers"));

    let request = judge("/p?q", &[("host", "b.test:8080")], true).unwrap();
    assert_eq!(
        (request.authority.host(), request.authority.port()),
        ("b.test", Some(8080))
    );
    assert_eq!(
        judge("OPTIONS *", &[("host", "a.test")], true)
            .unwrap()
            .target
            .path(),
        "*"
    );
    assert_eq!(
        judge("https://a.test//p/%2f", &[], true)
            .unwrap()
            .target
            .as_str(),
        "//p/%2f"
    );
}

#[test]
fn bodies_end_as_declared_or_with_the_stream() {
    let post = "POST https://a.test/p";
    let length = |value: &'static str| [("content-length", value)];
    let body = |fields: &[(&str, &str)], end| judge(post, fields, end).map(|request| request.body);
    assert_eq!(body(&[], true), Ok(BodyLength::Empty));
    assert_eq!(body(&[], false), Ok(BodyLength::Unknown));
    assert_eq!(body(&length("5"), false), Ok(BodyLength::Length(5)));
    assert_eq!(body(&length("0"), true), Ok(BodyLength::Empty));
    assert_eq!(body(&length("0"), false), Ok(BodyLength::Length(0)));
    assert_eq!(body(&length("5"), true), Err(RequestError::ContentLength));
    let waits = |end| {
        judge(post, &[("expect", "100-continue")], end)
            .unwrap()
            .expect_continue
    };
    assert!(waits(false) && !waits(true));
}

#[test]
fn cookie_crumbs_become_one_field() {
    let fields = [
        ("cookie", "a=1"),
        ("x", "y"),
        ("cookie", "b=2"),
        ("cookie", "c=3"),
    ];
    let request = judge(A, &fields, true).unwrap();
    let cookies: Vec<&[u8]> = request.headers.get_all(&COOKIE).collect();
    assert_eq!(cookies, [b"a=1; b=2; c=3"]);
}

#[test]
fn fields_count_with_their_crumbs_and_their_overhead() {
    let with = |fields: HeaderMap| {
        let (mut parts, ()) = Parts::builder().uri(A).body(()).unwrap().into_parts();
        parts.headers = fields;
        Request::from_h2(parts, true, &Limits::default()).err()
    };
    let crumbs = |count: usize, len: usize| {
        let crumb = HeaderValue::try_from("a".repeat(len)).unwrap();
        let name = HeaderName::from_static("cookie");
        std::iter::repeat_n((name, crumb), count).collect::<Vec<_>>()
    };
    let map = |fields: Vec<(HeaderName, HeaderValue)>| {
        let mut map = HeaderMap::new();
        map.extend(fields);
        map
    };
    assert_eq!(with(map(crumbs(100, 0))), None);
    assert_eq!(with(map(crumbs(101, 0))), Some(RequestError::TooManyFields));
    assert_eq!(with(map(crumbs(10, 3230))), None);
    assert_eq!(
        with(map(crumbs(10, 3240))),
        Some(RequestError::HeadTooLarge)
    );
}

#[test]
fn underscores_follow_the_limits() {
    let kept = |underscores| {
        let (parts, ()) = Parts::builder()
            .method(Method::GET)
            .uri(A)
            .header("content_length", "5")
            .header("my_key", "1")
            .body(())
            .unwrap()
            .into_parts();
        let limits = Limits {
            underscores,
            ..Limits::default()
        };
        let request = Request::from_h2(parts, true, &limits).unwrap();
        (request.headers.len(), request.dropped_fields)
    };
    assert_eq!(kept(Underscores::DropTwins), (1, 1));
    assert_eq!(kept(Underscores::DropAll), (0, 2));
    assert_eq!(kept(Underscores::Keep), (2, 0));
}
