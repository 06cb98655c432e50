//! OTLP as Protocol Buffers over HTTP/1.1.

use super::tls::{self, TlsError};
use super::{Answer, Next, accepted};
use crate::otlp::config::Target;
use crate::totals::Failure;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use rauta_core::clock;
use std::io::Write;
use std::time::{Duration, SystemTime};

/// No answer of a collector is as large.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");

/// A client that keeps its connection.
#[derive(Debug)]
pub(in crate::otlp) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    headers: HeaderMap,
}

impl Http {
    pub(super) fn new(target: &Target) -> Result<Self, TlsError> {
        let connector = tls::connector(&target.tls, target.timeout, false)?;
        let mut headers = target.headers.clone();
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("rauta/", env!("CARGO_PKG_VERSION"))),
        );
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            url: target.url.clone(),
            headers,
        })
    }

    pub(super) async fn send(&self, body: &Bytes, gzip: bool) -> Answer {
        let body = match gzip {
            true => match compressed(body) {
                Ok(body) => body,
                Err(error) => {
                    let why = error.to_string();
                    return Answer::failed(Next::Decompress, Failure::Rejected, why);
                }
            },
            false => body.clone(),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        if gzip {
            let gzip = HeaderValue::from_static("gzip");
            request.headers_mut().insert(CONTENT_ENCODING, gzip);
        }
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Answer::unreached(&error),
        };
        let (head, body) = response.into_parts();
        match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
            Ok(body) => judge(head.status, &head.headers, &body.to_bytes(), gzip),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                judge(head.status, &head.headers, &[], gzip)
            }
            Err(error) => Answer::unreached(&*error),
        }
    }
}

fn compressed(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    Ok(encoder.finish()?.into())
}

/// What a response means.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8], gzip: bool) -> Answer {
    let content_type = headers.get(CONTENT_TYPE);
    let is_protobuf = content_type.is_none_or(|found| {
        let found = found.as_bytes();
        found.starts_with(b"application/x-protobuf") || found.starts_with(b"application/protobuf")
    });
    if status.is_success() {
        return match is_protobuf {
            true => accepted(body),
            false => {
                let why = format!("it answered {status} with {content_type:?}");
                Answer::failed(Next::Drop, Failure::Rejected, why)
            }
        };
    }
    // An error's body is a google.rpc.Status, where it is protobuf at all.
    let message = match is_protobuf {
        true => {
            tonic_types::Status::decode(body).map_or_else(|_| String::new(), |told| told.message)
        }
        false => String::new(),
    };
    let why = format!("{status} {message}").trim_end().to_owned();
    let (next, failure) = match status.as_u16() {
        429 => (Next::Retry(retry_after(headers)), Failure::Throttled),
        502..=504 => (Next::Retry(retry_after(headers)), Failure::Unavailable),
        413 => (Next::Split, Failure::Rejected),
        415 if gzip => (Next::Decompress, Failure::Rejected),
        401 | 403 | 407 => (Next::Drop, Failure::Unauthorized),
        404 | 405 | 410 => (Next::Drop, Failure::NotFound),
        _ => (Next::Drop, Failure::Rejected),
    };
    Answer::failed(next, failure, why)
}

/// `Retry-After`, as seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(clock::now().wall_ns);
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(status: u16, fields: &[(&'static str, &str)], body: &[u8]) -> Option<Next> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, value.parse().expect("a value"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        match judge(status, &headers, body, true) {
            Answer::Failed(failed) => Some(failed.next),
            Answer::Accepted { .. } => None,
        }
    }

    #[test]
    fn exactly_the_listed_statuses_are_retried() {
        let retried: Vec<u16> = (300..600)
            .filter(|status| next(*status, &[], b"") == Some(Next::Retry(None)))
            .collect();
        assert_eq!(retried, [429, 502, 503, 504]);
    }

    #[test]
    fn delays_come_as_seconds_or_as_a_date() {
        let after = |value| match next(503, &[("retry-after", value)], b"") {
            Some(Next::Retry(after)) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(after("Tue, 01 Jan 2999 00:00:00 GMT") > Some(Duration::from_secs(1_000_000)));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn success_is_only_what_a_collector_says() {
        let html = next(200, &[("content-type", "text/html")], b"<html>");
        assert_eq!(html, Some(Next::Drop));
        assert_eq!(next(200, &[], b"<html>"), Some(Next::Drop), "no protobuf");
        let protobuf = [("content-type", "application/x-protobuf")];
        assert_eq!(
            next(200, &protobuf, b""),
            None,
            "an empty answer is a success"
        );
    }
}
