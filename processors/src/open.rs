//! Exchanges that are open and wait for their backend: what makes a hanging backend visible while
//! it hangs. Fed by progress events; between two of them time itself makes an exchange overdue.

use crate::backend_time::BackendTime;
use crate::table::IdHasher;
use rauta_core::clock::Now;
use rauta_schemas::{ExchangeId, HttpProgressEvent};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// A response must have been lost where an exchange is this many times older than when it was last
/// reported open: reports come at ages that at most double.
const UNREPORTED_FACTOR: u64 = 4;
/// The same for young exchanges, nanoseconds.
const UNREPORTED_MIN_NS: u64 = 2_000_000_000;

/// One open exchange.
#[derive(Clone, Debug)]
pub(crate) struct OpenExchange<K> {
    /// What it counts for.
    pub(crate) key: K,
    /// What was last reported about it.
    pub(crate) event: HttpProgressEvent,
    /// Since when it waits for the backend, `CLOCK_MONOTONIC`, nanoseconds.
    since_ns: u64,
    /// Did the answer's head come?
    is_answered: bool,
    /// May it be taken for open until the next report? Not after responses were lost.
    is_trusted: bool,
    /// When it became overdue.
    pub(crate) overdue_ns: Option<u64>,
    /// Was it counted as a late answer of its own moment?
    pub(crate) is_told_apart: bool,
}

impl<K> OpenExchange<K> {
    /// How long it has waited, microseconds.
    pub(crate) fn waited_us(&self, now: Now) -> u64 {
        now.monotonic_ns.saturating_sub(self.since_ns) / 1_000
    }

    /// Does it still wait, as far as one can tell?
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_trusted && !self.is_answered
    }

    fn is_forgotten(&self, now: Now) -> bool {
        let allowed_ns = self
            .event
            .age_ns
            .saturating_mul(UNREPORTED_FACTOR)
            .max(UNREPORTED_MIN_NS);
        now.monotonic_ns.saturating_sub(self.event.start_ns) > allowed_ns
    }
}

/// The open exchanges, bounded by number.
#[derive(Debug)]
pub(crate) struct OpenExchanges<K> {
    exchanges: HashMap<ExchangeId, OpenExchange<K>, BuildHasherDefault<IdHasher>>,
    exchanges_max: usize,
    /// How many found no room so far.
    pub(crate) untracked: u64,
}

impl<K> OpenExchanges<K> {
    /// Watches at most `exchanges_max`.
    pub(crate) fn new(exchanges_max: usize) -> Self {
        Self {
            exchanges: HashMap::default(),
            exchanges_max,
            untracked: 0,
        }
    }

    /// It was reported open, having waited for `time`. `None` where there is no room for it.
    pub(crate) fn reported(
        &mut self,
        event: &HttpProgressEvent,
        time: BackendTime,
        now: Now,
        key: K,
    ) -> Option<&mut OpenExchange<K>> {
        let is_full = self.exchanges.len() >= self.exchanges_max;
        if is_full && !self.exchanges.contains_key(&event.exchange) {
            self.untracked += 1;
            return None;
        }
        let since_ns = now
            .monotonic_ns
            .saturating_sub(time.micros.saturating_mul(1_000));
        let is_answered = time.is_answered;
        let open = self
            .exchanges
            .entry(event.exchange)
            .or_insert_with(|| OpenExchange {
                key,
                event: event.clone(),
                since_ns,
                is_answered,
                is_trusted: true,
                overdue_ns: None,
                is_told_apart: false,
            });
        open.event = event.clone();
        open.since_ns = since_ns;
        open.is_answered = is_answered;
        open.is_trusted = true;
        Some(open)
    }

    /// It is over, or no longer says anything; answers what was known where it had become overdue.
    pub(crate) fn ended(&mut self, exchange: ExchangeId) -> Option<OpenExchange<K>> {
        self.exchanges
            .remove(&exchange)
            .filter(|open| open.overdue_ns.is_some())
    }

    /// Responses were lost: what seems open may be over, until it is reported open again.
    pub(crate) fn distrust(&mut self) {
        for open in self.exchanges.values_mut() {
            open.is_trusted = false;
        }
    }

    /// Every exchange that still waits, after those were forgotten whose reports stopped.
    pub(crate) fn waiting(&mut self, now: Now) -> impl Iterator<Item = &mut OpenExchange<K>> {
        self.exchanges.retain(|_, open| !open.is_forgotten(now));
        self.exchanges.values_mut().filter(|open| open.is_waiting())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.exchanges.len()
    }
}
