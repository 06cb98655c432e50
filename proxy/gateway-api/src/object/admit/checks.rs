//! Checks of single values, and the bounds of lists.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::form::Text;
use super::report::{Path, Report};

/// The numbers a port may have.
pub(super) const PORT: RangeInclusive<i64> = 1..=65_535;

/// How many items a list may hold, and whether an item may come twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Items {
    pub(super) min: usize,
    pub(super) max: usize,
    /// A set refuses equal items.
    pub(super) set: bool,
}

impl Items {
    pub(super) const fn up_to(max: usize) -> Self {
        Self {
            min: 0,
            max,
            set: false,
        }
    }

    pub(super) const fn some_up_to(max: usize) -> Self {
        Self {
            min: 1,
            max,
            set: false,
        }
    }

    pub(super) const fn set_up_to(max: usize) -> Self {
        Self {
            min: 0,
            max,
            set: true,
        }
    }
}

/// A text of the given rule.
pub(super) fn check_text(value: &Value, at: &Path<'_>, report: &mut Report, rule: &Text) {
    let Value::String(text) = value else {
        report.wrong_type(at, value, "a text");
        return;
    };
    let chars = text.chars().count();
    if chars < rule.min {
        report.refuse(at, Some(value), "must not be empty", "set it");
    } else if chars > rule.max {
        let what = format!(
            "is {chars} characters long, at most {} are allowed",
            rule.max
        );
        report.refuse(at, Some(value), what, "shorten it");
    } else if !rule.form.admits(text) {
        let fix = format!("use {}", rule.form.describe());
        report.refuse(at, Some(value), "has not the right form", fix);
    }
}

/// One of a closed set of texts.
pub(super) fn check_choice(value: &Value, at: &Path<'_>, report: &mut Report, choices: &[&str]) {
    let Value::String(text) = value else {
        report.wrong_type(at, value, "a text");
        return;
    };
    if !choices.contains(&text.as_str()) {
        let fix = format!("use one of {}", choices.join(", "));
        report.refuse(at, Some(value), "is not a known value", fix);
    }
}

/// An integer within bounds.
pub(super) fn check_integer(
    value: &Value,
    at: &Path<'_>,
    report: &mut Report,
    bounds: &RangeInclusive<i64>,
) {
    match value.as_i64() {
        Some(number) if bounds.contains(&number) => {}
        Some(_) => {
            let fix = if *bounds.end() == i64::MAX {
                format!("use a number from {}", bounds.start())
            } else {
                format!("use a number from {} to {}", bounds.start(), bounds.end())
            };
            report.refuse(at, Some(value), "is out of range", fix);
        }
        None => report.wrong_type(at, value, "an integer"),
    }
}
