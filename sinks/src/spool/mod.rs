//! The spool: anomalies outlive an outage of their sink and a kill of RAUTA.
//!
//! ```text
//! bus ─► SpoolWriter ─┬─► memory: the newest (bounded) ──┬─► SpoolReader "nats"  (own cursor)
//!                     └─► segment files, oldest first ───┴─► SpoolReader "otlp"  (own cursor)
//!                         00…01.spool  00…9c.spool             nats.cursor  otlp.cursor
//! ```
//!
//! An anomaly counts as emitted once its write returned; it then has a place: the run's boot id and
//! a number without gaps. Each reader is handed everything at least once, in order, and says what
//! was confirmed; what was not is handed out again after a restart, with the same ids. A file goes
//! when every reader has had it, or when the spool is larger than it may be: then its oldest part
//! is dropped, and counted for each reader that had not delivered it.
//!
//! A disk that is full or gone costs nothing but what a kill takes: memory keeps what it can until
//! the disk is back. Without a directory there is memory only. A write is handed to the kernel and
//! not awaited further: a kill of RAUTA loses nothing, a power failure may lose the newest.

mod cursor; // how far a reader is, on disk
mod reader; // hands anomalies out, takes confirmations
mod record; // one anomaly as bytes with checksums; what of damaged bytes is whole
mod segment; // the files
mod state; // what writer and readers share
mod writer; // takes anomalies in

#[cfg(test)]
mod tests;

use crate::totals::SinkTotals;
use cursor::CursorFile;
use rauta_schemas::{Emission, ObserverEvent};
use segment::{Directory, NotHeld};
use state::{Shared, State};
use std::path::PathBuf;
use std::sync::Arc;

pub use reader::SpoolReader;
pub use writer::SpoolWriter;

/// How a spool is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Where its files are; `None`: memory only.
    pub directory: Option<PathBuf>,
    /// The most its files may take, bytes; at least two segments.
    pub bytes_max: u64,
    /// How large a file grows before the next one is begun, bytes.
    pub segment_bytes: u64,
    /// The most anomalies that memory holds.
    pub memory_max: usize,
}

impl Default for SpoolConfig {
    /// Memory only, 4,096 anomalies (some 16 MiB); on disk 256 MiB in files of 1 MiB.
    fn default() -> Self {
        Self {
            directory: None,
            bytes_max: 256 << 20,
            segment_bytes: 1 << 20,
            memory_max: 4096,
        }
    }
}

/// Why a spool cannot be opened. A directory that cannot be made now is no reason: memory takes
/// its place until it can.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Two of them would mix their anomalies.
    #[error("spool {}: another process holds it; give each RAUTA its own", .0.display())]
    InUse(PathBuf),
    /// What is there may be read or not, and nobody must guess.
    #[error("spool {}: cannot be read: {error}; give RAUTA a directory that it may read and write", .path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
}

/// An anomaly in the spool.
#[derive(Clone, Debug, PartialEq)]
pub struct Spooled {
    /// Its place in this spool; what [`SpoolReader::confirm`] takes.
    pub position: u64,
    /// Its place among all that its run emitted.
    pub emission: Emission,
    /// The anomaly.
    pub event: Arc<ObserverEvent>,
}

/// An open spool: who writes, who reads, and its figures.
#[derive(Debug)]
pub struct Spool {
    /// Takes anomalies in.
    pub writer: SpoolWriter,
    /// One for each name, in their order.
    pub readers: Vec<SpoolReader>,
}

impl Spool {
    /// Opens the spool for these readers, each with the figures that it counts in. The names are
    /// those of cursor files; cursors of other names are removed, since nobody moves them on. A
    /// reader that was not there before begins with what comes next.
    ///
    /// # Errors
    /// When another process holds the directory, or what is in it cannot be read.
    pub fn open(
        config: SpoolConfig,
        readers: &[(&'static str, Arc<SinkTotals>)],
    ) -> Result<Self, SpoolError> {
        let names: Vec<&'static str> = readers.iter().map(|(name, _)| *name).collect();
        let (mut directory, mut not_held) = (None, None);
        let mut cursors: Vec<Option<CursorFile>> = readers.iter().map(|_| None).collect();
        if let Some(path) = &config.directory {
            match Directory::open(path) {
                Ok(held) => {
                    let opened = cursor::open(path, &names).into_iter();
                    cursors = opened.map(or_in_memory).collect();
                    directory = Some(held);
                }
                Err(NotHeld::NotThere(error)) => not_held = Some(error),
                Err(NotHeld::Fatal(error)) => return Err(error),
            }
        }
        let segments = directory
            .as_mut()
            .map(|held| std::mem::take(&mut held.segments));
        let segments = segments.unwrap_or_default();
        let first = segments.first().map(|segment| segment.first);
        let behind_last = segments.last().map_or(0, |segment| segment.end);
        let furthest = cursors
            .iter()
            .flatten()
            .filter_map(|cursor| cursor.position)
            .max();
        let end = behind_last.max(furthest.unwrap_or(0));
        let mut state = State::new(segments, end, config.memory_max);
        for ((_, totals), cursor) in readers.iter().zip(&mut cursors) {
            let at = match cursor {
                Some(cursor) if !cursor.is_new => cursor.position.or(first).unwrap_or(end),
                _ => end,
            };
            state.add_reader(at, Arc::clone(totals));
            if let Some(cursor) = cursor {
                cursor.save(at);
            }
        }
        let shared = Arc::new(Shared::new(state));
        let named = readers.iter().zip(cursors).enumerate();
        let readers = named.map(|(index, ((_, totals), cursor))| {
            SpoolReader::new(Arc::clone(&shared), index, cursor, Arc::clone(totals))
        });
        let readers = readers.collect();
        let mut writer = SpoolWriter::new(config, names, shared, directory);
        if let Some(error) = not_held {
            writer.fail(&error);
        }
        Ok(Self { writer, readers })
    }
}

/// A cursor that cannot be opened is kept in memory only: after a restart its reader begins at the
/// oldest.
fn or_in_memory(cursor: std::io::Result<CursorFile>) -> Option<CursorFile> {
    cursor
        .inspect_err(|error| tracing::warn!(%error, "the spool's cursor cannot be opened"))
        .ok()
}

/// Removes files that nobody needs any more.
fn remove(paths: &[PathBuf]) {
    for path in paths {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(%error, path = %path.display(), "a file of the spool cannot be removed");
        }
    }
}
