//! Takes anomalies in: to disk where there is one, and to memory always.

use super::cursor;
use super::record::encode;
use super::segment::{Active, Directory, NotHeld, Segment};
use super::state::Shared;
use super::{SpoolConfig, Spooled};
use crate::prometheus::{Sample, Source};
use rauta_core::bus::AnomalySubscription;
use rauta_core::clock;
use rauta_schemas::{Emission, ObserverEvent, Ulid};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The pause before a disk that failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The writing end of the spool. It waits for the disk, so it belongs to a thread of its own.
#[derive(Debug)]
pub struct SpoolWriter {
    config: SpoolConfig,
    /// The readers' names, in their order.
    readers: Vec<&'static str>,
    shared: Arc<Shared>,
    directory: Option<Directory>,
    disk: Disk,
    boot_id: String,
    /// Tries to write the disk that failed.
    failed: Arc<AtomicU64>,
    /// Reused for each record.
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Disk {
    /// None was asked for.
    None,
    /// The next record begins a file.
    Ready,
    Writing(Active),
    /// Not before this moment of the monotonic clock.
    Failing {
        until_ns: u64,
        reason: String,
    },
}

impl SpoolWriter {
    pub(super) fn new(
        config: SpoolConfig,
        readers: Vec<&'static str>,
        shared: Arc<Shared>,
        directory: Option<Directory>,
    ) -> Self {
        let wall_ms = clock::now().wall_ns / 1_000_000;
        let disk = match config.directory {
            None => Disk::None,
            Some(_) => Disk::Ready,
        };
        Self {
            config,
            readers,
            shared,
            directory,
            disk,
            boot_id: Ulid::from_parts(wall_ms, fastrand::u128(..)).to_string(),
            failed: Arc::new(AtomicU64::new(0)),
            bytes: Vec::new(),
        }
    }

    /// The id of this run, as it stands in [`Emission`].
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Is its directory there, and its own? Not where none was asked for.
    pub fn holds_directory(&self) -> bool {
        self.directory.is_some()
    }

    /// Takes an anomaly in. When this returns it is emitted: on disk, or where there is none or it
    /// fails, in memory.
    pub fn append(&mut self, event: &Arc<ObserverEvent>) -> Emission {
        self.recover_if_due();
        let (position, emitted) = {
            let state = self.shared.lock();
            (state.end(), state.emitted())
        };
        let emission = Emission {
            boot_id: self.boot_id.clone(),
            sequence: emitted + 1,
        };
        let spooled = Arc::new(Spooled {
            position,
            emission: emission.clone(),
            event: Arc::clone(event),
        });
        let is_written = self.write(&spooled);
        self.shared.lock().push(spooled, is_written);
        self.shared.tell();
        self.tidy_up();
        emission
    }

    /// Takes in all anomalies of the bus until it ends.
    pub async fn run(mut self, mut anomalies: AnomalySubscription) {
        let mut ticks = tokio::time::interval(TRY_AGAIN);
        loop {
            tokio::select! {
                anomaly = anomalies.recv() => match anomaly {
                    Some(anomaly) => drop(self.append(&anomaly)),
                    None => return,
                },
                _ = ticks.tick() => self.recover_if_due(),
            }
        }
    }

    /// The spool's own figures, for a scrape.
    pub fn source(&self) -> Source {
        let (shared, failed) = (Arc::clone(&self.shared), Arc::clone(&self.failed));
        Box::new(move || samples(&shared, failed.load(Ordering::Relaxed)))
    }

    /// Writes one record; `false` where it is in memory only.
    fn write(&mut self, spooled: &Spooled) -> bool {
        let Some(path) = &self.config.directory else {
            return false;
        };
        if matches!(self.disk, Disk::Ready) {
            match Active::create(path, spooled.position) {
                Ok(active) => {
                    self.shared.lock().add_segment(Segment {
                        path: active.path.clone(),
                        first: spooled.position,
                        end: spooled.position,
                        bytes: active.bytes,
                    });
                    self.disk = Disk::Writing(active);
                }
                Err(error) => self.fail(&error),
            }
        }
        let Disk::Writing(active) = &mut self.disk else {
            return false;
        };
        self.bytes.clear();
        encode(spooled, &mut self.bytes);
        match active.append(&self.bytes) {
            Ok(()) => {
                let bytes = active.bytes;
                self.shared.lock().grow_segment(bytes, spooled.position + 1);
                if bytes >= self.config.segment_bytes {
                    self.disk = Disk::Ready;
                }
                true
            }
            Err(error) => {
                if active.is_empty() {
                    std::fs::remove_file(&active.path).ok();
                }
                self.fail(&error);
                false
            }
        }
    }

