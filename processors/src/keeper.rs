//! Writes the state file beside the pipeline thread, which must not wait for a disk.

use crate::baseline::{self, Stored};
use rauta_core::clock::Now;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Owns the thread that writes; dropping it waits for the write under way.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    every_ns: u64,
    saved_ns: Option<u64>,
    writer: Option<Writer>,
}

#[derive(Debug)]
struct Writer {
    bytes: SyncSender<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Keeps state in `path`, written once in `every`.
    pub(crate) fn new(path: &Path, every: Duration) -> Self {
        let every_ns = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
        Self {
            path: path.into(),
            every_ns,
            saved_ns: None,
            writer: Writer::start(path),
        }
    }

    /// Is it time to write again? The first time is one period after the start.
    pub(crate) fn is_due(&mut self, now: Now) -> bool {
        let since_ns = *self.saved_ns.get_or_insert(now.monotonic_ns);
        now.monotonic_ns.saturating_sub(since_ns) >= self.every_ns
    }

    /// Hands over what is to be written. While the disk is still busy with the write before the
    /// last one, this one is left out: the next will hold it all.
    pub(crate) fn keep(&mut self, now: Now, stored: &[Stored]) {
        self.saved_ns = Some(now.monotonic_ns);
        let bytes = baseline::encode(now.wall_ns, stored);
        if let Some(writer) = &self.writer
            && writer.bytes.try_send(bytes).is_err()
        {
            tracing::warn!(path = %self.path.display(), "baselines not saved: the disk is slow");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            drop(writer.bytes);
            if writer.thread.join().is_err() {
                tracing::warn!(path = %self.path.display(), "the writer of baselines panicked");
            }
        }
    }
}

impl Writer {
    fn start(path: &Path) -> Option<Self> {
        let (bytes, queue) = sync_channel::<Vec<u8>>(1);
        let path = path.to_owned();
        let write = move || {
            for bytes in queue {
                if let Err(error) = baseline::save(&path, &bytes) {
                    let path = path.display();
                    tracing::warn!(%path, error = &error as &dyn std::error::Error, "baselines not saved");
                }
            }
        };
        match std::thread::Builder::new()
            .name("baselines".into())
            .spawn(write)
        {
            Ok(thread) => Some(Self { bytes, thread }),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "baselines will not be saved"
                );
                None
            }
        }
    }
}
