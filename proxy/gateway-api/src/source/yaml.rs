//! Text to documents to values: multi-document YAML, and JSON.
//!
//! Documents are told apart by their markers before anything is parsed, so that a broken document
//! neither hides nor damages its neighbours. Parsing is bounded in depth, aliases and events.

use serde_json::Value;

/// One document of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Document<'a> {
    /// From 1; documents without content are not counted.
    pub(super) number: usize,
    /// Line of the file on which it starts, from 1.
    pub(super) line: u64,
    pub(super) text: &'a str,
}

/// Why a document could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Line of the file, from 1.
    pub(super) line: u64,
    pub(super) what: String,
}

/// Deepest nesting of a document. The deepest known object needs less than 20.
const DEPTH_MAX: usize = 48;
/// Most nodes of a document, aliases expanded.
const EVENTS_MAX: usize = 1_000_000;
/// Most nodes that aliases of a document may expand to.
const ALIAS_EVENTS_MAX: usize = 100_000;

/// Cuts a text at its document markers (YAML 1.2, 9.1) and leaves out documents without content.
/// A marker is one only at the start of a line, where no scalar may hold it.
pub(super) fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let mut start = (0, 1);
    let mut offset = 0;
    let mut keep = |from: (usize, u64), to: usize| {
        let text = &text[from.0..to];
        if has_content(text) {
            documents.push(Document {
                number: documents.len() + 1,
                line: from.1,
                text,
            });
        }
    };
    for (line, number) in text.split_inclusive('\n').zip(1_u64..) {
        let end = offset + line.len();
        if is_marker(line, "---") {
            keep(start, offset);
            start = (offset, number);
        } else if is_marker(line, "...") {
            keep(start, offset);
            start = (end, number + 1);
        }
        offset = end;
    }
    keep(start, text.len());
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether anything but blanks, comments, directives and a bare marker is there.
fn has_content(text: &str) -> bool {
    text.lines().any(|line| {
        let line = if is_marker(line, "---") {
            &line[3..]
        } else {
            line
        };
        let trimmed = line.trim_start();
        !trimmed.is_empty() && !trimmed.starts_with('#') && !line.starts_with('%')
    })
}

/// How documents are parsed: within bounds, and as the YAML reader of Kubernetes does (0644 is
/// octal).
pub(super) fn options() -> serde_saphyr::Options {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    options.legacy_octal_numbers = true;
    options.alias_limits.max_total_replayed_events = ALIAS_EVENTS_MAX;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = DEPTH_MAX;
        budget.flow_nesting_limit = DEPTH_MAX;
        budget.max_events = EVENTS_MAX;
    }
    options
}

/// Parses one document.
pub(super) fn parse(document: &Document<'_>) -> Result<Value, SyntaxError> {
    serde_saphyr::from_str_with_options(document.text, options()).map_err(|error| {
        let line = error
            .location()
            .map_or(1, |location| location.line().max(1));
        // A message may quote what it read, and what it read may be a Secret.
        let what = if document.text.contains("Secret") {
            "is not valid YAML".to_owned()
        } else {
            format!(
                "is not valid YAML: {}",
                bounded(&error.without_snippet().to_string())
            )
        };
        SyntaxError {
            line: document.line + line - 1,
            what,
        }
    })
}

/// Parses the values of a JSON file, which may follow each other with nothing but blanks between.
pub(super) fn parse_json(text: &str) -> (Vec<(u64, Value)>, Option<SyntaxError>) {
    let mut values = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    loop {
        let rest = &text[stream.byte_offset()..];
        let start = stream.byte_offset() + rest.len() - rest.trim_start().len();
        let line = text[..start].matches('\n').count() as u64 + 1;
        match stream.next() {
            None => return (values, None),
            Some(Ok(value)) => values.push((line, value)),
            Some(Err(error)) => {
                let line = error.line() as u64;
                let what = format!("is not valid JSON: {}", bounded(&error.to_string()));
                return (values, Some(SyntaxError { line, what }));
            }
        }
    }
}

/// Parsers' messages in one bounded line.
fn bounded(message: &str) -> String {
    const CHARS_MAX: usize = 200;
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse_all(text: &str) -> Vec<Result<Value, SyntaxError>> {
        split(text).iter().map(parse).collect()
    }

    #[test]
    fn documents_are_cut_at_markers_and_numbered_with_their_lines() {
        let text = "# head\n---\na: 1\n--- # note\n\n---\nb: 2\n...\nc: |\n  ---\n  x\n";
        let found: Vec<_> = split(text).iter().map(|d| (d.number, d.line)).collect();
        assert_eq!(found, [(1, 2), (2, 6), (3, 9)]);
        let values: Vec<_> = parse_all(text).into_iter().map(Result::unwrap).collect();
        assert_eq!(
            values,
            [json!({"a": 1}), json!({"b": 2}), json!({"c": "---\nx\n"})]
        );
    }

    #[test]
    fn windows_line_ends_directives_and_a_byte_order_mark_are_read() {
        let text = "\u{feff}%YAML 1.2\r\n---\r\na: b\r\n---\r\nc: d\r\n";
        let values: Vec<_> = parse_all(text).into_iter().map(Result::unwrap).collect();
        assert_eq!(values, [json!({"a": "b"}), json!({"c": "d"})]);
    }

    #[test]
    fn a_broken_document_leaves_its_neighbours_alone_and_names_its_line() {
        let found = parse_all("a: 1\n---\nb: [1,\nc: 2\n---\nd: 3\n");
        assert_eq!(found.len(), 3);
        assert!(found[0].is_ok() && found[2].is_ok());
        let error = found[1].as_ref().unwrap_err();
        assert!((3..=5).contains(&error.line), "{error:?}");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let alias = format!("*a{},", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
        }
        assert!(parse_all(&text)[0].is_err());
    }

    #[test]
    fn nesting_is_bounded() {
        let text = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse_all(&text)[0].is_err());
    }

    #[test]
    fn values_of_secrets_are_not_quoted_in_syntax_errors() {
        let found = parse_all("kind: Secret\ndata: {a: topsecret, a: topsecret}\n: :\n");
        assert_eq!(found[0].as_ref().unwrap_err().what, "is not valid YAML");
    }

    #[test]
    fn scalars_are_typed_as_kubernetes_types_them() {
        let text = "a: 0644\nb: \"1\"\nc: 1.5\nd: ~\ne: 2024-01-01\nf: 1h\ng: 10.0.0.1\n";
        let expected = json!({
            "a": 420, "b": "1", "c": 1.5, "d": null, "e": "2024-01-01", "f": "1h", "g": "10.0.0.1"
        });
        assert_eq!(parse_all(text)[0].as_ref().unwrap(), &expected);
    }

    #[test]
    fn json_values_may_follow_each_other() {
        let (values, error) = parse_json("{\"a\": 1}\n\n{\"b\":\t2}\n");
        assert_eq!(values, [(1, json!({"a": 1})), (3, json!({"b": 2}))]);
        assert_eq!(error, None);
        let (values, error) = parse_json("{\"a\": 1}\n{\"b\": ");
        assert_eq!((values.len(), error.map(|e| e.line)), (1, Some(2)));
    }
}
