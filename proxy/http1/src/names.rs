//! Field names that nearly every message holds, ready made: no hashing into a table of all names,
//! and for those that the `http` crate does not know no allocation either.
//!
//! Only names that mean nothing to RAUTA itself are here; those with a meaning (Host, Connection,
//! Content-Length and so on) take the long way, where they are judged.

use http::HeaderName;

/// The ready-made name that equals `name` in any case.
pub(crate) fn ready_made(name: &[u8]) -> Option<HeaderName> {
    let (start, end) = BY_LENGTH.get(name.len()).copied()?;
    let last = name.last()?.to_ascii_lowercase();
    (usize::from(start)..usize::from(end)).find_map(|at| {
        // The last letter tells most names of one length apart; and a name mostly comes as it is
        // spelled here, which is one comparison.
        let spelled = SPELLED[at].as_bytes();
        let found = LAST[at] == last && (spelled == name || spelled.eq_ignore_ascii_case(name));
        found.then(|| NAMES[at].clone())
    })
}

macro_rules! names {
    ($($spelled:literal $lower:literal)*) => {
        const SPELLED: &[&str] = &[$($spelled),*];
        static NAMES: [HeaderName; SPELLED.len()] = [$(HeaderName::from_static($lower)),*];
    };
}

// In order of length.
names! {
    "Age" "age"
    "DNT" "dnt"
    "Via" "via"
    "Date" "date"
    "ETag" "etag"
    "Link" "link"
    "Vary" "vary"
    "Allow" "allow"
    "Range" "range"
    "Accept" "accept"
    "Cookie" "cookie"
    "Origin" "origin"
    "Pragma" "pragma"
    "Server" "server"
    "Expires" "expires"
    "Referer" "referer"
    "Alt-Svc" "alt-svc"
    "If-Match" "if-match"
    "If-Range" "if-range"
    "Location" "location"
    "Priority" "priority"
    "Sec-CH-UA" "sec-ch-ua"
    "Forwarded" "forwarded"
    "X-Real-IP" "x-real-ip"
    "Set-Cookie" "set-cookie"
    "User-Agent" "user-agent"
    "tracestate" "tracestate"
    "Retry-After" "retry-after"
    "traceparent" "traceparent"
    "Content-Type" "content-type"
    "X-Powered-By" "x-powered-by"
    "X-Request-Id" "x-request-id"
    "Accept-Ranges" "accept-ranges"
    "Authorization" "authorization"
    "Cache-Control" "cache-control"
    "Content-Range" "content-range"
    "If-None-Match" "if-none-match"
    "Last-Modified" "last-modified"
    "Sec-Fetch-Dest" "sec-fetch-dest"
    "Sec-Fetch-Mode" "sec-fetch-mode"
    "Sec-Fetch-Site" "sec-fetch-site"
    "Sec-Fetch-User" "sec-fetch-user"
    "Accept-Encoding" "accept-encoding"
    "Accept-Language" "accept-language"
    "X-Forwarded-For" "x-forwarded-for"
    "X-Frame-Options" "x-frame-options"
    "Content-Encoding" "content-encoding"
    "Sec-CH-UA-Mobile" "sec-ch-ua-mobile"
    "X-Forwarded-Host" "x-forwarded-host"
    "X-Forwarded-Port" "x-forwarded-port"
    "If-Modified-Since" "if-modified-since"
    "Sec-WebSocket-Key" "sec-websocket-key"
    "X-Forwarded-Proto" "x-forwarded-proto"
    "Sec-CH-UA-Platform" "sec-ch-ua-platform"
    "Content-Disposition" "content-disposition"
    "Sec-WebSocket-Accept" "sec-websocket-accept"
    "Sec-WebSocket-Version" "sec-websocket-version"
    "X-Content-Type-Options" "x-content-type-options"
    "Content-Security-Policy" "content-security-policy"
    "Sec-WebSocket-Extensions" "sec-websocket-extensions"
    "Strict-Transport-Security" "strict-transport-security"
    "Upgrade-Insecure-Requests" "upgrade-insecure-requests"
}

const LENGTH_MAX: usize = 25;

/// For each length, where its names start and end.
const BY_LENGTH: [(u8, u8); LENGTH_MAX + 1] = {
    let mut spans = [(0, 0); LENGTH_MAX + 1];
    let mut at = 0;
    while at < SPELLED.len() {
        let span = &mut spans[SPELLED[at].len()];
        if span.1 == 0 {
            span.0 = at as u8;
        }
        span.1 = at as u8 + 1;
        at += 1;
    }
    spans
};

/// The last letter of each name, in lower case.
const LAST: [u8; SPELLED.len()] = {
    let mut letters = [0; SPELLED.len()];
    let mut at = 0;
    while at < SPELLED.len() {
        let name = SPELLED[at].as_bytes();
        letters[at] = name[name.len() - 1].to_ascii_lowercase();
        at += 1;
    }
    letters
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_every_case() {
        assert!(SPELLED.is_sorted_by_key(|name| name.len()));
        for name in SPELLED {
            let expected = Some(HeaderName::from_bytes(name.as_bytes()).unwrap());
            assert_eq!(ready_made(name.as_bytes()), expected, "{name}");
            assert_eq!(
                ready_made(name.to_uppercase().as_bytes()),
                expected,
                "{name}"
            );
            assert_eq!(
                ready_made(name.to_lowercase().as_bytes()),
                expected,
                "{name}"
            );
        }
        for other in [
            "",
            "Agf",
            "Host",
            "Connection",
            "Content-Length",
            "X_Request_Id",
        ] {
            assert_eq!(ready_made(other.as_bytes()), None, "{other}");
        }
        assert_eq!(ready_made(&[b'a'; 100]), None);
    }
}
