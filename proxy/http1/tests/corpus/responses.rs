//! Responses: from a backend's bytes to the verdict, the body, and what stays of the headers.

use bytes::BytesMut;
use http::Method;
use rauta_http1::{BodyDecoder, Limits, Response, ResponseBody, strip_response_hop_by_hop};

use crate::{Facts, compare, notation, read_body, show_fields, steps, yes_no};

const CORPUS: &str = include_str!("responses.txt");

#[test]
fn every_response_is_judged_however_it_is_cut() {
    let mut ids = std::collections::HashSet::new();
    for case in notation::cases(CORPUS) {
        let [id, method, bytes, expected] = case[..] else {
            panic!("four columns: {case:?}")
        };
        assert!(ids.insert(id), "{id} appears twice");
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let bytes = notation::unescape(bytes);
        for &step in steps(bytes.len()) {
            check(id, (&method, &bytes), expected, step);
        }
    }
    assert!(ids.len() > 50, "the corpus shrank to {}", ids.len());
}

fn check(id: &str, (method, bytes): (&Method, &[u8]), expected: &str, step: usize) {
    let limits = Limits::default();
    let mut buf = BytesMut::new();
    let mut read = 0usize;
    let parsed = loop {
        let next = read.saturating_add(step).min(bytes.len());
        buf.extend_from_slice(&bytes[read..next]);
        read = next;
        let parsed = Response::parse(&mut buf, method, &limits);
        if read == bytes.len() || !matches!(parsed, Ok(None)) {
            break parsed;
        }
    };
    let response = match parsed {
        Ok(Some(response)) => response,
        Ok(None) => return assert_eq!(expected, "more", "{id}, in pieces of {step} bytes"),
        Err(error) => {
            let answer = format!("refused {}", error.reason());
            return assert_eq!(expected, answer, "{id}, in pieces of {step} bytes");
        }
    };
    let expected = expected.strip_prefix("ok ");
    let expected = expected.unwrap_or_else(|| panic!("{id} was accepted: {response:?}"));
    let mut decoder = BodyDecoder::for_response(response.body, &limits);
    let body = read_body(&mut decoder, &mut buf, &bytes[read..], step);
    let mut facts = facts(response);
    let eof = if decoder.finish().is_ok() {
        "end"
    } else {
        "truncated"
    };
    facts.push(("data", notation::escape(&body.data)));
    facts.push(("trailers", show_fields(&body.trailers.into())));
    facts.push(("error", body.error.unwrap_or("none").to_owned()));
    facts.push(("rest", notation::escape(&buf)));
    facts.push(("eof", eof.to_owned()));
    compare(id, step, expected, &facts);
}

fn facts(mut response: Response) -> Facts {
    let body = match response.body {
        ResponseBody::Empty => "empty".to_owned(),
        ResponseBody::Length(length) => format!("length:{length}"),
        ResponseBody::Chunked => "chunked".to_owned(),
        ResponseBody::UntilClose => "until-close".to_owned(),
    };
    strip_response_hop_by_hop(&mut response.headers).expect("the response was accepted");
    vec![
        ("status", response.status.as_u16().to_string()),
        ("version", format!("{:?}", response.version)),
        ("body", body),
        (
            "length",
            response
                .length
                .map_or("none".to_owned(), |length| length.to_string()),
        ),
        ("keep", yes_no(response.keep_alive)),
        ("headers", show_fields(&response.headers)),
    ]
}
