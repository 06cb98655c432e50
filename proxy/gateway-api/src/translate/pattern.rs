//! Regular expressions of matches: what is wrong with one, in a line.

use rauta_routing::anchored_regex;
use regex::Regex;

/// Compiles an expression that has to match a whole value.
pub(super) fn whole(expression: &str) -> Result<Regex, String> {
    anchored_regex(expression).map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("the regular expression needs more than {limit} bytes: make it smaller")
        }
        other => {
            // The parser draws a picture of several lines; its last one says what is wrong.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!(
                "{expression:?} is not a regular expression: {}",
                last.trim_start_matches("error: ")
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_matches_whole_values_only() {
        let found = whole("a|b+").expect("compiles");
        for (text, expected) in [("a", true), ("bb", true), ("ab", false), ("xa", false)] {
            assert_eq!(found.is_match(text), expected, "{text}");
        }
    }

    #[test]
    fn an_expression_cannot_escape_its_anchors_or_its_bound() {
        assert!(whole("a)|(?:b").is_err());
        assert!(whole("(").is_err());
        let huge = whole("(?:a{1000}){1000}").expect_err("too big");
        assert!(huge.contains("make it smaller"), "{huge}");
    }
}
