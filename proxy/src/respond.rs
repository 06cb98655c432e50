//! Answers: the backend's response as filters left it, a filter's own, or what an error means to
//! the client. Self-made bodies are one line that says what is wrong, never anything internal.

use crate::body::Frame;
use crate::connection::Downstream;
use crate::error::ProxyError;
use crate::filter::Answer;
use crate::record::Exchange;
use crate::upstream::Response;
use crate::worker::Worker;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use rauta_http1::Headers;
use rauta_schemas::Side;
use std::future::poll_fn;
use std::task::Poll;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Starts a response with the backend's head.
pub(crate) fn start(downstream: &mut Downstream, exchange: &Exchange, response: &Response) {
    let Response {
        status,
        headers,
        length,
    } = response;
    let is_event_stream = headers
        .get(&CONTENT_TYPE)
        .is_some_and(|value| value.starts_with(b"text/event-stream"));
    if is_event_stream {
        exchange.streams();
    }
    exchange.responds(*status, headers);
    downstream.start(*status, headers, *length);
}

/// Puts a filter's answer, which has no body, in place of a response.
pub(crate) fn answer(
    worker: &Worker,
    downstream: &mut Downstream,
    exchange: &Exchange,
    mut answer: Answer,
) -> Result<(), ProxyError> {
    worker.stamp(&mut answer.headers);
    exchange.responds(answer.status, &answer.headers);
    downstream.start(answer.status, &answer.headers, Some(0));
    downstream.finish()
}

/// Puts what `error` means to the client in place of a response.
pub(crate) fn error(
    worker: &Worker,
    downstream: &mut Downstream,
    exchange: &Exchange,
    error: ProxyError,
    request: &Asked,
) -> Result<(), ProxyError> {
    let is_sound = matches!(error, ProxyError::NoRoute | ProxyError::Misdirected);
    if error.side() == Side::Client && !is_sound {
        // What follows on the connection has no known meaning, or nobody is owed more.
        downstream.close_after();
    }
    let mut headers = Headers::new();
    worker.stamp(&mut headers);
    if error == ProxyError::Overload {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if request.is_grpc {
        grpc_fields(error, &mut headers);
        exchange.responds(StatusCode::OK, &headers);
        downstream.start(StatusCode::OK, &headers, Some(0));
        return downstream.finish();
    }
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    let body = Bytes::from(format!("{error}\n"));
    exchange.responds(error.status(), &headers);
    downstream.start(error.status(), &headers, Some(body.len() as u64));
    if !request.is_head {
        exchange.sent(body.len());
        downstream.send(Frame::Data(body))?;
    }
    downstream.finish()
}

/// What of a request decides how an error is told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Was it HEAD?
    pub(crate) is_head: bool,
    /// Was it gRPC? Its clients read `grpc-status`, not the status.
    pub(crate) is_grpc: bool,
}

impl Asked {
    /// Looks at a request.
    pub(crate) fn new(method: &Method, headers: &Headers) -> Self {
        let content_type = headers.get(&CONTENT_TYPE);
        Self {
            is_head: *method == Method::HEAD,
            is_grpc: content_type.is_some_and(|value| value.starts_with(b"application/grpc")),
        }
    }
}

/// Trailers-only: the whole answer is one head.
fn grpc_fields(error: ProxyError, headers: &mut Headers) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS.clone(), HeaderValue::from(grpc_status(error)));
    if let Ok(message) = HeaderValue::try_from(error.to_string()) {
        headers.insert(GRPC_MESSAGE.clone(), message);
    }
}

/// gRPC's own table from HTTP statuses, but for what gRPC has a status of its own for: deadlines,
/// and faults of the server itself.
fn grpc_status(error: ProxyError) -> u16 {
    const UNKNOWN: u16 = 2;
    const DEADLINE_EXCEEDED: u16 = 4;
    const UNIMPLEMENTED: u16 = 12;
    const INTERNAL: u16 = 13;
    const UNAVAILABLE: u16 = 14;
    match error.status().as_u16() {
        400 | 500 => INTERNAL,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 => UNAVAILABLE,
        504 => DEADLINE_EXCEEDED,
        _ => UNKNOWN,
    }
}

/// Waits until the answer was handed to the kernel.
pub(crate) async fn flush(worker: &Worker, downstream: &mut Downstream) -> Result<(), ProxyError> {
    downstream
        .watched()
        .arm(worker.deadline(worker.config.limits.progress));
    let flushed = poll_fn(|cx| match downstream.poll_flush(cx) {
        Poll::Pending if downstream.watched().is_expired() => {
            Poll::Ready(Err(ProxyError::ClientStalled))
        }
        flushed => flushed,
    })
    .await;
    downstream.watched().disarm();
    flushed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_clients_get_a_grpc_status() {
        for (error, status) in [
            (ProxyError::NoRoute, 12),
            (ProxyError::NoEndpoint, 14),
            (ProxyError::BackendReset, 14),
            (ProxyError::RequestTimeout, 4),
            (ProxyError::BackendTimeout, 4),
            (ProxyError::InvalidBackend, 13),
            (ProxyError::ConnectTimeout, 4),
        ] {
            assert_eq!(grpc_status(error), status, "{error}");
        }
    }
}
