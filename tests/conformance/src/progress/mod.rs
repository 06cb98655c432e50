//! What the suite says while it runs: lines of Go's `test2json`, each an event of one test.
//!
//! The suite is one Go test; its tests are that one's subtests, and theirs are steps of which only
//! the output matters here.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The entry of `suite/suite_test.go`.
pub const ENTRY: &str = "TestConformance";

/// How a test names the features it needs before it starts.
const FEATURES: &str = "relying on the following features: ";
/// How a test says that the implementation does not claim what it needs.
const NOT_CLAIMED: &str = "suite does not support ";

/// What came of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every step passed.
    Passed,
    /// A step failed, or its objects were not gone in time.
    Failed,
    /// It was told not to run, or needs a feature that is not claimed.
    Skipped,
}

/// One test of the suite.
#[derive(Debug, Default, Clone)]
pub struct Test {
    /// None while it runs.
    pub outcome: Option<Outcome>,
    /// Its own running time in seconds, without waiting for its turn.
    pub seconds: f64,
    /// The features it needs; empty if it did not say so (a test that is run alone does not).
    pub features: Vec<String>,
    /// The feature it was skipped for.
    pub not_claimed: Option<String>,
    /// When it last began to run, as the suite's machine writes time (RFC 3339).
    pub began: String,
    /// Everything it printed, its steps included.
    pub output: String,
}

/// Everything heard so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// By name.
    pub tests: BTreeMap<String, Test>,
    /// What the suite printed outside any test: its setup, and why that failed.
    pub setup: String,
    /// Whether the whole passed; none while it runs.
    pub passed: Option<bool>,
    /// The whole's running time in seconds.
    pub seconds: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line {
    #[serde(default)]
    time: String,
    action: String,
    #[serde(default)]
    test: String,
    #[serde(default)]
    elapsed: f64,
    #[serde(default)]
    output: String,
}

impl Progress {
    /// Takes one line in, and tells which test ended with it. A line that is no event is output of
    /// nobody's.
    pub fn take(&mut self, line: &str) -> Option<(String, Outcome)> {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            self.setup.push_str(line);
            self.setup.push('\n');
            return None;
        };
        let Some(path) = line
            .test
            .strip_prefix(ENTRY)
            .and_then(|path| path.strip_prefix('/'))
        else {
            self.whole(&line);
            return None;
        };
        let (name, is_step) = match path.split_once('/') {
            Some((name, _)) => (name, true),
            None => (path, false),
        };
        let test = self.tests.entry(name.to_owned()).or_default();
        if line.action == "output" {
            test.hear(&line.output);
        }
        if is_step {
            return None;
        }
        let outcome = match line.action.as_str() {
            "run" | "cont" => {
                test.began = line.time;
                return None;
            }
            "pass" => Outcome::Passed,
            "fail" => Outcome::Failed,
            "skip" => Outcome::Skipped,
            _ => return None,
        };
        test.outcome = Some(outcome);
        test.seconds = line.elapsed;
        Some((name.to_owned(), outcome))
    }

    fn whole(&mut self, line: &Line) {
        match line.action.as_str() {
            "output" => self.setup.push_str(&line.output),
            "pass" | "fail" | "skip" => {
                self.passed = Some(line.action == "pass" && self.passed != Some(false));
                self.seconds = line.elapsed;
            }
            _ => {}
        }
    }

    /// Why no test ran, in one line: the first error that the suite's setup printed.
    pub fn setup_error(&self) -> Option<String> {
        let ran = |test: &Test| matches!(test.outcome, Some(Outcome::Passed | Outcome::Failed));
        if self.passed == Some(true) || self.tests.values().any(ran) {
            return None;
        }
        let mut lines = self.setup.lines().map(str::trim);
        let error = lines.find_map(|line| line.strip_prefix("Error:"));
        let error = error.map(|error| match error.trim() {
            // What it was is on the next line.
            "Received unexpected error:" => lines.next().unwrap_or_default(),
            error => error,
        });
        // What was being waited for says more than that it did not come.
        let message = lines.find_map(|line| line.strip_prefix("Messages:"));
        let last = self.setup.lines().map(str::trim).rfind(|line| {
            !line.is_empty() && !line.starts_with("---") && *line != "FAIL" && *line != "PASS"
        });
        let line = message.or(error).or(last)?.trim();
        Some(line.to_owned())
    }
}

/// What a line prints: an event's output, or the line itself if it is no event.
#[must_use]
pub fn printed(line: &str) -> String {
    match serde_json::from_str::<Line>(line) {
        Ok(line) => line.output,
        Err(_) => format!("{line}\n"),
    }
}

impl Test {
    fn hear(&mut self, output: &str) {
        self.output.push_str(output);
        if let Some((_, features)) = output.split_once(FEATURES) {
            // Each stands with its channel: `Gateway-standard`.
            self.features = features
                .trim()
                .split(", ")
                .filter_map(|feature| Some(feature.rsplit_once('-')?.0.to_owned()))
                .collect();
        }
        if let Some((_, feature)) = output.split_once(NOT_CLAIMED) {
            self.not_claimed = Some(feature.trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
