//! Watching the files of a source, so that a change is read as soon as its writer is done.
//!
//! ```text
//! inotify ─► relevant? ─► settle (1 to 20 ms) ─► read ─► deliver ─► watch what was found
//! ```
//!
//! A file that is open for writing is not read until it is closed. A file that was closed or
//! renamed is complete, so it waits only for others that change with it. Whatever events may miss
//! (network file systems, links through far directories) is found by a slow look at all stamps.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::clock::Moment;
use super::{FileSource, Mistake, Reading, Severity};

/// After an event, wait for this long without another …
const QUIET: Duration = Duration::from_millis(4);
/// … for so long if nothing is being written …
const QUIET_COMPLETE: Duration = Duration::from_millis(1);
/// … but not longer than this.
const SETTLE_MAX: Duration = Duration::from_millis(20);
/// Look at all stamps this often even if nothing happens.
const POLL: Duration = Duration::from_secs(2);
/// The same, where events are not to be had.
const POLL_WITHOUT_EVENTS: Duration = Duration::from_millis(50);
/// A file that is open for writing but quiet for so long is read as it is.
const WRITER_PATIENCE: Duration = Duration::from_secs(2);
/// Events that may wait. If they overflow, every file is looked at, as after any event.
const EVENTS_MAX: usize = 1024;

/// A running watch; it ends when this is dropped.
#[derive(Debug)]
pub struct WatchHandle {
    stop: Arc<AtomicBool>,
    wake: SyncSender<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for WatchHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // If the queue is full the thread is awake anyway.
        drop(self.wake.try_send(Event::new(EventKind::Other)));
        let Some(thread) = self.thread.take() else {
            return;
        };
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!("the thread that watches manifests has panicked");
        }
    }
}

impl FileSource {
    /// Reads the source and goes on reading it whenever it changes, on a thread of its own.
    /// `deliver` gets every reading in which something changed or is wrong.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn watch(
        self,
        deliver: impl FnMut(Reading) + Send + 'static,
    ) -> std::io::Result<WatchHandle> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wake, events) = sync_channel(EVENTS_MAX);
        let overflow = Arc::new(AtomicBool::new(false));
        let watcher = watcher(wake.clone(), Arc::clone(&overflow));
        let watch = Watch {
            source: self,
            deliver,
            events,
            overflow,
            stop: Arc::clone(&stop),
            watcher,
            watched: BTreeMap::new(),
            names: HashMap::new(),
            given: HashSet::new(),
            writing: HashMap::new(),
            noticed: None,
        };
        let thread = thread::Builder::new()
            .name("rauta-manifests".to_owned())
            .spawn(|| watch.run())?;
        Ok(WatchHandle {
            stop,
            wake,
            thread: Some(thread),
        })
    }
}

fn watcher(
    wake: SyncSender<Event>,
    overflow: Arc<AtomicBool>,
) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        let event = event.unwrap_or_else(|_| Event::new(EventKind::Any));
        // Our own reading opens files, which must not wake us again.
        let telling = match event.kind {
            EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
            _ => true,
        };
        if telling && wake.try_send(event).is_err() {
            overflow.store(true, Ordering::Release);
        }
    })
}

struct Watch<F> {
    source: FileSource,
    deliver: F,
    events: Receiver<Event>,
    /// Events were lost.
    overflow: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    watcher: notify::Result<RecommendedWatcher>,
    /// Watched directories and which directory each was.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// By what paths events name a file: its entry in its directory, and what it links to.
    names: HashMap<PathBuf, [PathBuf; 2]>,
    /// By what paths events name the files and directories that were given.
    given: HashSet<PathBuf>,
    /// Files that are open for writing, and when they were last written.
    writing: HashMap<PathBuf, Instant>,
    /// When the first change that is not delivered yet was seen to be complete.
    noticed: Option<Instant>,
}

/// What an event says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is of no concern.
    Nothing,
    /// It changes, and more may follow.
    Begun,
    /// It is as its writer meant it.
    Complete,
}

impl<F: FnMut(Reading)> Watch<F> {
    fn run(mut self) {
        let mut first = self.cannot_watch();
        self.update_watches();
        loop {
            let now = Moment::now();
            self.writing
                .retain(|_, written| now.monotonic < *written + WRITER_PATIENCE);
            let mut reading = self.read(now);
            reading.mistakes.splice(0..0, first.take());
            let again_in = reading.again_in;
            // A change without an event is noticed by the look that finds it.
            reading.noticed = self.noticed.or(Some(now.monotonic));
            if !reading.changes.is_empty() || again_in.is_none() {
                self.noticed = None;
            }
            if !reading.changes.is_empty() || !reading.mistakes.is_empty() {
                (self.deliver)(reading);
            }
            // Directories that this reading found must be watched before the next wait; what
            // changed in them meanwhile is seen by reading once more.
            let poll = if self.watcher.is_ok() {
                POLL
            } else {
                POLL_WITHOUT_EVENTS
            };
            let wait = if self.update_watches() {
                Duration::ZERO
            } else {
                poll
            };
            let deadline = now.monotonic + again_in.map_or(wait, |again| again.min(wait));
            if !self.wait(deadline) {
                return;
            }
        }
    }

