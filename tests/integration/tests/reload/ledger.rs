//! What became of every request, and what that says of latency and of changes.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Which of several known answers came.
pub(crate) type Answer = usize;

/// One request.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) due: Instant,
    pub(crate) sent: Instant,
    pub(crate) done: Instant,
    pub(crate) answer: Result<Answer, String>,
}

/// How often each answer came so far.
#[derive(Debug, Default)]
pub(crate) struct Heard([AtomicU64; 2]);

impl Heard {
    pub(crate) fn note(&self, answer: Answer) {
        self.0[answer].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, answer: Answer) -> u64 {
        self.0[answer].load(Ordering::Relaxed)
    }
}

/// All requests of one kind.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) name: &'static str,
    pub(crate) exchanges: Vec<Exchange>,
}

impl Ledger {
    /// The requests that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &str> {
        let answers = self.exchanges.iter().map(|exchange| &exchange.answer);
        answers.filter_map(|answer| answer.as_ref().err().map(String::as_str))
    }

    /// One line: how many, and how long they took from the moment they were due.
    pub(crate) fn line(&self) -> String {
        let times = times(std::slice::from_ref(self));
        let late = self.exchanges.iter().map(|one| one.sent - one.due);
        format!(
            "{:<16} {:>6} requests, {} failed; from due to answered p50 {:.2?}, p99 {:.2?}, max \
             {:.2?}; sent late at most {:.2?}",
            self.name,
            self.exchanges.len(),
            self.failed().count(),
            part(&times, 50),
            part(&times, 99),
            part(&times, 100),
            late.max().unwrap_or_default(),
        )
    }
}

/// How long all requests took from the moment they were due, in order.
pub(crate) fn times(ledgers: &[Ledger]) -> Vec<Duration> {
    let exchanges = ledgers.iter().flat_map(|ledger| &ledger.exchanges);
    let mut times: Vec<Duration> = exchanges.map(|one| one.done - one.due).collect();
    times.sort();
    times
}

/// The time that so many of a hundred stay within.
pub(crate) fn part(times: &[Duration], percent: usize) -> Duration {
    let place = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(place).copied().unwrap_or_default()
}

/// A change of what is to be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// When its file was closed, or renamed.
    pub(crate) closed: Instant,
    /// What is answered once it is live.
    pub(crate) answer: Answer,
}

/// For each change, when the last request was sent that was still answered as before it. Every
/// connection of every kind counts, so that no worker is left out.
pub(crate) fn lives(changes: &[Change], ledgers: &[Ledger]) -> Vec<Duration> {
    let ends = changes.iter().skip(1).map(|next| Some(next.closed));
    let ends = ends.chain([None]);
    let within = |change: &Change, end: Option<Instant>| {
        let stale = ledgers
            .iter()
            .flat_map(|ledger| &ledger.exchanges)
            .filter(|one| one.sent > change.closed && end.is_none_or(|end| one.done < end))
            .filter(|one| one.answer.as_ref().is_ok_and(|said| *said != change.answer));
        stale
            .map(|one| one.sent - change.closed)
            .max()
            .unwrap_or_default()
    };
    changes
        .iter()
        .zip(ends)
        .map(|(change, end)| within(change, end))
        .collect()
}

/// Bars by time.
pub(crate) fn histogram(times: &[Duration]) -> String {
    let bounds = [5, 10, 25, 50, 75, 100, 250, 1_000, u64::MAX];
    let mut text = String::new();
    let mut from = 0;
    for to in bounds {
        let range = Duration::from_millis(from)..Duration::from_millis(to);
        let count = times.iter().filter(|time| range.contains(*time)).count();
        let name = if to == u64::MAX {
            "more".to_owned()
        } else {
            format!("< {to} ms")
        };
        writeln!(text, "  {name:>9} {count:>4} {}", "#".repeat(count.min(60)))
            .expect("writing to a String cannot fail");
        from = to;
    }
    text
}
