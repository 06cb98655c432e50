//! Fields that end at the next hop (RFC 9110 section 7.6.1): Connection options read, and
//! everything hop-by-hop taken out. Fields that RAUTA adds itself are added afterwards.

use http::header::{HeaderName, HeaderValue, TE};
use smallvec::SmallVec;

use crate::grammar::{is_token, list};
use crate::{Headers, RequestError, ResponseError};

/// More options than this in one head are an attempt at something else.
const OPTIONS_MAX: usize = 32;

/// What all Connection fields of one head say together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConnectionOptions {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    count: usize,
}

/// A Connection option that is no token, or names a field that frames or routes the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadOption;

impl ConnectionOptions {
    /// Reads one Connection field's value; says whether it names other fields, which are then to be
    /// taken out with it. Empty list elements are legal (section 5.6.1).
    pub(crate) fn read(&mut self, value: &[u8]) -> Result<bool, BadOption> {
        let mut names_fields = false;
        for option in list(value).filter(|option| !option.is_empty()) {
            self.count += 1;
            match Known::of(option) {
                _ if self.count > OPTIONS_MAX => return Err(BadOption),
                Some(Known::Close) => self.close = true,
                Some(Known::KeepAlive) => self.keep_alive = true,
                Some(Known::Upgrade) => (self.upgrade, names_fields) = (true, true),
                None if is_essential(option) || !is_token(option) => return Err(BadOption),
                None => names_fields = true,
            }
        }
        Ok(names_fields)
    }

    /// Whether the connection lives on after this message (RFC 9112 section 9.3).
    pub(crate) fn persists(self, version: http::Version) -> bool {
        !self.close && (self.keep_alive || version == http::Version::HTTP_11)
    }
}

/// Connection options with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Close,
    KeepAlive,
    Upgrade,
}

impl Known {
    fn of(option: &[u8]) -> Option<Self> {
        match option.len() {
            5 if option.eq_ignore_ascii_case(b"close") => Some(Self::Close),
            7 if option.eq_ignore_ascii_case(b"upgrade") => Some(Self::Upgrade),
            10 if option.eq_ignore_ascii_case(b"keep-alive") => Some(Self::KeepAlive),
            _ => None,
        }
    }
}

/// Fields whose removal would change where a message goes or where it ends.
fn is_essential(option: &[u8]) -> bool {
    [&b"host"[..], b"content-length", b"transfer-encoding"]
        .iter()
        .any(|name| option.eq_ignore_ascii_case(name))
}

/// Takes every hop-by-hop field out of a request's headers: those that Connection names, and the
/// well-known ones. `te` stays if it asks for trailers, the only part of it that RAUTA understands.
/// An upgrade that shall go on is put back by the caller from [`crate::Request::upgrade`].
///
/// # Errors
/// [`RequestError::ConnectionOption`] when Connection names Host, Content-Length or
/// Transfer-Encoding, or is no list of tokens.
pub fn strip_hop_by_hop(headers: &mut Headers) -> Result<(), RequestError> {
    strip(headers).map_err(|BadOption| RequestError::ConnectionOption)
}

/// Takes every hop-by-hop field out of a response's headers.
///
/// # Errors
/// [`ResponseError::ConnectionOption`] as for requests.
pub fn strip_response_hop_by_hop(headers: &mut Headers) -> Result<(), ResponseError> {
    strip(headers).map_err(|BadOption| ResponseError::ConnectionOption)
}