    fn read(&mut self, now: Moment) -> Reading {
        let (writing, names) = (&self.writing, &self.names);
        let is_being_written = |file: &Path| {
            names
                .get(file)
                .is_some_and(|names| names.iter().any(|name| writing.contains_key(name)))
        };
        self.source.read_at(now, &is_being_written)
    }

    fn cannot_watch(&self) -> Option<Mistake> {
        let error = self.watcher.as_ref().err()?;
        Some(Mistake {
            severity: Severity::Warning,
            file: self.source.paths().first().cloned().unwrap_or_default(),
            document: None,
            line: None,
            object: None,
            field: None,
            what: format!("cannot be watched: {error}"),
            fix: "raise fs.inotify.max_user_instances; until then files are polled".to_owned(),
        })
    }

    /// Waits for a relevant event and for the dust to settle. False if the watch is to end.
    fn wait(&mut self, deadline: Instant) -> bool {
        let mut deadline = deadline;
        let mut settle_until = None;
        loop {
            let left = Moment::now().until(deadline);
            let event = self.events.recv_timeout(left);
            if self.stop.load(Ordering::Acquire) {
                return false;
            }
            if self.overflow.swap(false, Ordering::AcqRel) {
                self.writing.clear();
                return true;
            }
            match event {
                Ok(event) => {
                    let now = Moment::now().monotonic;
                    let quiet = match self.note(&event, now) {
                        Told::Nothing => continue,
                        Told::Complete if self.writing.is_empty() => QUIET_COMPLETE,
                        Told::Complete | Told::Begun => QUIET,
                    };
                    let until = *settle_until.get_or_insert(now + SETTLE_MAX);
                    deadline = until.min(now + quiet);
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Notes who is writing, and since when something waits to be read.
    fn note(&mut self, event: &Event, now: Instant) -> Told {
        if event.need_rescan() || event.paths.is_empty() {
            self.writing.clear();
            self.noticed.get_or_insert(now);
            return Told::Complete;
        }
        if !event.paths.iter().any(|path| self.concerns(path)) {
            return Told::Nothing;
        }
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
                let written = event.paths.iter().map(|path| (path.clone(), now));
                self.writing.extend(written);
                Told::Begun
            }
            EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Create(CreateKind::File) => {
                Told::Begun
            }
            _ => {
                for path in &event.paths {
                    self.writing.remove(path);
                }
                self.noticed.get_or_insert(now);
                Told::Complete
            }
        }
    }

    /// Whether a path may be a manifest, a link on the way to one, or a watched directory.
    fn concerns(&self, path: &Path) -> bool {
        let is_manifest = || {
            let extension = path.extension().and_then(|extension| extension.to_str());
            extension.is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
        };
        let is_link_of_volume = || {
            path.file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b".."))
        };
        is_manifest()
            || is_link_of_volume()
            || self.watched.contains_key(path)
            || self.given.contains(path)
            || self.names.values().flatten().any(|name| name == path)
    }

    /// Watches the directories in which a change could concern the source. Returns whether there
    /// is one that was not watched before.
    fn update_watches(&mut self) -> bool {
        let Ok(watcher) = &mut self.watcher else {
            return false;
        };
        self.names.clear();
        self.given.clear();
        // Only true paths are watched: two names of one directory would share one watch.
        let mut wanted = HashSet::new();
        for path in self.source.paths() {
            wanted.extend(fs::canonicalize(path).ok());
            if let Some(entry) = entry_name(path) {
                wanted.extend(entry.parent().map(Path::to_owned));
                self.given.insert(entry);
            }
        }
        for file in self.source.files() {
            let (Some(entry), Ok(target)) = (entry_name(file), fs::canonicalize(file)) else {
                continue;
            };
            wanted.extend(
                [&entry, &target]
                    .into_iter()
                    .filter_map(|p| Some(p.parent()?.to_owned())),
            );
            self.names.insert(file.to_owned(), [entry, target]);
        }
        let identity = |path: &Path| {
            let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_dir)?;
            Some((path.to_owned(), (metadata.dev(), metadata.ino())))
        };
        let wanted: BTreeMap<_, _> = wanted.iter().filter_map(|path| identity(path)).collect();
        for (path, id) in &self.watched {
            if wanted.get(path) != Some(id) {
                // The kernel has let go already of a directory that is gone.
                drop(watcher.unwatch(path));
            }
        }
        let mut watched = BTreeMap::new();
        let mut grown = false;
        for (path, id) in wanted {
            let known = self.watched.get(&path) == Some(&id);
            if known || watcher.watch(&path, RecursiveMode::NonRecursive).is_ok() {
                grown |= !known;
                watched.insert(path, id);
            }
        }
        self.watched = watched;
        grown
    }
}

/// The true path of the directory that holds the entry, and the entry's name in it, which is how
/// events name it whether it is a link or not.
fn entry_name(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    Some(
        fs::canonicalize(path.parent()?)
            .ok()?
            .join(path.file_name()?),
    )
}

#[cfg(test)]
mod tests;
