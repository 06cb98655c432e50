//! What writer and readers share: where anomalies are, and how far each reader is. No I/O happens
//! under its lock.

use super::Spooled;
use super::cursor::CursorFile;
use super::segment::Segment;
use crate::totals::{DropReason, SinkTotals};
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The shared state, and how readers learn of news.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// One for each reader.
    news: Vec<Notify>,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        let news = state.readers.iter().map(|_| Notify::new()).collect();
        Self {
            state: Mutex::new(state),
            news,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all readers.
    pub(super) fn tell(&self) {
        self.news.iter().for_each(Notify::notify_one);
    }

    /// Waits for news since the last call.
    pub(super) async fn news(&self, reader: usize) {
        self.news[reader].notified().await;
    }
}

/// Positions from `end - tail.len()` on are in memory, those in `segments` on disk.
#[derive(Debug)]
pub(super) struct State {
    pub(super) segments: VecDeque<Segment>,
    /// The newest.
    tail: VecDeque<Arc<Spooled>>,
    /// The next position.
    end: u64,
    /// The first position of this run.
    start: u64,
    /// Positions below are on disk, or were once; 0 without a disk.
    written: u64,
    readers: Vec<ReaderState>,
    memory_max: usize,
    is_closed: bool,
}

/// How far a reader is.
#[derive(Debug)]
pub(super) struct ReaderState {
    /// The next position to hand out.
    next: u64,
    /// Handed out, and neither confirmed nor given up.
    outstanding: BTreeSet<u64>,
    /// Made after the start, until the reader takes it over.
    cursor: Option<CursorFile>,
    totals: Arc<SinkTotals>,
}

/// What there is for a reader.
#[derive(Debug)]
pub(super) enum Next {
    /// Handed out.
    Ready(Arc<Spooled>),
    /// In this file.
    OnDisk(OnDisk),
    /// Nothing yet.
    Nothing,
    /// Nothing ever more.
    End,
}

/// Where the next anomaly of a reader is.
#[derive(Debug)]
pub(super) struct OnDisk {
    pub(super) path: PathBuf,
    pub(super) position: u64,
    /// The position behind the last of this file's.
    pub(super) end: u64,
    /// From here on memory has them.
    pub(super) until: u64,
}

impl State {
    pub(super) fn new(segments: Vec<Segment>, end: u64, memory_max: usize) -> Self {
        Self {
            segments: segments.into(),
            tail: VecDeque::new(),
            end,
            start: end,
            written: end,
            readers: Vec::new(),
            memory_max: memory_max.max(1),
            is_closed: false,
        }
    }

    /// Adds a reader that has had everything below `next`.
    pub(super) fn add_reader(&mut self, next: u64, totals: Arc<SinkTotals>) {
        totals.add_recovered(self.end - next);
        totals.set_queued(self.end - next);
        self.readers.push(ReaderState {
            next,
            outstanding: BTreeSet::new(),
            cursor: None,
            totals,
        });
    }

    /// Takes a new anomaly in, whose position is the next one.
    pub(super) fn push(&mut self, spooled: Arc<Spooled>, is_written: bool) {
        self.tail.push_back(spooled);
        self.end += 1;
        if is_written {
            self.written = self.end;
        }
        while self.tail.len() > self.memory_max {
            let position = self.end - self.tail.len() as u64;
            self.tail.pop_front();
            if position >= self.written {
                self.pass(position + 1, DropReason::MemoryFull);
            }
        }
        let end = self.end;
        self.readers.iter_mut().for_each(|reader| reader.count(end));
    }

    /// The next position.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// How many this run took in.
    pub(super) fn emitted(&self) -> u64 {
        self.end - self.start
    }

    /// What only memory has and a reader still needs, oldest first.
    pub(super) fn unwritten(&self) -> Vec<Arc<Spooled>> {
        let needed = self.readers.iter().map(ReaderState::confirmed).min();
        let from = self.written.max(needed.unwrap_or(self.end));
        let tail = self.tail.iter();
        tail.filter(|s| s.position >= from).cloned().collect()
    }

    /// How many only memory has.
    pub(super) fn unwritten_count(&self) -> u64 {
        let in_memory = self.tail.len() as u64;
        self.end.saturating_sub(self.written).min(in_memory)
    }

    /// A file was begun, or begun and filled with all that only memory had.
    pub(super) fn add_segment(&mut self, segment: Segment) {
        // The disk may have taken the beginning of a file and no record: the next one has its name.
        self.segments.pop_back_if(|last| last.first == last.end);
        self.written = self.written.max(segment.end);
        self.segments.push_back(segment);
    }

