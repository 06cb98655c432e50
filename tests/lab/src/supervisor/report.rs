//! What `up` is told while a lab comes up: a line of JSON each, on stdout.

use serde::{Deserialize, Serialize};
use std::cell::Cell;
use std::io::Write;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// Something is done.
    Told(String),
    /// All is.
    Ready,
    /// It will never be.
    Failed(String),
}

/// Writes until the lab is ready or has failed; after that nobody listens.
#[derive(Debug, Default)]
pub(crate) struct Report {
    is_over: Cell<bool>,
}

impl Report {
    pub(crate) fn told(&self, what: &str) {
        self.write(&Line::Told(what.to_owned()));
    }

    pub(crate) fn ready(&self) {
        self.write(&Line::Ready);
        self.is_over.set(true);
    }

    pub(crate) fn failed(&self, error: &anyhow::Error) {
        self.write(&Line::Failed(format!("{error:#}")));
        self.is_over.set(true);
    }

    fn write(&self, line: &Line) {
        let Ok(text) = serde_json::to_string(line) else {
            return;
        };
        if !self.is_over.get() && writeln!(std::io::stdout(), "{text}").is_err() {
            // Whoever asked is gone: SIGTERM to oneself ends the lab in the one way there is.
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).ok();
        }
    }
}
