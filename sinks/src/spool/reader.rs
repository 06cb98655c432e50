//! Hands anomalies out in order, and takes what became of them.

use super::Spooled;
use super::cursor::CursorFile;
use super::record::{Found, scan};
use super::state::{Next, OnDisk, Shared};
use crate::totals::{DropReason, SinkTotals};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The pause before a file that could not be read is read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// One reader of the spool. It reads files, so it belongs to its sink's own thread.
#[derive(Debug)]
pub struct SpoolReader {
    shared: Arc<Shared>,
    index: usize,
    cursor: Option<CursorFile>,
    loaded: Option<Loaded>,
    totals: Arc<SinkTotals>,
}

/// A file that was read.
#[derive(Debug)]
struct Loaded {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What of it is still to be handed out.
    found: VecDeque<Found>,
    /// How far the file went when it was read.
    end: u64,
}

impl SpoolReader {
    pub(super) fn new(
        shared: Arc<Shared>,
        index: usize,
        cursor: Option<CursorFile>,
        totals: Arc<SinkTotals>,
    ) -> Self {
        Self {
            shared,
            index,
            cursor,
            loaded: None,
            totals,
        }
    }

    /// The figures that this reader counts in: it counts what is confirmed, dropped and waiting.
    pub fn totals(&self) -> &Arc<SinkTotals> {
        &self.totals
    }

    /// Waits for the next anomaly; `None` when there will be none any more. Each is handed out once
    /// in a run of RAUTA: the sink keeps it until it is confirmed or given up. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Spooled>> {
        loop {
            match self.try_next() {
                Ok(Some(spooled)) => return Some(spooled),
                Ok(None) if self.is_at_end() => return None,
                Ok(None) => self.shared.news(self.index).await,
                Err(error) => {
                    tracing::warn!(%error, "the spool cannot be read; trying again");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        }
    }

    /// The next anomaly, if there is one now.
    ///
    /// # Errors
    /// Where a file cannot be read now. What is damaged in it is no error but dropped and counted.
    pub fn try_next(&mut self) -> std::io::Result<Option<Arc<Spooled>>> {
        loop {
            let next = self.shared.lock().next(self.index);
            match next {
                Next::Ready(spooled) => return Ok(Some(spooled)),
                Next::Nothing | Next::End => {
                    self.loaded = None;
                    return Ok(None);
                }
                Next::OnDisk(place) => {
                    if let Some(spooled) = self.read(&place)? {
                        return Ok(Some(Arc::new(spooled)));
                    }
                }
            }
        }
    }

    /// Will there be nothing any more?
    pub fn is_at_end(&self) -> bool {
        self.shared.lock().is_at_end(self.index)
    }

    /// The other side confirmed it: it will not be handed out again.
    pub fn confirm(&mut self, position: u64) {
        self.settle(position, None);
    }

    /// It will never be sent.
    pub fn give_up(&mut self, position: u64, reason: DropReason) {
        self.settle(position, Some(reason));
    }

    /// RAUTA ends. What is on disk waits for the next start; what only memory has is dropped, and
    /// told here how many these are.
    pub fn stop(mut self) -> u64 {
        let confirmed = {
            let mut state = self.shared.lock();
            self.cursor = self.cursor.take().or(state.take_cursor(self.index));
            state.confirmed(self.index)
        };
        self.save(confirmed);
        self.shared.lock().stop(self.index)
    }

    /// How many are neither confirmed nor dropped.
    pub fn waiting(&self) -> u64 {
        self.shared.lock().waiting(self.index)
    }

    fn settle(&mut self, position: u64, dropped: Option<DropReason>) {
        let (confirmed, done) = {
            let mut state = self.shared.lock();
            let confirmed = state.settle(self.index, position, dropped);
            self.cursor = self.cursor.take().or(state.take_cursor(self.index));
            (confirmed, state.done())
        };
        // A file goes after the cursor is past it.
        if let Some(confirmed) = confirmed {
            self.save(confirmed);
        }
        super::remove(&done);
    }

    fn save(&mut self, confirmed: u64) {
        if let Some(cursor) = &mut self.cursor
            && cursor.position != Some(confirmed)
        {
            cursor.save(confirmed);
        }
    }

    /// What stands at that place; `None` where it was damaged, or went meanwhile.
    fn read(&mut self, place: &OnDisk) -> std::io::Result<Option<Spooled>> {
        let is_loaded = self.loaded.as_ref().is_some_and(|loaded| {
            let last = loaded.found.back();
            let has_it = last.is_some_and(|last| last.position >= place.position);
            loaded.path == place.path && (has_it || loaded.end >= place.end)
        });
        if !is_loaded {
            self.loaded = Some(Loaded::read(place)?);
        }
        let Some(loaded) = &mut self.loaded else {
            return Ok(None);
        };
        while loaded
            .found
            .pop_front_if(|found| found.position < place.position)
            .is_some()
        {}
        let found = loaded
            .found
            .pop_front_if(|found| found.position == place.position);
        let spooled = found.and_then(|found| found.decode(&loaded.bytes));
        let next = loaded
            .found
            .front()
            .map_or(place.until, |next| next.position);
        let mut state = self.shared.lock();
        match spooled {
            Some(spooled) => Ok(state
                .hand_out(self.index, place.position)
                .then_some(spooled)),
            None => {
                state.found_nothing(self.index, place.position, next.min(place.until));
                Ok(None)
            }
        }
    }
}

impl Loaded {
    fn read(place: &OnDisk) -> std::io::Result<Self> {
        let bytes = match std::fs::read(&place.path) {
            Ok(bytes) => bytes,
            // Somebody removed it: nothing whole is in it.
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: place.path.clone(),
            found: scan(&bytes).into(),
            bytes,
            end: place.end,
        })
    }
}
