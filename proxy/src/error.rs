//! Everything that can keep an exchange from going well, as one enum. What it means for the
//! client, for events and for retries is told by the exhaustive matches below, side by side; no
//! other file decides on a status or a side at fault.

#![warn(clippy::wildcard_enum_match_arm)]

use http::StatusCode;
use rauta_http1::{BodyError, RequestError, ResponseError};
use rauta_schemas::{AttemptOutcome, Reason, Side};

/// Why an exchange ended other than with the backend's own, complete response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProxyError {
    /// The backend broke the HTTP/2 protocol.
    #[error("the backend broke the http/2 protocol")]
    BackendHttp2,
    /// The backend closed or reset a fresh connection before a response head.
    #[error("the backend closed the connection before its response")]
    BackendReset,
    /// The backend broke off inside its response's body.
    #[error("the backend broke off inside its response")]
    BackendCut,
    /// The backend sent no response head in the time that the configuration or rule allows.
    #[error("the backend did not answer in time")]
    BackendTimeout,
    /// TLS with the backend failed.
    #[error("tls with the backend failed")]
    BackendTls,
    /// The request's body broke its framing or a limit.
    #[error("the request's body is refused: {0}")]
    BadBody(BodyError),
    /// The request's head was refused.
    #[error("the request is refused: {0}")]
    BadRequest(RequestError),
    /// The response's head was refused.
    #[error("the backend's response is refused: {0}")]
    BadResponse(ResponseError),
    /// The response's body broke its framing.
    #[error("the backend's response body is refused: {0}")]
    BadResponseBody(BodyError),
    /// The client closed or reset before the exchange ended.
    #[error("the client closed the connection")]
    ClientClosed,
    /// The client took no bytes of its response for too long.
    #[error("the client stopped reading its response")]
    ClientStalled,
    /// The client was too slow to send its request.
    #[error("the client was too slow to send its request")]
    ClientTimeout,
    /// A connection could not be made for a cause that is neither refusal nor time.
    #[error("no connection to the backend could be made")]
    ConnectFailed,
    /// The backend refused the connection.
    #[error("the backend refused the connection")]
    ConnectRefused,
    /// The backend did not accept the connection in time.
    #[error("the backend did not accept the connection in time")]
    ConnectTimeout,
    /// Something broke inside RAUTA.
    #[error("something broke inside the gateway")]
    Internal,
    /// The rule's share for this request names no usable backend.
    #[error("the rule's backend reference is invalid")]
    InvalidBackend,
    /// The Host belongs to another listener than the one the connection's SNI chose.
    #[error("the host is not served on this connection")]
    Misdirected,
    /// The backend has no endpoint that can take the request.
    #[error("the backend has no endpoint that can take the request")]
    NoEndpoint,
    /// No listener or route matches.
    #[error("no route matches")]
    NoRoute,
    /// A cap on connections or work is reached.
    #[error("the gateway is at its limit")]
    Overload,
    /// The backend refused the stream without having processed it.
    #[error("the backend refused the stream")]
    RefusedStream,
    /// The rule's request timeout passed.
    #[error("the request took longer than its rule allows")]
    RequestTimeout,
    /// A reused connection was dead before any byte of a response.
    #[error("a reused connection to the backend was dead")]
    StaleConnection,
    /// Neither side moved a byte for too long after the response's head.
    #[error("the exchange made no progress")]
    StreamIdle,
    /// The backend sent more interim responses than the limit.
    #[error("the backend sent too many interim responses")]
    TooManyInterim,
    /// The backend switched protocols without having been asked.
    #[error("the backend switched protocols without being asked")]
    UnaskedUpgrade,
    /// The backend took no bytes of the request for too long.
    #[error("the backend stopped reading the request")]
    UpstreamStalled,
}

impl ProxyError {
    /// Who is at fault.
    pub(crate) fn side(self) -> Side {
        match self {
            Self::BadBody(_)
            | Self::BadRequest(_)
            | Self::ClientClosed
            | Self::ClientStalled
            | Self::ClientTimeout
            | Self::Misdirected
            | Self::NoRoute => Side::Client,
            Self::Internal | Self::InvalidBackend | Self::Overload => Side::Gateway,
            Self::BackendCut
            | Self::BackendHttp2
            | Self::BackendReset
            | Self::BackendTimeout
            | Self::BackendTls
            | Self::BadResponse(_)
            | Self::BadResponseBody(_)
            | Self::ConnectFailed
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::NoEndpoint
            | Self::RefusedStream
            | Self::RequestTimeout
            | Self::StaleConnection
            | Self::StreamIdle
            | Self::TooManyInterim
            | Self::UnaskedUpgrade
            | Self::UpstreamStalled => Side::Backend,
        }
    }

