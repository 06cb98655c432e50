//! Where objects come from. Every source delivers the same [`Change`]s, and mistakes beside them.
//!
//! Files are read here; nothing in this module knows what the objects mean to each other.

mod clock;
mod contents;
mod file_state;
mod files;
mod listing;
mod locate;
mod store;
mod watch;
mod yaml;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use files::FileSource;
pub use watch::WatchHandle;

use crate::object::Change;

/// What one look at a source found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reading {
    /// What has changed since the last reading, deletions last.
    pub changes: Vec<Change>,
    /// What is wrong with the files that were read anew.
    pub mistakes: Vec<Mistake>,
    /// When to look again even if nothing happens: something waits for its confirmation.
    pub again_in: Option<Duration>,
    /// When a watched change was first seen to be complete: its file closed, renamed or removed.
    pub noticed: Option<Instant>,
}

/// How much a mistake matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing, for example a kind that is of no concern here.
    Info,
    /// Part of the input has no effect.
    Warning,
    /// Input was refused; the last good object serves on, if there is one.
    Error,
}

/// Something wrong with the input, told so that it can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// How much it matters.
    pub severity: Severity,
    /// The file or directory.
    pub file: PathBuf,
    /// Number of the document in the file, from 1, documents without content not counted.
    pub document: Option<usize>,
    /// Line in the file, from 1: of the mistake where that is known, else of its document.
    pub line: Option<u64>,
    /// Kind and name of the object, as far as they could be read.
    pub object: Option<String>,
    /// The field's path.
    pub field: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(document) = self.document {
            write!(f, ": document {document}")?;
        }
        if let Some(object) = &self.object {
            write!(f, ": {object}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}; {}", self.what, self.fix)
    }
}

#[cfg(test)]
mod tests;