fn strip(headers: &mut Headers) -> Result<(), BadOption> {
    let mut named: SmallVec<[HeaderName; 4]> = SmallVec::new();
    let mut wants_trailers = false;
    let mut read = Ok(());
    headers.retain(|name, value| match name.as_str() {
        "connection" => {
            let options = ConnectionOptions::default().read(value);
            read = read.and(options.map(|_| ()));
            named.extend(named_fields(value));
            false
        }
        "te" => {
            wants_trailers |= asks_for_trailers(value);
            false
        }
        "http2-settings" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade" => {
            false
        }
        _ => true,
    });
    read?;
    for name in named {
        headers.remove(&name);
    }
    if wants_trailers {
        headers.append(TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

/// The fields that a Connection value names, without the options that name none or go anyway.
fn named_fields(value: &[u8]) -> impl Iterator<Item = HeaderName> {
    list(value)
        .filter(|option| Known::of(option).is_none())
        .filter_map(|option| HeaderName::from_bytes(option).ok())
}

pub(crate) fn asks_for_trailers(te: &[u8]) -> bool {
    list(te).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// The protocols of an Upgrade value that may be passed on: all but h2c, which would carry requests
/// past every check (RFC 9113 section 3.1 took it out).
pub(crate) fn upgrade_without_h2c(value: &[u8]) -> Option<HeaderValue> {
    let is_h2 = |protocol: &&[u8]| {
        protocol.eq_ignore_ascii_case(b"h2c") || protocol.eq_ignore_ascii_case(b"h2")
    };
    let is_sound = |protocol: &&[u8]| {
        !protocol.is_empty() && protocol.split(|&byte| byte == b'/').all(is_token)
    };
    let kept: Vec<&[u8]> = list(value)
        .filter(|protocol| !is_h2(protocol) && is_sound(protocol))
        .collect();
    if kept.is_empty() {
        return None;
    }
    HeaderValue::from_bytes(&kept.join(&b", "[..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let field = |&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn named_and_well_known_fields_are_taken_out() {
        let mut fields = headers(&[
            ("connection", "close, X-Real-IP"),
            ("x-real-ip", "forged"),
            ("keep-alive", "5"),
            ("proxy-connection", "keep-alive"),
            ("http2-settings", "AAMAAABk"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ]);
        strip_hop_by_hop(&mut fields).unwrap();
        assert_eq!(fields, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn te_keeps_what_it_says_of_trailers() {
        let mut fields = headers(&[("te", "gzip, Trailers"), ("connection", "te")]);
        strip_hop_by_hop(&mut fields).unwrap();
        assert_eq!(fields, headers(&[("te", "trailers")]));
    }

    #[test]
    fn essential_fields_may_not_be_named() {
        for option in [
            "host",
            "Content-Length",
            "close, transfer-encoding",
            ":path",
            "a b",
            "\"x\"",
        ] {
            let mut fields = headers(&[("connection", option)]);
            let stripped = strip_hop_by_hop(&mut fields);
            assert_eq!(stripped, Err(RequestError::ConnectionOption), "{option}");
        }
        let many = "a,".repeat(OPTIONS_MAX + 1);
        assert_eq!(
            ConnectionOptions::default().read(many.as_bytes()),
            Err(BadOption)
        );
    }

    #[test]
    fn connections_persist_by_version_and_option() {
        use http::Version;
        for (value, in_11, in_10) in [
            ("", true, false),
            ("keep-alive", true, true),
            ("Close", false, false),
            ("keep-alive, close", false, false),
            (",,x", true, false),
        ] {
            let mut options = ConnectionOptions::default();
            options.read(value.as_bytes()).unwrap();
            assert_eq!(options.persists(Version::HTTP_11), in_11, "{value}");
            assert_eq!(options.persists(Version::HTTP_10), in_10, "{value}");
        }
    }

    #[test]
    fn h2c_is_cut_out_of_upgrades() {
        for (value, kept) in [
            ("websocket", Some("websocket")),
            ("h2c", None),
            ("H2C, websocket", Some("websocket")),
            ("websocket, IRC/6.9", Some("websocket, IRC/6.9")),
            ("h2c,h2c", None),
            ("", None),
            ("a b", None),
        ] {
            let upgrade = upgrade_without_h2c(value.as_bytes());
            assert_eq!(
                upgrade.as_ref().map(HeaderValue::as_bytes),
                kept.map(str::as_bytes),
                "{value}"
            );
        }
    }
}