    /// The newest file has this size now, and ends before the position `end`.
    pub(super) fn grow_segment(&mut self, bytes: u64, end: u64) {
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes = bytes;
            segment.end = end;
        }
    }

    /// Files and their bytes.
    pub(super) fn on_disk(&self) -> (usize, u64) {
        let bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        (self.segments.len(), bytes)
    }

    /// Takes out the oldest files while there is more than `bytes_max`, and counts what readers
    /// lose by that. The newest file stays.
    pub(super) fn cut(&mut self, bytes_max: u64) -> Vec<PathBuf> {
        let mut bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let mut cut = Vec::new();
        while bytes > bytes_max && self.segments.len() > 1 {
            let Some(oldest) = self.segments.pop_front() else {
                break;
            };
            bytes -= oldest.bytes;
            cut.push(oldest.path);
            let tail_start = self.end - self.tail.len() as u64;
            let first = self.segments.front().map_or(self.end, |next| next.first);
            self.pass(first.min(tail_start), DropReason::SpoolFull);
        }
        cut
    }

    /// Takes out the files that every reader is done with. The newest stays.
    pub(super) fn done(&mut self) -> Vec<PathBuf> {
        let confirmed = self.readers.iter().map(ReaderState::confirmed).min();
        let confirmed = confirmed.unwrap_or(self.end);
        let mut done = Vec::new();
        while self.segments.len() > 1 && self.segments[0].end <= confirmed {
            done.extend(self.segments.pop_front().map(|segment| segment.path));
        }
        done
    }

    /// No anomaly comes any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// What there is for a reader.
    pub(super) fn next(&mut self, reader: usize) -> Next {
        let tail_start = self.end - self.tail.len() as u64;
        let reader = &mut self.readers[reader];
        if reader.next < tail_start {
            let next = reader.next;
            let segment = self.segments.iter().find(|segment| segment.end > next);
            let first = segment.map_or(tail_start, |s| s.first).min(tail_start);
            reader.pass(first, self.end, DropReason::Unreadable);
            if let Some(segment) = segment
                && reader.next < tail_start
            {
                return Next::OnDisk(OnDisk {
                    path: segment.path.clone(),
                    position: reader.next,
                    end: segment.end,
                    until: segment.end.min(tail_start),
                });
            }
        }
        let place = reader.next.checked_sub(tail_start);
        match place.and_then(|place| self.tail.get(place as usize)) {
            Some(spooled) => {
                reader.hand_out();
                Next::Ready(Arc::clone(spooled))
            }
            None if self.is_closed => Next::End,
            None => Next::Nothing,
        }
    }

    /// The reader takes what it read at `position`; `false` where that went meanwhile.
    pub(super) fn hand_out(&mut self, reader: usize, position: u64) -> bool {
        let reader = &mut self.readers[reader];
        let is_there = reader.next == position;
        if is_there {
            reader.hand_out();
        }
        is_there
    }

    /// From `position` up to `to` the reader found nothing whole.
    pub(super) fn found_nothing(&mut self, reader: usize, position: u64, to: u64) {
        let end = self.end;
        let reader = &mut self.readers[reader];
        if reader.next == position {
            reader.pass(to, end, DropReason::Unreadable);
        }
    }

    /// The reader is done with what it was handed; tells how far it is. `None` where it was not
    /// handed that.
    pub(super) fn settle(
        &mut self,
        reader: usize,
        position: u64,
        dropped: Option<DropReason>,
    ) -> Option<u64> {
        let end = self.end;
        let reader = &mut self.readers[reader];
        if !reader.outstanding.remove(&position) {
            return None;
        }
        match dropped {
            None => reader.totals.add_sent(1),
            Some(reason) => reader.totals.add_dropped(reason, 1),
        }
        reader.count(end);
        Some(reader.confirmed())
    }

    /// How far the reader is: everything below was delivered or dropped.
    pub(super) fn confirmed(&self, reader: usize) -> u64 {
        self.readers[reader].confirmed()
    }

    /// There is a disk for the reader's cursor now.
    pub(super) fn hand_cursor(&mut self, reader: usize, cursor: CursorFile) {
        self.readers[reader].cursor = Some(cursor);
    }

    /// The cursor that was made for the reader since it last asked.
    pub(super) fn take_cursor(&mut self, reader: usize) -> Option<CursorFile> {
        self.readers[reader].cursor.take()
    }

    /// Has the reader been handed everything, and does nothing come any more?
    pub(super) fn is_at_end(&self, reader: usize) -> bool {
        self.is_closed && self.readers[reader].next == self.end
    }

    /// RAUTA ends: what only memory has is dropped for the reader. Tells how many these are.
    pub(super) fn stop(&mut self, reader: usize) -> u64 {
        let (end, written) = (self.end, self.written);
        let reader = &mut self.readers[reader];
        let handed_out = reader.outstanding.split_off(&written).len() as u64;
        let lost = handed_out + end - reader.next.max(written);
        reader.totals.add_dropped(DropReason::Stopped, lost);
        let kept = written.saturating_sub(reader.next) + reader.outstanding.len() as u64;
        reader.next = end;
        reader.totals.set_queued(kept);
        lost
    }

    /// What the reader has not delivered.
    pub(super) fn waiting(&self, reader: usize) -> u64 {
        self.readers[reader].waiting(self.end)
    }

    fn pass(&mut self, to: u64, reason: DropReason) {
        let end = self.end;
        let readers = self.readers.iter_mut();
        readers.for_each(|reader| reader.pass(to, end, reason));
    }
}

impl ReaderState {
    fn hand_out(&mut self) {
        self.outstanding.insert(self.next);
        self.next += 1;
    }

    /// Goes on to `to`, if it is before that; what lies between is lost for it.
    fn pass(&mut self, to: u64, end: u64, reason: DropReason) {
        if self.next < to {
            self.totals.add_dropped(reason, to - self.next);
            self.next = to;
            self.count(end);
        }
    }

    /// Everything below was delivered or dropped.
    fn confirmed(&self) -> u64 {
        self.outstanding.first().copied().unwrap_or(self.next)
    }

    fn waiting(&self, end: u64) -> u64 {
        end - self.next + self.outstanding.len() as u64
    }

    fn count(&self, end: u64) {
        self.totals.set_queued(self.waiting(end));
    }
}