    /// The disk cannot be written now; says so where it was not, or for another reason.
    pub(super) fn fail(&mut self, error: &std::io::Error) {
        let now = error.to_string();
        let is_said = matches!(&self.disk, Disk::Failing { reason, .. } if *reason == now);
        if !is_said && let Some(path) = &self.config.directory {
            tracing::warn!(
                %error,
                path = %path.display(),
                "the spool cannot be written: anomalies are kept in memory only, and a kill \
                 loses them"
            );
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.disk = Disk::Failing {
            until_ns: clock::monotonic_ns() + TRY_AGAIN.as_nanos() as u64,
            reason: now,
        };
    }

    fn recover_if_due(&mut self) {
        if let Disk::Failing { until_ns, .. } = self.disk
            && clock::monotonic_ns() >= until_ns
        {
            self.recover_now();
        }
    }

    /// Tries the disk that failed, whatever the pause.
    pub(super) fn recover_now(&mut self) {
        match self.recover() {
            Ok(count) => {
                self.disk = Disk::Ready;
                tracing::info!(
                    anomalies = count,
                    "the spool's disk is back; what memory kept is written"
                );
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Writes all that only memory has to a file of its own.
    fn recover(&mut self) -> std::io::Result<usize> {
        let Some(path) = &self.config.directory else {
            return Ok(0);
        };
        if self.directory.is_none() {
            let held = take_hold(path)?;
            self.make_cursors(path)?;
            self.directory = Some(held);
        }
        let unwritten = self.shared.lock().unwritten();
        let (Some(first), Some(last)) = (unwritten.first(), unwritten.last()) else {
            // Still: is there a disk?
            let probe = Active::create(path, self.shared.lock().end())?;
            return std::fs::remove_file(&probe.path).map(|()| 0);
        };
        let mut active = Active::create(path, first.position)?;
        let mut bytes = Vec::new();
        unwritten
            .iter()
            .for_each(|spooled| encode(spooled, &mut bytes));
        if let Err(error) = active.append(&bytes) {
            std::fs::remove_file(&active.path).ok();
            return Err(error);
        }
        self.shared.lock().add_segment(Segment {
            first: first.position,
            end: last.position + 1,
            bytes: active.bytes,
            path: active.path,
        });
        Ok(unwritten.len())
    }

    /// Writes down how far each reader is, before anything it has not confirmed is written: after
    /// a kill it goes on there.
    fn make_cursors(&self, path: &Path) -> std::io::Result<()> {
        let cursors = cursor::open(path, &self.readers).into_iter();
        let cursors: Vec<_> = cursors.collect::<std::io::Result<_>>()?;
        for (reader, mut cursor) in cursors.into_iter().enumerate() {
            let confirmed = self.shared.lock().confirmed(reader);
            cursor.save(confirmed);
            self.shared.lock().hand_cursor(reader, cursor);
        }
        Ok(())
    }

    fn tidy_up(&mut self) {
        let (cut, done) = {
            let mut state = self.shared.lock();
            (state.cut(self.config.bytes_max), state.done())
        };
        super::remove(&cut);
        super::remove(&done);
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        if matches!(self.disk, Disk::Failing { .. })
            && let Err(error) = self.recover()
        {
            let anomalies = self.shared.lock().unwritten().len();
            if anomalies > 0 {
                tracing::warn!(
                    %error,
                    anomalies,
                    "the spool ends while its disk fails: what only memory has is lost, unless \
                     its sinks deliver it now"
                );
            }
        }
        self.shared.lock().close();
        self.shared.tell();
    }
}

/// A directory that could not be made at the start is there now.
fn take_hold(path: &Path) -> std::io::Result<Directory> {
    match Directory::open(path) {
        Ok(held) if held.segments.is_empty() => Ok(held),
        Ok(_) => Err(std::io::Error::other(
            "it holds anomalies of an earlier run; restart RAUTA to take them over",
        )),
        Err(NotHeld::NotThere(error)) => Err(error),
        Err(NotHeld::Fatal(error)) => Err(std::io::Error::other(error)),
    }
}

fn samples(shared: &Shared, failed: u64) -> Vec<Sample> {
    let (emitted, unwritten, (files, bytes)) = {
        let state = shared.lock();
        (state.emitted(), state.unwritten_count(), state.on_disk())
    };
    vec![
        Sample::counter(
            "rauta_spool_emitted_total",
            "Anomalies and all-clears that the spool took in: what sinks have to deliver.",
            emitted,
        ),
        Sample::counter(
            "rauta_spool_write_failures_total",
            "Tries to write the spool's disk that failed.",
            failed,
        ),
        Sample::gauge(
            "rauta_spool_memory_only",
            "Anomalies that are in memory and not on disk: a kill loses them.",
            unwritten as f64,
        ),
        Sample::gauge(
            "rauta_spool_bytes",
            "Bytes of the spool's files.",
            bytes as f64,
        ),
        Sample::gauge("rauta_spool_files", "Files of the spool.", files as f64),
    ]
}
