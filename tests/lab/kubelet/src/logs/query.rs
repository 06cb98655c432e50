//! Which part of a log is asked for, and in which form.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// The options of `kubectl logs`, as the API server passes them on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Go on with what is written from now on.
    pub(crate) follow: bool,
    /// The run before the current one.
    pub(crate) previous: bool,
    /// Each line with its time.
    pub(crate) timestamps: bool,
    /// Nothing older.
    pub(crate) since: Option<Timestamp>,
    /// Only the last lines.
    pub(crate) tail_lines: Option<usize>,
    /// At most so much.
    pub(crate) limit_bytes: Option<u64>,
}

impl Query {
    /// Reads `a=1&b=2`. What is not understood is named.
    pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        let mut query = Query::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            let value = decode(value);
            query
                .set(name, &value, now)
                .ok_or_else(|| format!("{name}={value} is not understood"))?;
        }
        Ok(query)
    }

    fn set(&mut self, name: &str, value: &str, now: Timestamp) -> Option<()> {
        match name {
            "follow" => self.follow = value.parse().ok()?,
            "previous" => self.previous = value.parse().ok()?,
            "timestamps" => self.timestamps = value.parse().ok()?,
            "tailLines" => self.tail_lines = Some(value.parse().ok()?),
            "limitBytes" => self.limit_bytes = Some(value.parse().ok()?),
            "sinceTime" => self.since = Some(value.parse().ok()?),
            "sinceSeconds" => {
                let before = SignedDuration::from_secs(value.parse().ok()?);
                self.since = Some(now.checked_sub(before).ok()?);
            }
            // Options of later releases change nothing that is asked for here.
            _ => {}
        }
        Some(())
    }

    /// A line of the file as it is shown; `None` if it is too old.
    pub(crate) fn show(&self, entry: &[u8]) -> Option<Vec<u8>> {
        let mut parts = entry.splitn(4, |byte| *byte == b' ');
        let (at, _stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let text = parts.next().unwrap_or_default();
        let at = std::str::from_utf8(at).ok()?;
        if let Some(since) = self.since
            && at.parse::<Timestamp>().ok()? < since
        {
            return None;
        }
        let mut shown = Vec::with_capacity(entry.len());
        if self.timestamps {
            shown.extend_from_slice(at.as_bytes());
            shown.push(b' ');
        }
        shown.extend_from_slice(text);
        if tag == b"F" {
            shown.push(b'\n');
        }
        Some(shown)
    }
}

/// Undoes the encoding of a query's value.
fn decode(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let coded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, coded) {
            (b'%', Some(coded)) => {
                out.push(coded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &[u8] = b"2026-11-21T10:00:00.5Z stdout F a  line";

    fn query(text: &str) -> Query {
        let now = "2026-11-21T10:00:10Z".parse().expect("a time");
        Query::parse(text, now).expect("a query")
    }

    #[test]
    fn lines_are_shown_as_asked() {
        let check = |text: &str, expected: Option<&str>| {
            let shown = query(text).show(ENTRY);
            let shown = shown.map(|bytes| String::from_utf8(bytes).expect("text"));
            assert_eq!(shown.as_deref(), expected, "{text}");
        };
        check("", Some("a  line\n"));
        check("timestamps=true", Some("2026-11-21T10:00:00.5Z a  line\n"));
        check("sinceTime=2026-11-21T10%3A00%3A00Z", Some("a  line\n"));
        check("sinceTime=2026-11-21T10:00:01Z", None);
        check("sinceTime=2026-11-21T12:00:01%2B02:00", None);
        check("sinceSeconds=10", Some("a  line\n"));
        check("sinceSeconds=9", None);
    }

    #[test]
    fn a_part_of_a_line_has_no_end() {
        let shown = query("")
            .show(b"2026-11-21T10:00:00Z stderr P part")
            .expect("shown");
        assert_eq!(shown, b"part");
    }

    #[test]
    fn numbers_and_flags_are_read_and_nonsense_is_named() {
        let got = query("follow=true&previous=false&tailLines=3&limitBytes=10&later=1");
        assert!(got.follow && !got.previous);
        assert_eq!((got.tail_lines, got.limit_bytes), (Some(3), Some(10)));
        let error = Query::parse("tailLines=x", Timestamp::UNIX_EPOCH);
        assert_eq!(error, Err("tailLines=x is not understood".to_owned()));
    }
}
