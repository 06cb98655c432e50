//! Heads on their way out. Framing and connection fields are always RAUTA's own: whatever the
//! header map says about them is left out.

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{self, PathAndQuery};
use http::{Method, StatusCode, Version};

use crate::{BodyLength, Headers};

/// How a response's body is framed on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// No body, and it could be none: announced as length 0 where the status allows a body.
    Empty,
    /// `content-length`.
    Length(u64),
    /// `transfer-encoding: chunked`.
    Chunked,
    /// Neither: the connection's end is the body's (HTTP/1.0 clients).
    UntilClose,
}

/// The framing for a response to an HTTP/1 client. `length` is the body's length if it is known, or
/// what it would be for HEAD and 304. With [`Framing::UntilClose`] the connection must not persist.
#[must_use]
pub fn response_framing(client: Version, status: StatusCode, length: Option<u64>) -> Framing {
    match length {
        _ if status.is_informational() || status == StatusCode::NO_CONTENT => Framing::Empty,
        None if status == StatusCode::NOT_MODIFIED => Framing::Empty,
        Some(length) => Framing::Length(length),
        None if client == Version::HTTP_10 => Framing::UntilClose,
        None => Framing::Chunked,
    }
}

/// Appends a request head to `out`: HTTP/1.1, Host first, then `headers` without what is RAUTA's to
/// say, then framing. `upgrade` and `te` in `headers` bring their Connection option along.
pub fn write_request_head(
    out: &mut BytesMut,
    method: &Method,
    target: &PathAndQuery,
    authority: &uri::Authority,
    headers: &Headers,
    body: BodyLength,
) {
    let method_name = method.as_str().as_bytes();
    let (target, authority) = (target.as_str().as_bytes(), authority.as_str().as_bytes());
    let line = method_name.len() + target.len() + authority.len();
    let mut pen = Pen::new(out, HEAD_BYTES + line + size(headers.iter()));
    pen.put(method_name);
    pen.put(b" ");
    pen.put(target);
    pen.put(b" HTTP/1.1\r\nhost: ");
    pen.put(authority);
    pen.put(b"\r\n");
    let options = put_fields(&mut pen, headers.iter().filter(|(name, _)| **name != HOST));
    put_connection(&mut pen, options);
    match body {
        // RFC 9110 section 8.6: say 0 where the method would let a body be expected.
        BodyLength::Empty if [Method::POST, Method::PUT, Method::PATCH].contains(method) => {
            put_length(&mut pen, 0);
        }
        BodyLength::Empty => {}
        BodyLength::Length(length) => put_length(&mut pen, length),
        BodyLength::Chunked | BodyLength::Unknown => pen.put(CHUNKED),
    }
    pen.put(b"\r\n");
    pen.lift();
}

/// Appends a response head to `out`. `client` is the version of the request: it decides how
/// persistence is spelled; the status line always says HTTP/1.1 (RFC 9110 section 2.5). `upgrade`
/// in `headers` brings its Connection option along.
pub fn write_response_head(
    out: &mut BytesMut,
    client: Version,
    status: StatusCode,
    headers: &Headers,
    framing: Framing,
    keep_alive: bool,
) {
    let mut pen = Pen::new(out, HEAD_BYTES + size(headers.iter()));
    put_status_line(&mut pen, status);
    let mut options = put_fields(&mut pen, headers.iter());
    // An interim response says nothing about the connection.
    if !status.is_informational() {
        options.close = !keep_alive || framing == Framing::UntilClose;
        options.keep_alive = !options.close && client == Version::HTTP_10;
    }
    options.te = false;
    put_connection(&mut pen, options);
    let bodiless = status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    match framing {
        Framing::Empty if bodiless => {}
        Framing::Empty => put_length(&mut pen, 0),
        Framing::Length(length) => put_length(&mut pen, length),
        Framing::Chunked => pen.put(CHUNKED),
        Framing::UntilClose => {}
    }
    pen.put(b"\r\n");
    pen.lift();
}

/// Room for everything but method, target, host and fields.
const HEAD_BYTES: usize = 192;
const CHUNKED: &[u8] = b"transfer-encoding: chunked\r\n";

