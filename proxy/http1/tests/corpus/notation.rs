//! The notation of the corpus files: one case a line, bytes with escapes.

/// The lines of a corpus file, cut at their bars.
pub(crate) fn cases(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(" | ").map(str::trim).collect())
}

/// Turns the notation into bytes. Panics on a mistake: the corpus is part of the test.
pub(crate) fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = rest[at + 1..]
            .chars()
            .next()
            .expect("a backslash has something after it");
        rest = &rest[at + 2..];
        match escape {
            'r' => bytes.push(b'\r'),
            'n' => bytes.push(b'\n'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' => bytes.push(b'\\'),
            'x' => {
                bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two hex digits"));
                rest = &rest[2..];
            }
            'G' => bytes.extend_from_slice(b"GET /p HTTP/1.1\r\nHost: a.test\r\n"),
            'P' => bytes.extend_from_slice(b"POST /p HTTP/1.1\r\nHost: a.test\r\n"),
            'O' => bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n"),
            '*' => {
                let (count, inner, after) = repeat(rest);
                bytes.extend(unescape(inner).repeat(count));
                rest = after;
            }
            other => panic!("unknown escape \\{other}"),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Splits `N(text)rest`, where parentheses in text come in pairs.
fn repeat(text: &str) -> (usize, &str, &str) {
    let open = text.find('(').expect("a repeat has parentheses");
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' if depth == 1 => {
                let count = text[..open].parse().expect("a repeat has a count");
                return (count, &text[open + 1..at], &text[at + 1..]);
            }
            ')' => depth -= 1,
            _ => {}
        }
    }
    panic!("a repeat is not closed: {text}")
}

/// Bytes as the corpus would write them, for messages and comparison.
pub(crate) fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
