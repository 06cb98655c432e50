//! Laws that hold for every input: nothing panics, cuts do not matter, what is encoded decodes to
//! itself, and what RAUTA writes RAUTA accepts and reads alike.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use proptest::prelude::*;
use rauta_http1::{
    BodyDecoder, BodyEncoder, BodyError, BodyLength, Decoded, Framing, Headers, Limits, Request,
    Response, ResponseBody, strip_hop_by_hop, strip_response_hop_by_hop, write_request_head,
    write_response_head,
};

/// Text made of the pieces that parsers stumble over, so that random input gets deep.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "GET ",
        "POST ",
        "/p",
        "http://b",
        " HTTP/1.1",
        "HTTP/1.1 200 OK",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "Host: a",
        "Host:",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Connection: ",
        "close",
        "Upgrade: websocket",
        "Expect: 100-continue",
        ": ",
        " ",
        "\t",
        ",",
        ";",
        "5",
        "0",
        "a=\"b\"",
        "..",
        "%2e",
        "%00",
        "\0",
        "\u{e4}",
        "#",
        "[::1]",
        ":80",
        "X_Y: z",
    ]);
    let piece = prop_oneof![
        8 => pieces.prop_map(|piece: &str| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// A mostly sound request head with one piece of junk somewhere in it.
fn nearly_sound() -> impl Strategy<Value = Vec<u8>> {
    (hostile(), any::<prop::sample::Index>(), 0..20usize).prop_map(|(junk, at, len)| {
        let mut head =
            b"POST /a/b?c HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nContent-Length: 5\r\n\
            Connection: keep-alive\r\n\r\nhello"
                .to_vec();
        let at = at.index(head.len());
        head.splice(at..at, junk.into_iter().take(len));
        head
    })
}

fn limits() -> Limits {
    Limits {
        head_bytes: 300,
        target_bytes: 40,
        fields: 6,
        trailer_bytes: 100,
        ..Limits::default()
    }
}

/// Cuts `bytes` at `cuts` and feeds the pieces one after the other.
fn feed<T>(
    bytes: &[u8],
    cuts: &[prop::sample::Index],
    mut parse: impl FnMut(&mut BytesMut) -> Option<T>,
) -> (Option<T>, Vec<u8>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let (mut buf, mut start) = (BytesMut::new(), 0);
    for end in ends {
        buf.extend_from_slice(&bytes[start..end]);
        start = end;
        if let Some(parsed) = parse(&mut buf) {
            buf.extend_from_slice(&bytes[end..]);
            return (Some(parsed), buf.to_vec());
        }
    }
    (None, buf.to_vec())
}

fn request(buf: &mut BytesMut) -> Option<String> {
    match Request::parse(buf, &limits()) {
        Ok(request) => request.map(|request| format!("{request:?}")),
        Err(error) => Some(format!("{error:?}")),
    }
}

fn response(buf: &mut BytesMut) -> Option<String> {
    match Response::parse(buf, &Method::GET, &limits()) {
        Ok(response) => response.map(|response| format!("{response:?}")),
        Err(error) => Some(format!("{error:?}")),
    }
}

/// Data, trailers, how the body ended if it did, and what was left in the buffer.
type Decoding = (Vec<u8>, HeaderMap, Option<Result<(), BodyError>>, Vec<u8>);

/// Decodes all that `bytes` holds: data, trailers, and the error or `None` at the end.
fn decode(mut decoder: BodyDecoder, bytes: &[u8], cuts: &[prop::sample::Index]) -> Decoding {
    let (mut data, mut fields) = (Vec::new(), HeaderMap::new());
    let (end, rest) = feed(bytes, cuts, |buf| {
        loop {
            match decoder.decode(buf) {
                Ok(Decoded::Data(piece)) => data.extend_from_slice(&piece),
                Ok(Decoded::Trailers(trailers)) => fields = trailers,
                Ok(Decoded::End) => return Some(Ok(())),
                Ok(Decoded::NeedMore) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    });
    (data, fields, end, rest)
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

fn header_map() -> impl Strategy<Value = HeaderMap> {
    let name = "[a-z][a-z0-9-]{0,12}";
    let value = "[!-~]([ -~]{0,20}[!-~])?";
    prop::collection::vec((name, value), 0..6).prop_map(|fields| {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::try_from(format!("x-{name}")).unwrap();
            map.append(name, HeaderValue::try_from(value).unwrap());
        }
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn requests_are_read_alike_however_they_are_cut(
        bytes in prop_oneof![hostile(), nearly_sound()],
        cuts in cuts(),
    ) {
        let (whole, left) = feed(&bytes, &[], request);
        let (cut, cut_left) = feed(&bytes, &cuts, request);
        if whole.as_ref().is_none_or(|whole| whole.starts_with("Request")) {
            prop_assert_eq!(left, cut_left);
        }
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn responses_are_read_alike_however_they_are_cut(
        junk in hostile(),
        sound in any::<bool>(),
        cuts in cuts(),
    ) {
        let start: &[u8] = if sound { b"HTTP/1.1 200 OK\r\nServer: x\r\n" } else { b"" };
        let bytes = [start, &junk].concat();
        let (whole, _) = feed(&bytes, &[], response);
        let (cut, _) = feed(&bytes, &cuts, response);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn hostile_chunks_are_read_alike_however_they_are_cut(bytes in hostile(), cuts in cuts()) {
        let decoder = || BodyDecoder::new(BodyLength::Chunked, &limits());
        let whole = decode(decoder(), &bytes, &[]);
        let cut = decode(decoder(), &bytes, &cuts);
        prop_assert_eq!((whole.0, whole.1, whole.2), (cut.0, cut.1, cut.2));
    }

    #[test]
    fn accepted_requests_hold_what_was_promised(bytes in prop_oneof![hostile(), nearly_sound()]) {
        let parsed = Request::parse(&mut BytesMut::from(&bytes[..]), &limits());
        let Ok(Some(mut request)) = parsed else {
            return Ok(());
        };
        let target = request.target.as_str();
        prop_assert!(target.starts_with('/') || target == "*");
        prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        let mut segments = request.target.path().split('/');
        prop_assert!(!segments.any(|segment| matches!(segment, "." | "..")));
        let host = request.authority.host();
        prop_assert!(!host.is_empty() && host.bytes().all(|byte| !byte.is_ascii_uppercase()));
        prop_assert!(!request.authority.as_str().contains(['@', ',', '/', ' ']));
        prop_assert!(strip_hop_by_hop(&mut request.headers).is_ok());
        for name in ["host", "content-length", "transfer-encoding", "connection", "upgrade"] {
            prop_assert!(!request.headers.contains(&HeaderName::from_static(name)));
        }
        let mut out = BytesMut::new();
        let (target, authority) = (request.target.as_uri(), request.authority.as_uri());
        let headers = &request.headers;
        write_request_head(&mut out, &request.method, target, authority, headers, request.body);
        let again = Request::parse(&mut out, &Limits::default()).unwrap().unwrap();
        prop_assert_eq!(&again.target, &request.target);
        prop_assert_eq!(again.authority.as_str(), request.authority.as_str());
        prop_assert_eq!(again.body, request.body);
        let te_twice = usize::from(headers.contains(&http::header::TE));
        prop_assert_eq!(again.headers.len(), headers.len() + te_twice);
    }

    #[test]
    fn written_responses_are_read_back(
        headers in header_map().prop_map(Headers::from),
        code in 200..600u16,
        length in prop::option::of(0..1000u64),
        keep_alive in any::<bool>(),
    ) {
        let status = StatusCode::from_u16(code).unwrap();
        let framing = rauta_http1::response_framing(Version::HTTP_11, status, length);
        let mut out = BytesMut::new();
        write_response_head(&mut out, Version::HTTP_11, status, &headers, framing, keep_alive);
        let read = Response::parse(&mut out, &Method::GET, &Limits::default());
        let mut read = read.unwrap().unwrap();
        prop_assert!(out.is_empty());
        prop_assert_eq!((read.status, read.keep_alive), (status, keep_alive));
        let bodiless = matches!(code, 204 | 304);
        prop_assert_eq!(read.body, match length {
            _ if bodiless => ResponseBody::Empty,
            Some(0) => ResponseBody::Empty,
            Some(length) => ResponseBody::Length(length),
            None => ResponseBody::Chunked,
        });
        strip_response_hop_by_hop(&mut read.headers).unwrap();
        prop_assert_eq!(read.headers, headers);
    }

    #[test]
    fn encoded_bodies_decode_to_themselves(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
        trailers in header_map(),
        chunked in any::<bool>(),
        vectored in any::<bool>(),
        cuts in cuts(),
    ) {
        let data = pieces.concat();
        let framing = if chunked { Framing::Chunked } else { Framing::Length(data.len() as u64) };
        let mut encoder = BodyEncoder::for_response(framing);
        let mut out = BytesMut::new();
        for piece in &pieces {
            if vectored && !piece.is_empty() {
                let prefix = encoder.chunk_prefix(piece.len()).unwrap();
                out.extend_from_slice(prefix.as_bytes());
                out.extend_from_slice(piece);
                out.extend_from_slice(prefix.suffix());
            } else {
                encoder.encode(piece, &mut out).unwrap();
            }
        }
        encoder.finish(Some(&trailers), &mut out).unwrap();
        out.extend_from_slice(b"next");
        let body = match framing {
            Framing::Chunked => ResponseBody::Chunked,
            _ => ResponseBody::Length(data.len() as u64),
        };
        let decoder = BodyDecoder::for_response(body, &Limits::default());
        let (decoded, fields, end, rest) = decode(decoder, &out, &cuts);
        prop_assert_eq!(Bytes::from(decoded), Bytes::from(data));
        prop_assert_eq!(end, Some(Ok(())));
        prop_assert_eq!(fields, if chunked { trailers } else { HeaderMap::new() });
        prop_assert_eq!(rest, b"next");
    }

    #[test]
    fn no_h2_request_panics(
        method in "[A-Za-z!]{1,10}",
        uri in prop_oneof![
            "/[ -~]{0,20}",
            "(http|https|ftp)://[a-zA-Z0-9.:@\\[\\]]{1,12}/[ -~]{0,20}",
        ],
        fields in prop::collection::vec(
            ("[a-z_-]{1,10}|host|cookie|te|content-length", "[ -~]{0,12}"),
            0..8,
        ),
    ) {
        let mut builder = http::Request::builder().method(&*method).uri(uri);
        for (name, value) in fields {
            builder = builder.header(name, value);
        }
        let Ok(request) = builder.body(()) else { return Ok(()) };
        if let Ok(request) = Request::from_h2(request.into_parts().0, false, &limits()) {
            prop_assert!(request.target.as_str().starts_with('/'));
            prop_assert!(!request.authority.as_str().contains('@'));
        }
    }
}
