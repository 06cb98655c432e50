//! URLRewrite: the host and path that the backend sees. Also the path rule that redirects share.

use super::Received;
use crate::upstream::Outgoing;
use http::uri::{Authority, PathAndQuery};
use rauta_routing::{PathRewrite, Rewrite};

/// Rewrites what leaves for the backend. A result that is no valid target or host changes nothing:
/// it was refused at admission already.
pub(crate) fn apply(rewrite: &Rewrite, received: &Received<'_>, request: &mut Outgoing) {
    if let Some(hostname) = &rewrite.hostname
        && let Ok(authority) = Authority::try_from(hostname.as_bytes())
    {
        request.authority = authority;
    }
    if let Some(path) = &rewrite.path
        && let Ok(target) = PathAndQuery::try_from(target(path, received))
    {
        request.target = target;
    }
}

/// The path and query after `rewrite`. A replaced prefix keeps the rest byte for byte, with
/// exactly one slash between the two.
pub(super) fn target(rewrite: &PathRewrite, received: &Received<'_>) -> String {
    let mut target = match rewrite {
        PathRewrite::Full(path) => path.clone(),
        PathRewrite::Prefix(prefix) => {
            let rest = received.path.get(received.prefix_len..).unwrap_or_default();
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            let has_rest = received.path.len() > received.prefix_len;
            let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
            if has_rest {
                format!("{prefix}/{rest}")
            } else {
                prefix.to_owned()
            }
        }
    };
    if !target.starts_with('/') {
        target.insert(0, '/');
    }
    if let Some(query) = received.query {
        target.push('?');
        target.push_str(query);
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_replaced_by_whole_elements() {
        // The examples of the API's own documentation, then its corners.
        for (path, prefix_len, replacement, expected) in [
            ("/foo/bar", 4, "/xyz", "/xyz/bar"),
            ("/foo/bar", 4, "/xyz/", "/xyz/bar"),
            ("/foo/bar", 4, "", "/bar"),
            ("/foo/", 4, "/xyz", "/xyz/"),
            ("/foo", 4, "/xyz", "/xyz"),
            ("/foo", 4, "/xyz/", "/xyz"),
            ("/foo/", 4, "", "/"),
            ("/foo", 4, "", "/"),
            ("/foo", 4, "/", "/"),
            ("/bar", 0, "/xyz", "/xyz/bar"),
            ("/foo//bar", 4, "/xyz", "/xyz//bar"),
            ("/foo/a%2Fb", 4, "/xyz", "/xyz/a%2Fb"),
        ] {
            let received = Received {
                scheme: "http",
                host: "a.test",
                port: 80,
                path,
                query: None,
                prefix_len,
            };
            let rewrite = PathRewrite::Prefix(replacement.to_owned());
            assert_eq!(
                target(&rewrite, &received),
                expected,
                "{path} {replacement}"
            );
            let with_query = Received {
                query: Some("q=/foo"),
                ..received
            };
            assert_eq!(target(&rewrite, &with_query), format!("{expected}?q=/foo"));
            let full = PathRewrite::Full("/full".to_owned());
            assert_eq!(target(&full, &with_query), "/full?q=/foo");
        }
    }
}
