//! Gateway API durations (GEP-2257): `1h30m`, `500ms`, `0s`.

use std::time::Duration;

/// Reads a duration; `None` where the text is none.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let number: u64 = (1..=5).contains(&digits).then(|| number.parse().ok())??;
        let (unit_length, unit_ms) = if unit.starts_with("ms") {
            (2, 1)
        } else {
            match unit.as_bytes().first()? {
                b'h' => (1, 3_600_000),
                b'm' => (1, 60_000),
                b's' => (1, 1_000),
                _ => return None,
            }
        };
        total += Duration::from_millis(number * unit_ms);
        rest = &unit[unit_length..];
        parts += 1;
    }
    (1..=4).contains(&parts).then_some(total)
}

/// Reads a time limit: zero means none.
pub(super) fn limit(text: &str) -> Result<Option<Duration>, String> {
    match parse(text) {
        Some(Duration::ZERO) => Ok(None),
        Some(limit) => Ok(Some(limit)),
        None => Err(format!(
            "{text:?} is not a duration: write one like 10s or 1m30s"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_api_writes_them() {
        let cases = [
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("1m30s", Some(90_000)),
            ("1h2m3s4ms", Some(3_723_004)),
            ("99999h", Some(359_996_400_000)),
            ("", None),
            ("10", None),
            ("1.5s", None),
            ("-1s", None),
            ("100000s", None),
            ("1s1s1s1s1s", None),
            ("1us", None),
        ];
        for (text, milliseconds) in cases {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(parse(text), expected, "{text:?}");
        }
        assert_eq!(limit("0s"), Ok(None), "zero switches a limit off");
    }
}
