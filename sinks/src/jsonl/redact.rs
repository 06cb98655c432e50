//! Takes the values of secret query parameters out of a path.

/// Parameters that carry signatures, credentials or tokens by their usual names.
pub(crate) const USUAL: &[&str] = &[
    "AWSAccessKeyId",
    "Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Goog-Signature",
    "access_token",
    "api_key",
    "apikey",
    "code",
    "id_token",
    "password",
    "secret",
    "sig",
    "token",
];

/// `path` with the values of parameters named in `names` (without regard to case) replaced.
pub(crate) fn query(path: &str, names: &[impl AsRef<str>]) -> String {
    let Some((before, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let mut redacted = String::with_capacity(path.len());
    redacted.push_str(before);
    for (index, parameter) in query.split('&').enumerate() {
        redacted.push(if index == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if names.iter().any(|n| n.as_ref().eq_ignore_ascii_case(name)) => {
                redacted.push_str(name);
                redacted.push_str("=REDACTED");
            }
            _ => redacted.push_str(parameter),
        }
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_values_of_named_parameters_go() {
        for (path, expected) in [
            ("/a", "/a"),
            ("/a?x=1&token=abc&y", "/a?x=1&token=REDACTED&y"),
            ("/a?TOKEN=abc", "/a?TOKEN=REDACTED"),
            ("/a?token", "/a?token"),
            ("/a?", "/a?"),
        ] {
            assert_eq!(query(path, USUAL), expected);
        }
    }
}