    /// The label that events, metrics and logs carry.
    pub(crate) fn reason(self) -> Reason {
        match self {
            Self::BackendCut | Self::BackendReset | Self::RefusedStream | Self::StaleConnection => {
                Reason::BackendReset
            }
            Self::BackendTimeout => Reason::BackendTimeout,
            Self::BackendTls => Reason::BackendTls,
            Self::BadBody(_) | Self::BadRequest(_) if self.is_too_large() => Reason::TooLarge,
            Self::BadBody(BodyError::Truncated) => Reason::ClientClosed,
            Self::BadBody(_) | Self::BadRequest(_) => Reason::BadRequest,
            Self::BadResponseBody(BodyError::Truncated) => Reason::BackendReset,
            Self::BackendHttp2
            | Self::BadResponse(_)
            | Self::BadResponseBody(_)
            | Self::TooManyInterim
            | Self::UnaskedUpgrade => Reason::BadResponse,
            Self::ClientClosed => Reason::ClientClosed,
            Self::ClientStalled | Self::StreamIdle | Self::UpstreamStalled => Reason::Stalled,
            Self::ClientTimeout => Reason::ClientTimeout,
            Self::ConnectFailed => Reason::ConnectFailed,
            Self::ConnectRefused => Reason::ConnectRefused,
            Self::ConnectTimeout => Reason::ConnectTimeout,
            Self::Internal => Reason::Internal,
            Self::InvalidBackend => Reason::InvalidBackend,
            Self::Misdirected => Reason::Misdirected,
            Self::NoEndpoint => Reason::NoEndpoint,
            Self::NoRoute => Reason::NoRoute,
            Self::Overload => Reason::Overload,
            Self::RequestTimeout => Reason::RequestTimeout,
        }
    }

    /// The status that answers the client, where nothing was sent to it yet.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadBody(error) => error.status(),
            Self::BadRequest(error) => error.status(),
            Self::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            // Nobody is left to read it.
            Self::ClientClosed | Self::ClientStalled => StatusCode::BAD_REQUEST,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            // Gateway API: the share of an invalid backendRef is answered 500.
            Self::Internal | Self::InvalidBackend => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BackendCut
            | Self::BackendHttp2
            | Self::BackendReset
            | Self::BadResponse(_)
            | Self::BadResponseBody(_)
            | Self::StaleConnection
            | Self::TooManyInterim
            | Self::UnaskedUpgrade => StatusCode::BAD_GATEWAY,
            Self::BackendTls
            | Self::ConnectFailed
            | Self::ConnectRefused
            | Self::NoEndpoint
            | Self::Overload
            | Self::RefusedStream => StatusCode::SERVICE_UNAVAILABLE,
            Self::BackendTimeout
            | Self::ConnectTimeout
            | Self::RequestTimeout
            | Self::StreamIdle
            | Self::UpstreamStalled => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// May a rule's `retry` try again after this, on the ground that no backend processed the
    /// request? (A dead reused connection has a rule of its own; listed statuses are no errors.)
    pub(crate) fn is_retryable(self) -> bool {
        match self {
            Self::BackendTls
            | Self::ConnectFailed
            | Self::ConnectRefused
            | Self::ConnectTimeout
            | Self::RefusedStream
            | Self::StaleConnection => true,
            Self::BackendCut
            | Self::BackendHttp2
            | Self::BackendReset
            | Self::BackendTimeout
            | Self::BadBody(_)
            | Self::BadRequest(_)
            | Self::BadResponse(_)
            | Self::BadResponseBody(_)
            | Self::ClientClosed
            | Self::ClientStalled
            | Self::ClientTimeout
            | Self::Internal
            | Self::InvalidBackend
            | Self::Misdirected
            | Self::NoEndpoint
            | Self::NoRoute
            | Self::Overload
            | Self::RequestTimeout
            | Self::StreamIdle
            | Self::TooManyInterim
            | Self::UnaskedUpgrade
            | Self::UpstreamStalled => false,
        }
    }

    /// How the attempt that met this error is recorded.
    pub(crate) fn attempt(self) -> AttemptOutcome {
        match self {
            Self::BackendCut | Self::BackendReset | Self::BadResponseBody(BodyError::Truncated) => {
                AttemptOutcome::Reset
            }
            Self::BackendTimeout | Self::RequestTimeout | Self::StreamIdle => {
                AttemptOutcome::Timeout
            }
            Self::UpstreamStalled => AttemptOutcome::Timeout,
            Self::BackendTls => AttemptOutcome::TlsFailed,
            Self::BackendHttp2
            | Self::BadResponse(_)
            | Self::BadResponseBody(_)
            | Self::TooManyInterim
            | Self::UnaskedUpgrade => AttemptOutcome::BadResponse,
            Self::RefusedStream => AttemptOutcome::RefusedStream,
            Self::ConnectFailed => AttemptOutcome::ConnectFailed,
            Self::ConnectRefused => AttemptOutcome::ConnectRefused,
            Self::ConnectTimeout => AttemptOutcome::ConnectTimeout,
            Self::StaleConnection => AttemptOutcome::StaleConnection,
            Self::BadBody(_)
            | Self::BadRequest(_)
            | Self::ClientClosed
            | Self::ClientStalled
            | Self::ClientTimeout
            | Self::Internal
            | Self::InvalidBackend
            | Self::Misdirected
            | Self::NoEndpoint
            | Self::NoRoute
            | Self::Overload => AttemptOutcome::Cancelled,
        }
    }

