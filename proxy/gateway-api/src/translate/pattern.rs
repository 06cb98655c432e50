//! Regular expressions: anchored at both ends, of bounded size.

use regex::{Regex, RegexBuilder};

/// How large a compiled expression may get, bytes. `regex` runs in time linear in the text, so
/// that size is all that needs a bound.
const SIZE_MAX: usize = 256 * 1024;

/// Compiles an expression that has to match a whole value.
pub(super) fn whole(expression: &str) -> Result<Regex, String> {
    // For itself first: parentheses that close what they did not open would escape the anchors.
    compile(expression)?;
    compile(&format!("^(?:{expression})$"))
}

fn compile(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression)
        .size_limit(SIZE_MAX)
        .build()
        .map_err(|error| match error {
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
