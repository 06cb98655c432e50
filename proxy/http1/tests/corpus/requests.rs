//! Requests: from bytes to the verdict, the body, and what stays of the headers.

use bytes::BytesMut;
use rauta_http1::{
    BodyDecoder, BodyLength, HeadScan, Limits, Request, RequestError, strip_hop_by_hop,
};

use crate::{Facts, compare, notation, read_body, show_fields, steps, yes_no};

const CORPUS: &str = include_str!("requests.txt");

#[test]
fn every_request_gets_its_answer_however_it_is_cut() {
    let mut ids = std::collections::HashSet::new();
    for case in notation::cases(CORPUS) {
        let [id, bytes, expected] = case[..] else {
            panic!("three columns: {case:?}")
        };
        assert!(ids.insert(id), "{id} appears twice");
        let bytes = notation::unescape(bytes);
        for &step in steps(bytes.len()) {
            check(id, &bytes, expected, step);
        }
    }
    assert!(ids.len() > 200, "the corpus shrank to {}", ids.len());
}

fn check(id: &str, bytes: &[u8], expected: &str, step: usize) {
    let limits = Limits::default();
    let mut buf = BytesMut::new();
    let mut scan = HeadScan::default();
    let mut read = 0usize;
    let parsed = loop {
        let next = read.saturating_add(step).min(bytes.len());
        buf.extend_from_slice(&bytes[read..next]);
        read = next;
        let done = read == bytes.len();
        // What the scan holds back must not change the answer.
        let parsed = if scan.is_worth_parsing(&buf, &limits) || done {
            Request::parse(&mut buf, &limits)
        } else {
            Ok(None)
        };
        if done || !matches!(parsed, Ok(None)) {
            break parsed;
        }
    };
    let request = match parsed {
        Ok(Some(request)) => request,
        Ok(None) => return assert_eq!(expected, "more", "{id}, in pieces of {step} bytes"),
        Err(error) => {
            let answer = format!("{} {}", error.status().as_u16(), error.reason());
            return assert_eq!(expected, answer, "{id}, in pieces of {step} bytes");
        }
    };
    let expected = expected.strip_prefix("ok ");
    let expected = expected.unwrap_or_else(|| panic!("{id} was accepted: {request:?}"));
    let mut decoder = BodyDecoder::new(request.body, &limits);
    let body = read_body(&mut decoder, &mut buf, &bytes[read..], step);
    let mut facts = facts(request);
    facts.push(("data", notation::escape(&body.data)));
    facts.push(("trailers", show_fields(&body.trailers.into())));
    facts.push(("error", body.error.unwrap_or("none").to_owned()));
    facts.push(("rest", notation::escape(&buf)));
    compare(id, step, expected, &facts);
}

fn facts(mut request: Request) -> Facts {
    let body = match request.body {
        BodyLength::Empty => "empty".to_owned(),
        BodyLength::Length(length) => format!("length:{length}"),
        BodyLength::Chunked => "chunked".to_owned(),
        BodyLength::Unknown => panic!("HTTP/1 bodies have a known end"),
    };
    let upgrade = request.upgrade.as_ref();
    let upgrade = upgrade.map_or("none".to_owned(), |value| {
        notation::escape(value.as_bytes())
    });
    strip_hop_by_hop(&mut request.headers).expect("the request was accepted");
    vec![
        ("method", request.method.to_string()),
        ("host", request.authority.host().to_owned()),
        (
            "port",
            request
                .authority
                .port()
                .map_or("none".to_owned(), |port| port.to_string()),
        ),
        ("sent", request.authority.as_str().to_owned()),
        ("target", request.target.as_str().to_owned()),
        (
            "scheme",
            request
                .scheme
                .map_or("none".to_owned(), |scheme| scheme.to_string()),
        ),
        ("version", format!("{:?}", request.version)),
        ("body", body),
        ("keep", yes_no(request.keep_alive)),
        ("upgrade", upgrade),
        ("expect", yes_no(request.expect_continue)),
        ("trailers-ok", yes_no(request.accepts_trailers)),
        ("headers", show_fields(&request.headers)),
        ("dropped", request.dropped_fields.to_string()),
    ]
}

#[test]
fn declared_bodies_over_the_limit_are_refused_at_the_head() {
    let limits = Limits {
        body_bytes: Some(4),
        ..Limits::default()
    };
    let parse = |bytes: &str| Request::parse(&mut BytesMut::from(bytes), &limits);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
    assert_eq!(
        parse(&format!("{head}5\r\n\r\n")).err(),
        Some(RequestError::BodyTooLarge)
    );
    assert!(parse(&format!("{head}4\r\n\r\n")).is_ok());
    assert_eq!(RequestError::BodyTooLarge.status().as_u16(), 413);
}