/// Bytes that the fields take, each with its colon and its line's end.
pub(crate) fn size<'a>(fields: impl Iterator<Item = (&'a HeaderName, &'a [u8])>) -> usize {
    fields
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// Writes into room that was made beforehand: the room is looked at once, not with every piece.
pub(crate) struct Pen<'a> {
    out: &'a mut BytesMut,
    at: usize,
}

impl<'a> Pen<'a> {
    /// Sets the pen on the end of `out`, to write `room` bytes at most.
    pub(crate) fn new(out: &'a mut BytesMut, room: usize) -> Self {
        let at = out.len();
        out.resize(at + room, 0);
        Self { out, at }
    }

    /// Writes `bytes`.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let end = self.at + bytes.len();
        self.out[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    /// Gives back the room that is left.
    pub(crate) fn lift(self) {
        self.out.truncate(self.at);
    }
}

/// The options of the Connection field to write.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    close: bool,
    keep_alive: bool,
    te: bool,
    upgrade: bool,
}

/// Appends fields but for framing and connection; says which of them need a Connection option.
pub(crate) fn put_fields<'a>(
    pen: &mut Pen<'_>,
    fields: impl Iterator<Item = (&'a HeaderName, &'a [u8])>,
) -> Options {
    let mut options = Options::default();
    for (name, value) in fields {
        if *name == CONNECTION || *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
            continue;
        }
        options.te |= *name == TE;
        options.upgrade |= *name == UPGRADE;
        pen.put(name.as_str().as_bytes());
        pen.put(b": ");
        pen.put(value);
        pen.put(b"\r\n");
    }
    options
}

fn put_connection(pen: &mut Pen<'_>, options: Options) {
    let Options {
        close,
        keep_alive,
        te,
        upgrade,
    } = options;
    if !(close || keep_alive || te || upgrade) {
        return;
    }
    let named = [
        (close, "close"),
        (keep_alive, "keep-alive"),
        (te, "te"),
        (upgrade, "upgrade"),
    ];
    let mut before: &[u8] = b"connection: ";
    for (_, option) in named.iter().filter(|(wanted, _)| *wanted) {
        pen.put(before);
        pen.put(option.as_bytes());
        before = b", ";
    }
    pen.put(b"\r\n");
}

fn put_length(pen: &mut Pen<'_>, length: u64) {
    pen.put(b"content-length: ");
    pen.put(itoa::Buffer::new().format(length).as_bytes());
    pen.put(b"\r\n");
}

