//! What admission found wrong: field paths, errors, warnings.
//!
//! Values quoted in errors are bounded, and never those of a confidential object.

use std::fmt;

use serde_json::Value;

/// Longest excerpt of a value in an error, in characters.
const EXCERPT_CHARS_MAX: usize = 64;

/// Most errors kept per object; more would not help whoever has to mend it.
const ERRORS_MAX: usize = 32;

/// Where a field is, as a chain back to the root of the object. Lives on the stack of the walk,
/// so that a path is only spelled out when something is wrong with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Item(usize),
    Key(&'p str),
}

impl<'p> Path<'p> {
    pub(super) const ROOT: Path<'static> = Path {
        parent: None,
        step: Step::Root,
    };

    pub(super) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Step::Field(name),
        }
    }

    pub(super) fn item(&'p self, index: usize) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Step::Item(index),
        }
    }

    pub(super) fn key(&'p self, key: &'p str) -> Path<'p> {
        Path {
            parent: Some(self),
            step: Step::Key(key),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_root = match self.parent {
            None => true,
            Some(parent) => {
                parent.fmt(f)?;
                matches!(parent.step, Step::Root)
            }
        };
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if at_root => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Item(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{}]", excerpt(key)),
        }
    }
}

/// One thing wrong with one field, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {what}{}; {fix}", shown(.value.as_deref()))]
pub struct AdmitError {
    /// The field's path, for example `spec.rules[0].matches[1].path.value`.
    pub field: String,
    /// The offending value, cut short; absent where it is missing or confidential.
    pub value: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

fn shown(value: Option<&str>) -> String {
    value
        .map(|value| format!(" (is {value})"))
        .unwrap_or_default()
}

/// Collects what a walk over one object finds.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) errors: Vec<AdmitError>,
    /// Paths of fields that no schema knows; an API server prunes them.
    pub(super) unknown: Vec<String>,
    /// Never quote a value.
    pub(super) confidential: bool,
}

impl Report {
    /// Records an error of the field at `at`.
    pub(super) fn refuse(
        &mut self,
        at: &Path<'_>,
        value: Option<&Value>,
        what: impl Into<String>,
        fix: impl Into<String>,
    ) {
        if self.errors.len() >= ERRORS_MAX {
            return;
        }
        let value = if self.confidential {
            None
        } else {
            value.and_then(spelled)
        };
        self.errors.push(AdmitError {
            field: at.to_string(),
            value,
            what: what.into(),
            fix: fix.into(),
        });
    }

    /// Records that a required field is absent.
    pub(super) fn missing(&mut self, at: &Path<'_>) {
        self.refuse(at, None, "required, but missing", "set it");
    }

    /// Records a value of the wrong JSON type.
    pub(super) fn wrong_type(&mut self, at: &Path<'_>, value: &Value, wanted: &str) {
        let what = format!("must be {wanted}, is {}", type_of(value));
        let fix = match value {
            Value::Bool(_) | Value::Number(_) if wanted == "a text" => "put it in quotes",
            _ => "check the indentation and the value",
        };
        self.refuse(at, Some(value), what, fix);
    }

    /// Records a field that is not part of the kind.
    pub(super) fn prune(&mut self, at: &Path<'_>, name: &str) {
        if self.unknown.len() < ERRORS_MAX {
            self.unknown.push(at.field(name).to_string());
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The value as an error shows it; lists and objects are not shown.
fn spelled(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(format!("\"{}\"", excerpt(text))),
        Value::Bool(_) | Value::Number(_) => Some(excerpt(&value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// At most [`EXCERPT_CHARS_MAX`] characters, control characters escaped.
pub(super) fn excerpt(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(EXCERPT_CHARS_MAX)
        .flat_map(escaped_if_control)
        .collect();
    if text.chars().nth(EXCERPT_CHARS_MAX).is_some() {
        out.push('…');
    }
    out
}

fn escaped_if_control(c: char) -> impl Iterator<Item = char> {
    let (plain, escaped) = if c.is_control() {
        (None, Some(c.escape_default()))
    } else {
        (Some(c), None)
    };
    plain.into_iter().chain(escaped.into_iter().flatten())
}
