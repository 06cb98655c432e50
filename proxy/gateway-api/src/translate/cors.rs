//! CORS.

use super::spec::CorsSpec;
use http::{HeaderName, Method};
use rauta_routing::{Cors, CorsOrigin, CorsOrigins};
use std::str::FromStr;
use std::time::Duration;

/// `maxAge` where the API leaves it out, seconds.
const MAX_AGE_DEFAULT: u64 = 5;

/// Translates a CORS filter; the error names the value that cannot be used.
pub(super) fn cors(spec: &CorsSpec<'_>) -> Result<Cors, String> {
    Ok(Cors {
        origins: origins(spec.origins)?,
        methods: any_or_list("allowMethods", spec.methods)?,
        headers: any_or_list("allowHeaders", spec.headers)?,
        expose: any_or_list("exposeHeaders", spec.expose)?,
        credentials: spec.credentials,
        max_age: Duration::from_secs(spec.max_age.map_or(MAX_AGE_DEFAULT, |age| {
            u64::try_from(age).unwrap_or_default()
        })),
    })
}

fn origins(list: &[String]) -> Result<CorsOrigins, String> {
    if list.iter().any(|origin| origin == "*") {
        return Ok(CorsOrigins::Any);
    }
    list.iter()
        .map(|origin| read_origin(origin))
        .collect::<Result<_, _>>()
        .map(CorsOrigins::List)
}

/// `scheme://host[:port]`, the host exact, `*`, or `*.suffix` for any number of labels.
fn read_origin(origin: &str) -> Result<CorsOrigin, String> {
    let lower = origin.to_ascii_lowercase();
    let bad = || format!("allowOrigins: {origin:?} is not of the form scheme://host[:port]");
    let (scheme, rest) = lower.split_once("://").ok_or_else(bad)?;
    let Some(after) = rest.strip_prefix('*') else {
        return if rest.is_empty() || rest.contains(['*', '/']) {
            Err(bad())
        } else {
            Ok(CorsOrigin::Exact(lower))
        };
    };
    let (suffix, port) = match after.find(':') {
        Some(colon) => after.split_at(colon),
        None => (after, ""),
    };
    let is_suffix = suffix.is_empty() || suffix.starts_with('.');
    if !is_suffix || after.contains(['*', '/']) {
        return Err(bad());
    }
    Ok(CorsOrigin::Wildcard {
        scheme: format!("{scheme}://"),
        suffix: suffix.to_owned(),
        port: port.to_owned(),
    })
}

/// A list of names; `None` for `*`.
fn any_or_list<T: FromStr + Token>(field: &str, list: &[String]) -> Result<Option<Vec<T>>, String> {
    if list.iter().any(|entry| entry == "*") {
        return Ok(None);
    }
    list.iter()
        .map(|entry| {
            entry
                .parse()
                .map_err(|_| format!("{field}: {entry:?} is not {}", T::WHAT))
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// What an entry of a list is called in messages.
trait Token {
    const WHAT: &str;
}

impl Token for Method {
    const WHAT: &str = "a method";
}

impl Token for HeaderName {
    const WHAT: &str = "a header name";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_exact_or_wildcards() {
        let wildcard = |suffix: &str, port: &str| {
            Ok(CorsOrigin::Wildcard {
                scheme: "https://".to_owned(),
                suffix: suffix.to_owned(),
                port: port.to_owned(),
            })
        };
        let exact = CorsOrigin::Exact("https://shop.example.com:8443".to_owned());
        assert_eq!(read_origin("https://Shop.example.com:8443"), Ok(exact));
        assert_eq!(
            read_origin("https://*.example.com"),
            wildcard(".example.com", "")
        );
        assert_eq!(read_origin("https://*:8443"), wildcard("", ":8443"));
        for bad in [
            "example.com",
            "https://",
            "https://a.*",
            "https://*a",
            "https://a/b",
        ] {
            assert!(read_origin(bad).is_err(), "{bad}");
        }
    }
}
