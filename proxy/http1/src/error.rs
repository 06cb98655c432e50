//! Why a message is refused: closed enums with a status and a stable label for each case.

use http::StatusCode;

/// Why a request is refused. After any of these an HTTP/1 connection is closed: its next byte has
/// no known meaning. On HTTP/2 only the stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RequestError {
    /// Host or `:authority` breaks the grammar of RFC 9110 section 7.2, or holds userinfo.
    #[error("the request's host is not a valid host and port")]
    Authority,
    /// `:authority` and Host name different hosts (RFC 9113 section 8.3.1).
    #[error("the request's host field differs from its :authority")]
    AuthorityMismatch,
    /// The declared body is longer than the limit.
    #[error("the request's body is longer than the limit")]
    BodyTooLarge,
    /// CONNECT: a gateway is no tunnel for any resource.
    #[error("the method connect is not served by a gateway")]
    ConnectMethod,
    /// A connection-specific field in an HTTP/2 request (RFC 9113 section 8.2.2).
    #[error("an http/2 request holds a connection-specific field")]
    ConnectionField,
    /// `Connection` names a field that frames or routes the message, or is no list of tokens.
    #[error("the connection field names a field that may not be removed")]
    ConnectionOption,
    /// Content-Length is not one plain decimal number, or contradicts the stream's end.
    #[error("content-length is not one plain decimal number that fits the body")]
    ContentLength,
    /// A path segment is `.` or `..`, written plainly or escaped.
    #[error("the request's path holds a dot segment")]
    DotSegment,
    /// Content-Length appears more than once.
    #[error("content-length appears more than once")]
    DuplicateContentLength,
    /// Host appears more than once (RFC 9112 section 3.2).
    #[error("host appears more than once")]
    DuplicateHost,
    /// Expect holds something other than `100-continue` (RFC 9110 section 10.1.1).
    #[error("the expect field asks for something other than 100-continue")]
    Expectation,
    /// A line of the field section starts with white space (RFC 9112 section 5.2).
    #[error("a field is folded over several lines")]
    FieldFold,
    /// A field name is no token, lacks its colon, or has white space before it.
    #[error("a field name is not a token followed by a colon")]
    FieldName,
    /// A field value holds a control character.
    #[error("a field value holds a control character")]
    FieldValue,
    /// The head is longer than the limit.
    #[error("the request's head is longer than the limit")]
    HeadTooLarge,
    /// Content-Length and Transfer-Encoding together (RFC 9112 section 6.1).
    #[error("content-length and transfer-encoding appear together")]
    LengthAndCoding,
    /// A line ends otherwise than by CR LF, or more than two empty lines come first.
    #[error("a line of the head does not end with cr lf")]
    LineEnding,
    /// The method is no token of upper-case letters.
    #[error("the method is not an upper-case token")]
    Method,
    /// The method is longer than any that is known (RFC 9112 section 3).
    #[error("the method is longer than any known one")]
    MethodTooLong,
    /// Neither Host, nor an absolute target, nor `:authority` names a host.
    #[error("the request names no host")]
    MissingHost,
    /// The request line is not method, target and version with one space between them.
    #[error("the request line is not method, target and version")]
    RequestLine,
    /// The target's scheme is neither http nor https.
    #[error("the target's scheme is neither http nor https")]
    Scheme,
    /// The target breaks the grammar of RFC 9112 section 3.2.
    #[error("the request target is not valid for its method")]
    Target,
    /// The target is longer than the limit.
    #[error("the request target is longer than the limit")]
    TargetTooLong,
    /// TE in an HTTP/2 request is something other than `trailers` (RFC 9113 section 8.2.2).
    #[error("te in an http/2 request is something other than trailers")]
    Te,
    /// The head has more fields than the limit.
    #[error("the request has more fields than the limit")]
    TooManyFields,
    /// Transfer-Encoding is malformed, repeated, or sent by an HTTP/1.0 client.
    #[error("transfer-encoding is malformed or not allowed here")]
    TransferCoding,
    /// Transfer-Encoding names a coding other than `chunked`.
    #[error("transfer-encoding names a coding other than chunked")]
    UnknownTransferCoding,
    /// A well-formed version that is not HTTP/1.
    #[error("the protocol version is not supported on this connection")]
    UnsupportedVersion,
}

impl RequestError {
    /// The status that answers this request.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.answer().0
    }

    /// A stable label for metrics, logs and events.
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.answer().1
    }

    fn answer(self) -> (StatusCode, &'static str) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Self::Authority => (BAD, "invalid_host"),
            Self::AuthorityMismatch => (BAD, "host_mismatch"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::ConnectMethod => (StatusCode::NOT_IMPLEMENTED, "connect_method"),
            Self::ConnectionField => (BAD, "connection_field"),
            Self::ConnectionOption => (BAD, "connection_option"),
            Self::ContentLength => (BAD, "invalid_content_length"),
            Self::DotSegment => (BAD, "dot_segment"),
            Self::DuplicateContentLength => (BAD, "duplicate_content_length"),
            Self::DuplicateHost => (BAD, "duplicate_host"),
            Self::Expectation => (StatusCode::EXPECTATION_FAILED, "unknown_expectation"),
            Self::FieldFold => (BAD, "folded_field"),
            Self::FieldName => (BAD, "invalid_field_name"),
            Self::FieldValue => (BAD, "invalid_field_value"),
            Self::HeadTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head_too_large",
            ),
            Self::LengthAndCoding => (BAD, "content_length_and_transfer_encoding"),
            Self::LineEnding => (BAD, "invalid_line_ending"),
            Self::Method => (BAD, "invalid_method"),
            Self::MethodTooLong => (StatusCode::NOT_IMPLEMENTED, "method_too_long"),
            Self::MissingHost => (BAD, "missing_host"),
            Self::RequestLine => (BAD, "invalid_request_line"),
            Self::Scheme => (BAD, "invalid_scheme"),
            Self::Target => (BAD, "invalid_target"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target_too_long"),
            Self::Te => (BAD, "invalid_te"),
            Self::TooManyFields => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too_many_fields",
            ),
            Self::TransferCoding => (BAD, "invalid_transfer_encoding"),
            Self::UnknownTransferCoding => {
                (StatusCode::NOT_IMPLEMENTED, "unknown_transfer_encoding")
            }
            Self::UnsupportedVersion => (
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "unsupported_version",
            ),
        }
    }
}

