//! The life of one anomaly: found once, repeated at most once per window, ended by an all-clear.

use crate::config::Occurrences;
use rauta_core::clock::Now;
use rauta_schemas::Severity;

/// An anomaly that is firing.
#[derive(Clone, Debug)]
pub(crate) struct Incident {
    opened_ns: u64,
    emitted_ns: u64,
    seen_ns: u64,
    /// Wall time of its first exchange.
    pub(crate) first_wall_ns: u64,
    /// Wall time of its last exchange so far.
    pub(crate) last_wall_ns: u64,
    /// How many exchanges belong to it.
    pub(crate) count: u64,
    /// How bad it was said to be.
    pub(crate) severity: Severity,
}

/// What is to be said about an incident now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing.
    Nothing,
    /// It is still there: one more occurrence, for the next window.
    Repeat,
    /// It is over.
    Clear,
    /// It has lasted so long that it is the new normal: over, and to be learnt anew.
    Forget,
}

impl Incident {
    /// Opens one; the caller says so at once.
    pub(crate) fn open(now: Now, first_wall_ns: u64, count: u64, severity: Severity) -> Self {
        Self {
            opened_ns: now.monotonic_ns,
            emitted_ns: now.monotonic_ns,
            seen_ns: now.monotonic_ns,
            first_wall_ns,
            last_wall_ns: now.wall_ns,
            count: count.max(1),
            severity,
        }
    }

    /// One more exchange belongs to it.
    pub(crate) fn count_one(&mut self, wall_ns: u64) {
        self.count = self.count.saturating_add(1);
        self.last_wall_ns = self.last_wall_ns.max(wall_ns);
    }

    /// Time has passed; `is_on` tells whether the anomaly still shows.
    pub(crate) fn due(&mut self, now: Now, is_on: bool, rules: &Occurrences) -> Due {
        let now_ns = now.monotonic_ns;
        if is_on {
            self.seen_ns = self.seen_ns.max(now_ns);
        }
        let since = |moment: u64| now_ns.saturating_sub(moment);
        if since(self.opened_ns) >= rules.firing_max_ns {
            return Due::Forget;
        }
        // An anomaly that pauses for a moment inside its window is still the same one.
        if since(self.opened_ns) >= rules.window_ns && since(self.seen_ns) >= rules.clear_after_ns {
            return Due::Clear;
        }
        if since(self.emitted_ns) >= rules.window_ns && self.seen_ns > self.emitted_ns {
            self.emitted_ns = now_ns;
            return Due::Repeat;
        }
        Due::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const SECOND: u64 = 1_000_000_000;

    fn at(seconds: u64) -> Now {
        Now {
            monotonic_ns: seconds * SECOND,
            wall_ns: seconds * SECOND,
        }
    }

    /// What is said, with the second it is said at, for an anomaly that shows while `is_on` says
    /// so.
    fn said(until: u64, is_on: impl Fn(u64) -> bool) -> Vec<(u64, Due)> {
        let rules = Config::default().occurrences;
        let mut incident = Incident::open(at(0), 0, 3, Severity::Warning);
        let mut said = Vec::new();
        for second in 1..=until {
            let due = incident.due(at(second), is_on(second), &rules);
            if due != Due::Nothing {
                said.push((second, due));
            }
            if matches!(due, Due::Clear | Due::Forget) {
                break;
            }
        }
        said
    }

    #[test]
    fn a_short_anomaly_is_cleared_when_its_window_is_over() {
        assert_eq!(said(1_000, |second| second < 5), [(60, Due::Clear)]);
    }

    #[test]
    fn a_long_anomaly_repeats_once_per_window() {
        assert_eq!(
            said(1_000, |second| second <= 130),
            [(60, Due::Repeat), (120, Due::Repeat), (140, Due::Clear)]
        );
    }

    #[test]
    fn flapping_is_one_anomaly() {
        assert_eq!(
            said(125, |second| second % 8 < 4),
            [(60, Due::Repeat), (120, Due::Repeat)]
        );
    }

    #[test]
    fn what_lasts_a_day_is_the_new_normal() {
        let said = said(100_000, |_| true);
        assert_eq!(said.last(), Some(&(86_400, Due::Forget)));
    }

    #[test]
    fn a_clock_that_steps_back_says_nothing() {
        let mut incident = Incident::open(at(1_000), 0, 3, Severity::Warning);
        assert_eq!(
            incident.due(at(0), false, &Config::default().occurrences),
            Due::Nothing
        );
    }
}
