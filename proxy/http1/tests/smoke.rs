//! One request and one response through the whole crate.
use bytes::BytesMut;
use http::{Method, StatusCode, Version};
use rauta_http1::*;

#[test]
fn a_request_goes_in_and_comes_out_with_fresh_framing() {
    let mut buf = BytesMut::from(
        "POST /p?q HTTP/1.1\r\nHost: A.test:80\r\nContent-Length: 5\r\nConnection: x-y\r\n\
            X-Y: 1\r\nAccept: */*\r\n\r\nhelloGET",
    );
    let limits = Limits::default();
    let mut request = Request::parse(&mut buf, &limits).unwrap().unwrap();
    assert_eq!(request.authority.host(), "a.test");
    assert_eq!(request.body, BodyLength::Length(5));
    let mut decoder = BodyDecoder::new(request.body, &limits);
    let Decoded::Data(data) = decoder.decode(&mut buf).unwrap() else {
        panic!()
    };
    assert_eq!(&data[..], b"hello");
    assert_eq!(decoder.decode(&mut buf).unwrap(), Decoded::End);
    assert_eq!(&buf[..], b"GET");
    strip_hop_by_hop(&mut request.headers).unwrap();
    let mut out = BytesMut::new();
    write_request_head(
        &mut out,
        &request.method,
        request.target.as_uri(),
        request.authority.as_uri(),
        &request.headers,
        request.body,
    );
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "POST /p?q HTTP/1.1\r\nhost: A.test:80\r\naccept: */*\r\ncontent-length: 5\r\n\r\n"
    );
}

#[test]
fn a_response_goes_in_and_comes_out_with_fresh_framing() {
    let mut buf = BytesMut::from(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    );
    let limits = Limits::default();
    let response = Response::parse(&mut buf, &Method::GET, &limits)
        .unwrap()
        .unwrap();
    assert_eq!(
        (response.body, response.length),
        (ResponseBody::Chunked, None)
    );
    let mut decoder = BodyDecoder::for_response(response.body, &limits);
    let Decoded::Data(data) = decoder.decode(&mut buf).unwrap() else {
        panic!()
    };
    let framing = response_framing(Version::HTTP_11, response.status, response.length);
    let mut out = BytesMut::new();
    write_response_head(
        &mut out,
        Version::HTTP_11,
        StatusCode::OK,
        &response.headers,
        framing,
        false,
    );
    let mut encoder = BodyEncoder::for_response(framing);
    encoder.encode(&data, &mut out).unwrap();
    assert_eq!(decoder.decode(&mut buf).unwrap(), Decoded::End);
    encoder.finish(None, &mut out).unwrap();
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "HTTP/1.1 200 OK\r\nserver: x\r\nconnection: close\r\n\
            transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    );
}
