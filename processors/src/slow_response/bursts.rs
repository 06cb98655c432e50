//! Late answers told apart in time. A machine that stands still for a moment makes all that it
//! holds late at once: that is one misfortune, not as many as there are late answers.

use std::collections::VecDeque;

/// Late answers so close behind the first of them are one burst, nanoseconds: what piled up while a
/// machine stood still is served by then.
const BURST_NS: u64 = 150_000_000;
/// An exchange that waits for so long hangs, nanoseconds: machines do not stand still for longer.
pub(super) const HANG_NS: u64 = 400_000_000;
/// So many exchanges that hang at one time are no misfortune.
pub(super) const HANGING_MIN: u32 = 3;
/// So many bursts in so short a time, nanoseconds, are none either.
const CLOSE_MIN: usize = 4;
const CLOSE_NS: u64 = 2_000_000_000;
/// So many bursts are remembered.
const BURSTS_KEPT: usize = 16;

/// The beginnings of the last bursts, `CLOCK_MONOTONIC`, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Bursts(VecDeque<u64>);

impl Bursts {
    /// A late answer came, or an exchange was found to hang.
    pub(super) fn note(&mut self, at_ns: u64) {
        let is_new = self
            .0
            .back()
            .is_none_or(|last_ns| at_ns.saturating_sub(*last_ns) >= BURST_NS);
        if is_new {
            if self.0.len() == BURSTS_KEPT {
                self.0.pop_front();
            }
            self.0.push_back(at_ns);
        }
    }

    /// How many began within `span_ns` before now.
    pub(super) fn within(&self, now_ns: u64, span_ns: u64) -> usize {
        let from_ns = now_ns.saturating_sub(span_ns);
        self.0
            .iter()
            .rev()
            .take_while(|at_ns| **at_ns >= from_ns)
            .count()
    }

    /// Did so many begin so soon after each other that no machine stalls like that?
    pub(super) fn are_close(&self, now_ns: u64) -> bool {
        self.within(now_ns, CLOSE_NS) >= CLOSE_MIN
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0 = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(at_ms: &[u64], now_ms: u64, expected: usize) {
        let mut bursts = Bursts::default();
        for ms in at_ms {
            bursts.note(ms * 1_000_000);
        }
        let within = bursts.within(now_ms * 1_000_000, 10_000_000_000);
        assert_eq!(within, expected, "{at_ms:?}");
    }

    #[test]
    fn four_in_two_seconds_are_close() {
        for (last_ms, is_close) in [(2_900, true), (3_100, false)] {
            let mut bursts = Bursts::default();
            for ms in [1_000, 1_500, 2_000, last_ms] {
                bursts.note(ms * 1_000_000);
            }
            assert_eq!(bursts.are_close(last_ms * 1_000_000), is_close, "{last_ms}");
        }
    }

    #[test]
    fn what_comes_at_once_is_one_burst() {
        check(&[], 0, 0);
        check(&[1_000, 1_001, 1_149], 1_200, 1);
        check(&[1_000, 1_149, 1_150, 1_310], 1_400, 3);
        // Late reports are not new.
        check(&[1_000, 500], 1_400, 1);
        check(&[1_000, 5_000, 9_000], 11_500, 2);
    }

    #[test]
    fn memory_is_bounded() {
        let mut bursts = Bursts::default();
        for second in 0..1_000 {
            bursts.note(second * 1_000_000_000);
        }
        assert_eq!(bursts.0.len(), BURSTS_KEPT);
        bursts.clear();
        assert_eq!(bursts.within(u64::MAX, u64::MAX), 0);
    }
}
