//! One file: what was last believed of it, and whether to believe what it holds now.
//!
//! ```text
//! as before                    nothing to do
//! replaced as a whole          believed
//! changed in place             believed; missing objects go after REMOVE_CONFIRM
//! a beginning of what it was   believed after SHRINK_CONFIRM
//! the same, cut inside a line,
//! or nothing left at all       never believed: nobody would write that
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::clock::Moment;
use super::contents::Contents;
use super::listing::Stamp;
use crate::object::ObjectKey;

/// Objects missing in a file stay for so long, unless the file was replaced as a whole.
pub(super) const REMOVE_CONFIRM: Duration = Duration::from_millis(250);
/// A file that is a beginning of what it was must stay so for this long to be believed.
pub(super) const SHRINK_CONFIRM: Duration = Duration::from_secs(1);
/// When to look again at a file that may be changing.
pub(super) const UNSETTLED: Duration = Duration::from_millis(20);
/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is known of one file.
#[derive(Debug, Default)]
pub(super) struct FileState {
    /// Stamp of the file as last read.
    stamp: Option<Stamp>,
    /// A further write could not have left the same stamp.
    settled: bool,
    /// The file was replaced as a whole when it was last read.
    replaced: bool,
    /// Text that was last believed.
    pub(super) text: String,
    /// A text that is not believed yet, and when it will be; never, if there is no time.
    held: Option<(String, Option<Instant>)>,
    /// When the objects that the believed text does not name may go.
    let_go_at: Option<Instant>,
    /// Objects that are served from this file.
    pub(super) keys: BTreeSet<ObjectKey>,
    /// Objects that the file names, but that another file serves.
    pub(super) shadowed: BTreeSet<ObjectKey>,
    /// Since when the file has not been listed.
    pub(super) missing_since: Option<Instant>,
    unreadable_since: Option<Instant>,
    unreadable_told: bool,
}

/// What a look at the file found.
pub(super) struct Look {
    /// The text, if there is anything to decide about it.
    pub(super) text: Option<String>,
    /// When to look again.
    pub(super) again: Option<Instant>,
}

/// What a file says, and whether what it does not say is to go.
pub(super) struct Believed {
    pub(super) contents: Contents,
    pub(super) lets_go: bool,
}

/// The verdict on a text.
pub(super) struct Weighed {
    pub(super) believed: Option<Believed>,
    pub(super) again: Option<Instant>,
    /// The text will not be believed.
    pub(super) cut_short: bool,
}

impl FileState {
    /// Reads the file if that may tell something new.
    ///
    /// # Errors
    /// The file cannot be read, and this has not been told yet.
    pub(super) fn look(&mut self, file: &Path, now: Moment) -> io::Result<Look> {
        match self.text_if_due(file, now) {
            Ok(look) => {
                (self.unreadable_since, self.unreadable_told) = (None, false);
                Ok(look)
            }
            Err(error) => {
                // A link may dangle for the moment in which its target is exchanged.
                let since = *self.unreadable_since.get_or_insert(now.monotonic);
                let passing =
                    error.kind() == io::ErrorKind::NotFound && now.monotonic < since + UNSETTLED;
                if passing || self.unreadable_told {
                    return Ok(Look {
                        text: None,
                        again: passing.then(|| since + UNSETTLED),
                    });
                }
                self.unreadable_told = true;
                Err(error)
            }
        }
    }

    fn text_if_due(&mut self, file: &Path, now: Moment) -> io::Result<Look> {
        let stamp = Stamp::of(&fs::metadata(file)?);
        let due = [self.held.as_ref().and_then(|held| held.1), self.let_go_at];
        let due = due.into_iter().flatten().min();
        let is_due = due.is_some_and(|due| due <= now.monotonic);
        if self.stamp == Some(stamp) && self.settled && !is_due {
            return Ok(Look {
                text: None,
                again: due,
            });
        }
        if stamp.size() > FILE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "larger than {FILE_BYTES_MAX} bytes"
            )));
        }
        let mut text = String::new();
        let mut reader = fs::File::open(file)?;
        reader.read_to_string(&mut text)?;
        if Stamp::of(&reader.metadata()?) != stamp {
            return Ok(Look {
                text: None,
                again: Some(now.monotonic + UNSETTLED),
            });
        }
        let first = self.stamp.is_none();
        self.replaced = !self.stamp.is_some_and(|old| old.is_same_file(&stamp));
        self.stamp = Some(stamp);
        self.settled = !stamp.is_fresh(now.wall);
        let again = (!self.settled).then(|| now.monotonic + UNSETTLED);
        let again = [again, due.filter(|_| !is_due)].into_iter().flatten().min();
        let held = self.held.as_ref().map(|held| held.0.as_str());
        if !is_due && !first {
            if text == self.text {
                self.held = None;
                return Ok(Look { text: None, again });
            }
            if Some(text.as_str()) == held && !self.replaced {
                return Ok(Look { text: None, again });
            }
        }
        Ok(Look {
            text: Some(text),
            again,
        })
    }

    /// Decides whether to believe a text.
    pub(super) fn weigh(&mut self, text: String, contents: Contents, now: Instant) -> Weighed {
        let held = self.held.take();
        let confirmed = held
            .is_some_and(|(held, until)| held == text && until.is_some_and(|until| until <= now));
        if !confirmed && let Some(until) = self.doubt(&text, &contents, now) {
            self.held = Some((text, until));
            return Weighed {
                believed: None,
                again: until,
                cut_short: until.is_none(),
            };
        }
        let same = text == self.text;
        let due = same && self.let_go_at.is_some_and(|at| at <= now);
        let lets_go = confirmed || due || self.replaced || !self.misses_any(&contents);
        self.text = text;
        self.let_go_at = match self.let_go_at {
            _ if lets_go => None,
            Some(at) if same => Some(at),
            _ => Some(now + REMOVE_CONFIRM),
        };
        let again = self.let_go_at;
        Weighed {
            believed: Some(Believed { contents, lets_go }),
            again,
            cut_short: false,
        }
    }

    /// Whether the text looks like less than was meant: then when it may be believed after all.
    fn doubt(&self, text: &str, contents: &Contents, now: Instant) -> Option<Option<Instant>> {
        let loses = !self.keys.is_empty() && text.len() < self.text.len();
        let is_beginning = loses
            && self.text.starts_with(text)
            && self.text.trim_end().len() != text.trim_end().len();
        if !is_beginning {
            return None;
        }
        if self.replaced {
            return Some(Some(now + REMOVE_CONFIRM));
        }
        let cut_inside_line = self.text.ends_with('\n') && !text.ends_with('\n');
        let never = cut_inside_line || contents.documents == 0;
        Some((!never).then(|| now + SHRINK_CONFIRM))
    }

    fn misses_any(&self, contents: &Contents) -> bool {
        let named = contents.named();
        !contents.refused_unknown && self.keys.iter().any(|key| !named.contains(key))
    }
}