    fn is_too_large(self) -> bool {
        [
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::URI_TOO_LONG,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ]
        .contains(&self.status())
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyError::*;
    use super::*;

    const TABLE: [(ProxyError, Side, Reason, u16, bool); 33] = [
        (BackendCut, Side::Backend, Reason::BackendReset, 502, false),
        (BackendHttp2, Side::Backend, Reason::BadResponse, 502, false),
        (
            RefusedStream,
            Side::Backend,
            Reason::BackendReset,
            503,
            true,
        ),
        (
            BackendReset,
            Side::Backend,
            Reason::BackendReset,
            502,
            false,
        ),
        (
            BackendTimeout,
            Side::Backend,
            Reason::BackendTimeout,
            504,
            false,
        ),
        (BackendTls, Side::Backend, Reason::BackendTls, 503, true),
        (
            BadBody(BodyError::ChunkSize),
            Side::Client,
            Reason::BadRequest,
            400,
            false,
        ),
        (
            BadBody(BodyError::TooLarge),
            Side::Client,
            Reason::TooLarge,
            413,
            false,
        ),
        (
            BadBody(BodyError::Truncated),
            Side::Client,
            Reason::ClientClosed,
            400,
            false,
        ),
        (
            BadRequest(RequestError::MissingHost),
            Side::Client,
            Reason::BadRequest,
            400,
            false,
        ),
        (
            BadRequest(RequestError::HeadTooLarge),
            Side::Client,
            Reason::TooLarge,
            431,
            false,
        ),
        (
            BadRequest(RequestError::TargetTooLong),
            Side::Client,
            Reason::TooLarge,
            414,
            false,
        ),
        (
            BadResponse(ResponseError::Status),
            Side::Backend,
            Reason::BadResponse,
            502,
            false,
        ),
        (
            BadResponseBody(BodyError::ChunkSize),
            Side::Backend,
            Reason::BadResponse,
            502,
            false,
        ),
        (
            BadResponseBody(BodyError::Truncated),
            Side::Backend,
            Reason::BackendReset,
            502,
            false,
        ),
        (ClientClosed, Side::Client, Reason::ClientClosed, 400, false),
        (ClientStalled, Side::Client, Reason::Stalled, 400, false),
        (
            ClientTimeout,
            Side::Client,
            Reason::ClientTimeout,
            408,
            false,
        ),
        (
            ConnectFailed,
            Side::Backend,
            Reason::ConnectFailed,
            503,
            true,
        ),
        (
            ConnectRefused,
            Side::Backend,
            Reason::ConnectRefused,
            503,
            true,
        ),
        (
            ConnectTimeout,
            Side::Backend,
            Reason::ConnectTimeout,
            504,
            true,
        ),
        (Internal, Side::Gateway, Reason::Internal, 500, false),
        (
            InvalidBackend,
            Side::Gateway,
            Reason::InvalidBackend,
            500,
            false,
        ),
        (Misdirected, Side::Client, Reason::Misdirected, 421, false),
        (NoEndpoint, Side::Backend, Reason::NoEndpoint, 503, false),
        (NoRoute, Side::Client, Reason::NoRoute, 404, false),
        (Overload, Side::Gateway, Reason::Overload, 503, false),
        (
            RequestTimeout,
            Side::Backend,
            Reason::RequestTimeout,
            504,
            false,
        ),
        (
            StaleConnection,
            Side::Backend,
            Reason::BackendReset,
            502,
            true,
        ),
        (StreamIdle, Side::Backend, Reason::Stalled, 504, false),
        (
            TooManyInterim,
            Side::Backend,
            Reason::BadResponse,
            502,
            false,
        ),
        (
            UnaskedUpgrade,
            Side::Backend,
            Reason::BadResponse,
            502,
            false,
        ),
        (UpstreamStalled, Side::Backend, Reason::Stalled, 504, false),
    ];

    #[test]
    fn every_error_has_its_side_reason_status_and_retry() {
        for (error, side, reason, status, retryable) in TABLE {
            assert_eq!(error.side(), side, "{error}");
            assert_eq!(error.reason(), reason, "{error}");
            assert_eq!(error.status().as_u16(), status, "{error}");
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }
}
