//! The file source: manifests in files and directories, read again whenever they change.
//!
//! ```text
//! list ─► changed? ─► complete? ─► read ─► take over, hold back, let go ─► changes
//! ```
//!
//! A file is believed only when it looks complete: what a crashed or slow writer leaves behind
//! must not take routes away. New and changed objects are applied at once; objects that a file no
//! longer names go after a short confirmation, unless the file was replaced as a whole. A file
//! that holds a broken document, or that looks cut short, keeps its last good objects.
//!
//! Reading is synchronous and takes the time as an argument; watching is a layer above.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clock::Moment;
use super::contents::{self, Entry, Place};
use super::file_state::{Believed, FileState, Look, UNSETTLED};
use super::listing::{self, Listing};
use super::store::{Owner, Store};
use super::{Mistake, Reading, Severity};
use crate::object::ObjectKey;

/// A file must be absent for so long before it counts as removed.
const VANISH_CONFIRM: Duration = Duration::from_millis(50);

/// Manifests in files and directories.
#[derive(Debug)]
pub struct FileSource {
    paths: Vec<PathBuf>,
    files: BTreeMap<PathBuf, FileState>,
    store: Store,
    /// Paths whose failure was told, so that it is told once.
    failed: BTreeSet<PathBuf>,
}

impl FileSource {
    /// A source over files and directories. Nothing is read yet.
    #[must_use]
    pub fn open(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            files: BTreeMap::new(),
            store: Store::default(),
            failed: BTreeSet::new(),
        }
    }

    /// The files and directories that are read.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The files that are known.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Looks at every file again and reads those that have changed.
    pub fn read_all(&mut self) -> Reading {
        self.read_at(Moment::now(), &|_| false)
    }

    /// As [`Self::read_all`], at a given time; files for which `is_being_written` holds are left
    /// as they were.
    pub(super) fn read_at(
        &mut self,
        now: Moment,
        is_being_written: &dyn Fn(&Path) -> bool,
    ) -> Reading {
        let mut round = Round {
            now,
            mistakes: Vec::new(),
            again: None,
            orphans: BTreeSet::new(),
        };
        self.store.begin(now.wall);
        let listing = listing::list(&self.paths);
        self.tell_failures(&listing, &mut round);
        self.note_missing(&listing, &mut round);
        let mut read = Vec::new();
        for file in &listing.files {
            if is_being_written(file) {
                round.look_again_at(Some(now.monotonic + UNSETTLED));
            } else if let Some(contents) = self.read_file(file, &mut round) {
                read.push((file.clone(), contents));
            }
        }
        self.take(read, &mut round);
        self.settle_orphans(&mut round);
        Reading {
            changes: self.store.finish(),
            mistakes: round.mistakes,
            again_in: round.again.map(|at| now.until(at)),
            noticed: None,
        }
    }

    fn tell_failures(&mut self, listing: &Listing, round: &mut Round) {
        let failed = listing.failed.iter();
        let failed: BTreeSet<PathBuf> = failed
            .filter(|(path, error)| {
                // A file that was read and is gone was removed, which is no failure.
                error.kind() != io::ErrorKind::NotFound || !self.files.contains_key(path)
            })
            .map(|(path, error)| {
                if !self.failed.contains(path) {
                    let what = format!("cannot be read: {error}");
                    let fix = "make it readable; until then what was read from it serves";
                    round.mistakes.push(file_mistake(path, what, fix));
                }
                path.clone()
            })
            .collect();
        self.failed = failed;
    }

    /// Lets go of the files that have been gone for long enough.
    fn note_missing(&mut self, listing: &Listing, round: &mut Round) {
        let mut gone = Vec::new();
        for (path, state) in &mut self.files {
            let removed_itself = listing
                .failed
                .iter()
                .any(|(failed, e)| failed == path && e.kind() == io::ErrorKind::NotFound);
            if !listing.misses(path) && !removed_itself {
                state.missing_since = None;
                continue;
            }
            let since = *state.missing_since.get_or_insert(round.now.monotonic);
            if round.now.monotonic >= since + VANISH_CONFIRM {
                gone.push(path.clone());
            } else {
                round.look_again_at(Some(since + VANISH_CONFIRM));
            }
        }
        for path in gone {
            if let Some(state) = self.files.remove(&path) {
                round.orphans.extend(state.keys);
            }
        }
    }

    /// Reads a file if it has changed, as far as it is to be believed.
    fn read_file(&mut self, file: &Path, round: &mut Round) -> Option<Believed> {
        let state = self.files.entry(file.to_owned()).or_default();
        match state.look(file, round.now) {
            Ok(Look {
                text: Some(text),
                again,
            }) => {
                round.look_again_at(again);
                let served = self.store.served(&state.keys);
                let contents = contents::read(file, &text, &served);
                let weighed = state.weigh(text, contents, round.now.monotonic);
                round.look_again_at(weighed.again);
                if weighed.cut_short {
                    round.mistakes.push(cut_short(file));
                }
                weighed.believed
            }
            Ok(Look { text: None, again }) => {
                round.look_again_at(again);
                None
            }
            Err(error) => {
                let what = format!("cannot be read: {error}");
                let fix = "make it readable; until then its last good objects serve";
                round.mistakes.push(file_mistake(file, what, fix));
                None
            }
        }
    }

    /// Applies what files say: first lets go of what they no longer name, so that an object may
    /// move from one file to another.
    fn take(&mut self, read: Vec<(PathBuf, Believed)>, round: &mut Round) {
        for (file, believed) in &read {
            let Some(state) = self.files.get_mut(file) else {
                continue;
            };
            if believed.lets_go && !believed.contents.refused_unknown {
                let named = believed.contents.named();
                round.orphans.extend(
                    state
                        .keys
                        .iter()
                        .filter(|key| !named.contains(key))
                        .cloned(),
                );
                state.keys.retain(|key| named.contains(key));
            }
            state.shadowed.clear();
        }
        for (file, believed) in read {
            round.mistakes.extend(believed.contents.mistakes);
            let reader = Owner::from(file.as_path());
            let mut named = BTreeSet::new();
            for entry in believed.contents.entries {
                if named.insert(entry.key.clone()) {
                    self.take_entry(&reader, entry, round);
                } else {
                    let what = "the file names the object twice; the first one serves".to_owned();
                    round
                        .mistakes
                        .push(entry_mistake(&file, &entry.key, entry.place, what));
                }
            }
        }
    }

    fn take_entry(&mut self, reader: &Owner, entry: Entry, round: &mut Round) {
        let file = reader.path();
        let Entry {
            key,
            object,
            text,
            place,
        } = entry;
        let owner = self.store.owner(&key).map(Path::to_owned);
        let owner_is_here = |owner: &PathBuf| {
            self.files
                .get(owner)
                .is_some_and(|state| state.missing_since.is_none())
        };
        if !round.orphans.contains(&key)
            && let Some(owner) = owner.as_ref().filter(|owner| owner.as_path() != file)
            && owner_is_here(owner)
        {
            let what = format!("{} holds the object too, and serves it", owner.display());
            round.mistakes.push(entry_mistake(file, &key, place, what));
            if let Some(state) = self.files.get_mut(file) {
                state.shadowed.insert(key);
            }
            return;
        }
        if let Some(object) = object
            && let Err(errors) = self.store.put(key.clone(), object, reader, text)
        {
            for error in errors {
                let mut mistake = entry_mistake(file, &key, place, error.what);
                mistake.severity = Severity::Error;
                mistake.field = Some(error.field);
                mistake.fix = error.fix;
                round.mistakes.push(mistake);
            }
        }
        round.orphans.remove(&key);
        if let Some(owner) = owner.filter(|owner| owner.as_path() != file)
            && let Some(state) = self.files.get_mut(&owner)
        {
            state.keys.remove(&key);
            state.shadowed.insert(key.clone());
        }
        if let Some(state) = self.files.get_mut(file) {
            state.keys.insert(key);
        }
    }

    /// Objects that no file serves any more: another file that names one takes over, else it
    /// goes.
    fn settle_orphans(&mut self, round: &mut Round) {
        let orphans = std::mem::take(&mut round.orphans);
        let mut heirs = BTreeSet::new();
        for key in &orphans {
            let heir = self
                .files
                .iter()
                .find(|(_, state)| state.shadowed.contains(key));
            heirs.extend(heir.map(|(path, _)| path.clone()));
        }
        round.orphans = orphans;
        let heirs = heirs.into_iter().filter_map(|file| {
            let state = self.files.get_mut(&file)?;
            let served = self.store.served(&state.keys);
            let contents = contents::read(&file, &state.text, &served);
            Some((
                file,
                Believed {
                    contents,
                    lets_go: false,
                },
            ))
        });
        let heirs: Vec<_> = heirs.collect();
        let told = round.mistakes.len();
        self.take(heirs, round);
        // The file was not read anew, its mistakes are known.
        round.mistakes.truncate(told);
        for key in std::mem::take(&mut round.orphans) {
            self.store.remove(&key);
        }
    }
}

/// One reading under way.
struct Round {
    now: Moment,
    mistakes: Vec<Mistake>,
    again: Option<Instant>,
    /// Objects that their file let go of in this round.
    orphans: BTreeSet<ObjectKey>,
}

impl Round {
    fn look_again_at(&mut self, at: Option<Instant>) {
        self.again = [self.again, at].into_iter().flatten().min();
    }
}

fn file_mistake(file: &Path, what: String, fix: &str) -> Mistake {
    Mistake {
        severity: Severity::Error,
        file: file.to_owned(),
        document: None,
        line: None,
        object: None,
        field: None,
        what,
        fix: fix.to_owned(),
    }
}

fn cut_short(file: &Path) -> Mistake {
    let what = "looks cut short: it is only a beginning of what it was".to_owned();
    let fix = "write it whole, or remove the file; until then its last good objects serve";
    file_mistake(file, what, fix)
}

/// An object that has no effect, because another one of its name serves.
fn entry_mistake(file: &Path, key: &ObjectKey, place: Place, what: String) -> Mistake {
    Mistake {
        severity: Severity::Warning,
        document: Some(place.document),
        line: Some(place.line),
        object: Some(key.to_string()),
        ..file_mistake(file, what, "keep one of the two")
    }
}
