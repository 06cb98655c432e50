//! The corpus: every line of `requests.txt` and `responses.txt`, fed whole, byte by byte and in
//! odd pieces, must give exactly what its line says.

mod notation;
mod requests;
mod responses;

use bytes::BytesMut;
use http::HeaderMap;
use rauta_http1::{BodyDecoder, BodyError, Decoded, Headers};

/// Facts about one outcome, by the names that the corpus uses.
type Facts = Vec<(&'static str, String)>;

/// What a body came to.
#[derive(Default)]
struct Body {
    data: Vec<u8>,
    trailers: HeaderMap,
    error: Option<&'static str>,
}

/// Feeds `rest` in pieces of `step` bytes to a decoder that has seen what is in `buf`.
fn read_body(decoder: &mut BodyDecoder, buf: &mut BytesMut, rest: &[u8], step: usize) -> Body {
    let mut body = Body::default();
    let mut pieces = rest.chunks(step);
    loop {
        match decoder.decode(buf) {
            Ok(Decoded::Data(data)) => body.data.extend_from_slice(&data),
            Ok(Decoded::Trailers(trailers)) => body.trailers = trailers,
            Ok(Decoded::End) => break,
            Ok(Decoded::NeedMore) => match pieces.next() {
                Some(piece) => buf.extend_from_slice(piece),
                None => {
                    body.error = Some("more");
                    break;
                }
            },
            Err(error) => {
                body.error = Some(BodyError::reason(error));
                break;
            }
        }
    }
    for piece in pieces {
        buf.extend_from_slice(piece);
    }
    body
}

/// `name:value` pairs, joined by semicolons.
fn show_fields(headers: &Headers) -> String {
    let show =
        |(name, value): (&http::HeaderName, &[u8])| format!("{name}:{}", notation::escape(value));
    headers.iter().map(show).collect::<Vec<_>>().join(";")
}

fn yes_no(answer: bool) -> String {
    if answer { "yes" } else { "no" }.to_owned()
}

/// Compares the facts named by `expected` (`key=value …`) with those found.
fn compare(id: &str, step: usize, expected: &str, facts: &Facts) {
    let mut compared = 0;
    for pair in expected.split_whitespace() {
        let (key, value) = pair
            .split_once('=')
            .unwrap_or_else(|| panic!("{id}: odd {pair:?}"));
        let found = facts.iter().find(|(name, _)| *name == key);
        let (_, found) = found.unwrap_or_else(|| panic!("{id}: unknown fact {key:?}"));
        let value = notation::escape(&notation::unescape(value));
        assert_eq!(*found, value, "{id}, {key}, in pieces of {step} bytes");
        compared += 1;
    }
    assert!(compared > 0, "{id} compares nothing");
}

/// How the bytes of a case are cut. Long cases are not cut into single bytes: that would only be
/// slow.
fn steps(len: usize) -> &'static [usize] {
    if len > 4096 {
        &[usize::MAX, 1021, 4093]
    } else {
        &[usize::MAX, 1, 2, 3, 7]
    }
}