fn put_status_line(pen: &mut Pen<'_>, status: StatusCode) {
    let prebuilt: &[u8] = match status {
        StatusCode::OK => b"HTTP/1.1 200 OK\r\n",
        StatusCode::NO_CONTENT => b"HTTP/1.1 204 No Content\r\n",
        StatusCode::FOUND => b"HTTP/1.1 302 Found\r\n",
        StatusCode::NOT_MODIFIED => b"HTTP/1.1 304 Not Modified\r\n",
        StatusCode::NOT_FOUND => b"HTTP/1.1 404 Not Found\r\n",
        _ => {
            pen.put(b"HTTP/1.1 ");
            pen.put(status.as_str().as_bytes());
            pen.put(b" ");
            pen.put(status.canonical_reason().unwrap_or_default().as_bytes());
            pen.put(b"\r\n");
            return;
        }
    };
    pen.put(prebuilt);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let field = |&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        fields.iter().map(field).collect()
    }

    fn request(
        method: Method,
        fields: &[(&'static str, &'static str)],
        body: BodyLength,
    ) -> String {
        let mut out = BytesMut::new();
        let (target, authority) = (PathAndQuery::from_static("/p"), "a:1".parse().unwrap());
        write_request_head(
            &mut out,
            &method,
            &target,
            &authority,
            &headers(fields),
            body,
        );
        let text = String::from_utf8(out.to_vec()).unwrap();
        let start = format!("{method} /p HTTP/1.1\r\nhost: a:1\r\n");
        text.strip_prefix(&start)
            .expect("request line and host come first")
            .to_owned()
    }

    #[test]
    fn requests_say_their_framing_and_nothing_stale() {
        let get = |fields| request(Method::GET, fields, BodyLength::Empty);
        assert_eq!(get(&[]), "\r\n");
        let stale = [
            ("host", "b"),
            ("content-length", "9"),
            ("transfer-encoding", "gzip"),
        ];
        assert_eq!(get(&stale), "\r\n");
        assert_eq!(get(&[("connection", "close"), ("x", "y")]), "x: y\r\n\r\n");
        assert_eq!(
            get(&[("te", "trailers")]),
            "te: trailers\r\nconnection: te\r\n\r\n"
        );
        let upgrade = get(&[("upgrade", "websocket")]);
        assert_eq!(upgrade, "upgrade: websocket\r\nconnection: upgrade\r\n\r\n");
        let post = |body| request(Method::POST, &[], body);
        assert_eq!(post(BodyLength::Empty), "content-length: 0\r\n\r\n");
        assert_eq!(post(BodyLength::Length(70)), "content-length: 70\r\n\r\n");
        assert_eq!(
            post(BodyLength::Chunked),
            "transfer-encoding: chunked\r\n\r\n"
        );
        assert_eq!(
            post(BodyLength::Unknown),
            "transfer-encoding: chunked\r\n\r\n"
        );
    }

    #[test]
    fn responses_fit_their_client_and_status() {
        let cases: [(Version, u16, Option<u64>, bool, &str); 11] = [
            (Version::HTTP_11, 200, Some(5), true, "content-length: 5"),
            (Version::HTTP_11, 200, Some(0), true, "content-length: 0"),
            (
                Version::HTTP_11,
                200,
                None,
                true,
                "transfer-encoding: chunked",
            ),
            (
                Version::HTTP_11,
                200,
                None,
                false,
                "connection: close\r\ntransfer-encoding: chunked",
            ),
            (
                Version::HTTP_10,
                200,
                Some(5),
                true,
                "connection: keep-alive\r\ncontent-length: 5",
            ),
            (Version::HTTP_10, 200, None, true, "connection: close"),
            (Version::HTTP_11, 204, Some(5), true, ""),
            (Version::HTTP_11, 304, Some(5), true, "content-length: 5"),
            (Version::HTTP_11, 304, None, true, ""),
            (Version::HTTP_11, 103, None, false, ""),
            (Version::HTTP_11, 499, Some(1), true, "content-length: 1"),
        ];
        for (client, status, length, keep_alive, fields) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let framing = response_framing(client, status, length);
            let mut out = BytesMut::new();
            write_response_head(
                &mut out,
                client,
                status,
                &Headers::new(),
                framing,
                keep_alive,
            );
            let text = String::from_utf8(out.to_vec()).unwrap();
            let reason = status.canonical_reason().unwrap_or_default();
            let fields = if fields.is_empty() {
                String::new()
            } else {
                format!("{fields}\r\n")
            };
            let expected = format!("HTTP/1.1 {} {reason}\r\n{fields}\r\n", status.as_str());
            assert_eq!(text, expected, "{client:?} {length:?} {keep_alive}");
        }
    }

    #[test]
    fn a_switch_of_protocols_names_its_upgrade() {
        let (mut out, fields) = (BytesMut::new(), headers(&[("upgrade", "websocket")]));
        let status = StatusCode::SWITCHING_PROTOCOLS;
        write_response_head(
            &mut out,
            Version::HTTP_11,
            status,
            &fields,
            Framing::Empty,
            true,
        );
        let expected = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
            connection: upgrade\r\n\r\n";
        assert_eq!(&out[..], expected.as_bytes());
    }

    #[test]
    fn an_empty_body_is_said_where_one_could_be() {
        let mut out = BytesMut::new();
        let fields = Headers::new();
        write_response_head(
            &mut out,
            Version::HTTP_11,
            StatusCode::OK,
            &fields,
            Framing::Empty,
            true,
        );
        assert_eq!(&out[..], b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}
