//! What a detector is: a synchronous function of events and time with bounded state.

use crate::baseline::Stored;
use crate::finding::Findings;
use crate::recent::RecentRequests;
use rauta_core::clock::Now;
use rauta_schemas::{Event, Families, Family, Names};

/// A detector. It never waits, reads no clock and does no I/O; what it keeps is bounded by count
/// and by age.
pub(crate) trait Processor: Send {
    /// A short, stable name for metrics and logs.
    fn name(&self) -> &'static str;

    /// Which families it reads.
    fn families(&self) -> Families;

    /// An event of one of its families.
    fn on_event(&mut self, event: &Event, scene: &Scene<'_>, out: &mut Findings);

    /// `count` events of one of its families were lost before the next call.
    fn on_dropped(&mut self, family: Family, count: u64);

    /// About ten times a second: what time alone changes (open exchanges age, anomalies end).
    fn on_tick(&mut self, scene: &Scene<'_>, out: &mut Findings);

    /// What it learnt and should know after a restart.
    fn learnt(&self, scene: &Scene<'_>, out: &mut Vec<Stored>);

    /// What it (or its predecessor) had learnt before this start, by name; called before any event.
    fn restore(&mut self, stored: &[Stored]);

    /// How much it holds.
    fn usage(&self) -> Usage;
}

/// What surrounds an event or a tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    /// For an event: when it happened (the end of the exchange); for a tick: the present.
    pub(crate) now: Now,
    /// The requests seen last, for evidence.
    pub(crate) requests: &'a RecentRequests,
    /// Names behind ids.
    pub(crate) names: &'a Names,
}

/// How much a processor holds, and what it had to give up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Keys (routes, probes, endpoints) tracked now.
    pub keys: u64,
    /// Anomalies that are firing now.
    pub firing: u64,
    /// Keys that made room for others so far.
    pub evicted: u64,
    /// Exchanges that were not judged so far, because all keys were in use and theirs was new.
    pub refused: u64,
    /// Open exchanges that are watched now.
    pub open: u64,
    /// Open exchanges that found no room so far.
    pub open_untracked: u64,
    /// Events of its families that it was told were lost so far.
    pub events_dropped: u64,
}