/// Why a backend's response head is refused: the backend's fault, 502 towards the client. The
/// connection it came from is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ResponseError {
    /// `Connection` names a field that frames the message, or is no list of tokens.
    #[error("the response's connection field names a field that may not be removed")]
    ConnectionOption,
    /// Content-Length is no plain decimal number, or appears with different values.
    #[error("the response's content-length is not one plain decimal number")]
    ContentLength,
    /// A line of the field section starts with white space.
    #[error("a response field is folded over several lines")]
    FieldFold,
    /// A field name is no token followed by a colon.
    #[error("a response field name is not a token followed by a colon")]
    FieldName,
    /// A field value holds a control character.
    #[error("a response field value holds a control character")]
    FieldValue,
    /// The head is longer than the limit.
    #[error("the response's head is longer than the limit")]
    HeadTooLarge,
    /// Content-Length and Transfer-Encoding together.
    #[error("the response holds both content-length and transfer-encoding")]
    LengthAndCoding,
    /// A line ends otherwise than by CR LF.
    #[error("a line of the response's head does not end with cr lf")]
    LineEnding,
    /// The status is outside 100 to 599.
    #[error("the response's status is outside 100 to 599")]
    Status,
    /// The first line is no HTTP/1 status line.
    #[error("the response does not start with an http/1 status line")]
    StatusLine,
    /// The head has more fields than the limit.
    #[error("the response has more fields than the limit")]
    TooManyFields,
    /// Transfer-Encoding is anything but one `chunked`, or comes with HTTP/1.0.
    #[error("the response's transfer-encoding is something other than chunked")]
    TransferCoding,
}

impl ResponseError {
    /// A stable label for metrics, logs and events.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ConnectionOption => "connection_option",
            Self::ContentLength => "invalid_content_length",
            Self::FieldFold => "folded_field",
            Self::FieldName => "invalid_field_name",
            Self::FieldValue => "invalid_field_value",
            Self::HeadTooLarge => "head_too_large",
            Self::LengthAndCoding => "content_length_and_transfer_encoding",
            Self::LineEnding => "invalid_line_ending",
            Self::Status => "invalid_status",
            Self::StatusLine => "invalid_status_line",
            Self::TooManyFields => "too_many_fields",
            Self::TransferCoding => "invalid_transfer_encoding",
        }
    }
}

/// Why a body cannot be read to its end. The client's fault in a request (answer
/// [`BodyError::status`] if nothing was answered yet), the backend's in a response (502).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BodyError {
    /// A chunk's size line is not `hex[;extension]` and CR LF (RFC 9112 section 7.1).
    #[error("a chunk's size line is malformed")]
    ChunkSize,
    /// A chunk's data is not followed by CR LF.
    #[error("a chunk's data is not followed by cr lf")]
    ChunkEnd,
    /// The body's chunk extensions are longer than the limit.
    #[error("the body's chunk extensions are longer than the limit")]
    ChunkExtension,
    /// The body is almost nothing but chunk framing.
    #[error("the body's chunks are too small for its length")]
    ChunkOverhead,
    /// The body is longer than the limit.
    #[error("the body is longer than the limit")]
    TooLarge,
    /// The trailer section is malformed or beyond its limits.
    #[error("the body's trailer section is malformed or too large")]
    Trailer,
    /// The connection ended before the body did.
    #[error("the connection ended before the body did")]
    Truncated,
}

impl BodyError {
    /// The status that answers a request with this body.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ChunkEnd
            | Self::ChunkExtension
            | Self::ChunkOverhead
            | Self::ChunkSize
            | Self::Trailer
            | Self::Truncated => StatusCode::BAD_REQUEST,
        }
    }

    /// A stable label for metrics, logs and events.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ChunkEnd => "invalid_chunk_end",
            Self::ChunkExtension => "chunk_extension_too_large",
            Self::ChunkOverhead => "chunk_overhead",
            Self::ChunkSize => "invalid_chunk_size",
            Self::TooLarge => "body_too_large",
            Self::Trailer => "invalid_trailer",
            Self::Truncated => "body_truncated",
        }
    }
}

/// A body that does not fit the framing declared in its head; the connection must be closed, so
/// that the peer sees the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EncodeError {
    /// More data than declared.
    #[error("the body is longer than the declared length")]
    TooLong,
    /// The end came before all of the declared data.
    #[error("the body is shorter than the declared length")]
    TooShort,
}
