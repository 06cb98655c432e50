//! What every sink counts, in one closed vocabulary: sent, failed, retried, dropped, waiting.
//!
//! "Sent" is what the other side confirmed. "Failed" are tries, of which one thing may need many;
//! "dropped" are things that this sink will never send. So, for each sink and signal:
//!
//! found at start + emitted since = sent + dropped + waiting.

use crate::prometheus::{Sample, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a sink sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Anomalies as occurrences.
    Occurrences,
    /// Anomalies as the platform's Go programs know them.
    ObserverEvents,
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Log records.
    Logs,
}

impl Signal {
    /// The stable label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Occurrences => "occurrences",
            Self::ObserverEvents => "observer_events",
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// Why a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No connection, or it was lost.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// TLS: the other side's certificate is not trusted.
    Untrusted,
    /// Not allowed: wrong or expired credentials or certificate, or no permission.
    Unauthorized,
    /// Nothing there takes it: no stream binds the subject, no such path.
    NotFound,
    /// The other side has no room.
    Full,
    /// The other side asked to come back later.
    Throttled,
    /// The other side failed.
    Unavailable,
    /// The other side does not accept what was sent.
    Rejected,
}

impl Failure {
    /// Every reason, in order.
    pub const ALL: [Self; 9] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Untrusted,
        Self::Unauthorized,
        Self::NotFound,
        Self::Full,
        Self::Throttled,
        Self::Unavailable,
        Self::Rejected,
    ];

    /// The stable label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Untrusted => "untrusted",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Full => "full",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
        }
    }
}

/// Why something will never be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The sink's queue was full.
    QueueFull,
    /// The spool reached its size, and its oldest part went.
    SpoolFull,
    /// The spool could not write to its disk, or has none, and its memory was full.
    MemoryFull,
    /// What the spool kept could not be read back.
    Unreadable,
    /// Larger than the other side takes.
    TooLarge,
    /// The other side refused it for good.
    Rejected,
    /// It was tried for as long as it may be.
    RetryExhausted,
    /// The other side has it already by another way.
    Captured,
    /// RAUTA ended, and nothing keeps it until the next start.
    Stopped,
}

impl DropReason {
    /// Every reason, in order.
    pub const ALL: [Self; 9] = [
        Self::QueueFull,
        Self::SpoolFull,
        Self::MemoryFull,
        Self::Unreadable,
        Self::TooLarge,
        Self::Rejected,
        Self::RetryExhausted,
        Self::Captured,
        Self::Stopped,
    ];

    /// The stable label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::MemoryFull => "memory_full",
            Self::Unreadable => "unreadable",
            Self::TooLarge => "too_large",
            Self::Rejected => "rejected",
            Self::RetryExhausted => "retry_exhausted",
            Self::Captured => "captured",
            Self::Stopped => "stopped",
        }
    }
}

/// The figures of one signal of one sink.
#[derive(Debug)]
pub struct SinkTotals {
    sink: &'static str,
    signal: Signal,
    recovered: AtomicU64,
    sent: AtomicU64,
    retried: AtomicU64,
    queued: AtomicU64,
    failed: [AtomicU64; Failure::ALL.len()],
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl SinkTotals {
    /// Nothing counted yet.
    pub fn new(sink: &'static str, signal: Signal) -> Arc<Self> {
        Arc::new(Self {
            sink,
            signal,
            recovered: AtomicU64::default(),
            sent: AtomicU64::default(),
            retried: AtomicU64::default(),
            queued: AtomicU64::default(),
            failed: Default::default(),
            dropped: Default::default(),
        })
    }

    /// The other side confirmed `count`.
    pub fn add_sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// `count` are tried again.
    pub fn add_retried(&self, count: u64) {
        self.retried.fetch_add(count, Ordering::Relaxed);
    }

    /// `count` tries failed.
    pub fn add_failed(&self, failure: Failure, count: u64) {
        self.failed[failure as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// `count` will never be sent.
    pub fn add_dropped(&self, reason: DropReason, count: u64) {
        self.dropped[reason as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// `count` were waiting when RAUTA started.
    pub fn add_recovered(&self, count: u64) {
        self.recovered.fetch_add(count, Ordering::Relaxed);
    }

    /// `count` wait now, those on their way included.
    pub fn set_queued(&self, count: u64) {
        self.queued.store(count, Ordering::Relaxed);
    }

    /// What the other side confirmed.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// What was tried again.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// What waits.
    pub fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    /// What was waiting when RAUTA started.
    pub fn recovered(&self) -> u64 {
        self.recovered.load(Ordering::Relaxed)
    }

    /// Tries that failed for this reason.
    pub fn failed(&self, failure: Failure) -> u64 {
        self.failed[failure as usize].load(Ordering::Relaxed)
    }

    /// What will never be sent, for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    /// What will never be sent.
    pub fn dropped_in_all(&self) -> u64 {
        DropReason::ALL
            .iter()
            .map(|reason| self.dropped(*reason))
            .sum()
    }

    fn samples(&self) -> Vec<Sample> {
        let of = |sample: Sample| {
            sample
                .label("sink", self.sink)
                .label("signal", self.signal.label())
        };
        let mut samples = vec![
            of(Sample::counter(
                "rauta_sink_sent_total",
                "What the other side of a sink confirmed.",
                self.sent(),
            )),
            of(Sample::counter(
                "rauta_sink_retried_total",
                "Tries beyond the first.",
                self.retried(),
            )),
            of(Sample::counter(
                "rauta_sink_recovered_total",
                "What an earlier run had left for a sink in the spool.",
                self.recovered(),
            )),
            of(Sample::gauge(
                "rauta_sink_queue_length",
                "What waits to be sent or confirmed.",
                self.queued() as f64,
            )),
        ];
        samples.extend(Failure::ALL.iter().map(|failure| {
            let sample = Sample::counter(
                "rauta_sink_failed_total",
                "Tries that failed, by reason.",
                self.failed(*failure),
            );
            of(sample).label("reason", failure.label())
        }));
        samples.extend(DropReason::ALL.iter().map(|reason| {
            let sample = Sample::counter(
                "rauta_sink_dropped_total",
                "What a sink will never send, by reason.",
                self.dropped(*reason),
            );
            of(sample).label("reason", reason.label())
        }));
        samples
    }

    /// The figures of these for a scrape; all of them also while they are 0.
    pub fn source(totals: Vec<Arc<Self>>) -> Source {
        Box::new(move || totals.iter().flat_map(|totals| totals.samples()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_at_their_own_places() {
        for (index, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, index, "{failure:?}");
        }
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason:?}");
        }
    }

    #[test]
    fn every_figure_is_shown_also_while_it_is_0() {
        let totals = SinkTotals::new("nats", Signal::Occurrences);
        totals.add_dropped(DropReason::SpoolFull, 3);
        let samples = SinkTotals::source(vec![totals])();
        assert_eq!(
            samples.len(),
            4 + Failure::ALL.len() + DropReason::ALL.len()
        );
        let dropped: f64 = samples
            .iter()
            .filter(|sample| sample.name == "rauta_sink_dropped_total")
            .map(|sample| sample.value)
            .sum();
        assert_eq!(dropped, 3.0);
    }
}
