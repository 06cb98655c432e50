//! When a container that ended is started again, and how long that waits.

use std::time::Duration;

use tokio::time::Instant;

/// Whether a container that ended with `exit_code` is started again.
pub(super) fn is_restarted(policy: &str, exit_code: i32) -> bool {
    match policy {
        "Never" => false,
        "OnFailure" => exit_code != 0,
        _ => true,
    }
}

/// The wait of a container that ends again and again.
#[derive(Debug, Clone)]
pub(super) struct BackOff {
    first: Duration,
    max: Duration,
    /// The wait after the next end, and when it was decided.
    next: Option<(Duration, Instant)>,
}

impl BackOff {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        BackOff {
            first,
            max,
            next: None,
        }
    }

    /// The wait after an end at `now`: none the first time, then twice as long each time. Who has
    /// not ended for twice the longest wait starts anew.
    pub(super) fn after_end(&mut self, now: Instant) -> Duration {
        let is_fresh = |decided: Instant| now.saturating_duration_since(decided) <= self.max * 2;
        let wait = match self.next {
            Some((wait, decided)) if is_fresh(decided) => wait,
            _ => Duration::ZERO,
        };
        let next = if wait.is_zero() {
            self.first
        } else {
            (wait * 2).min(self.max)
        };
        self.next = Some((next, now + wait));
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_decides_by_the_exit_code() {
        let check = |policy: &str, code: i32, expected: bool| {
            assert_eq!(is_restarted(policy, code), expected, "{policy} {code}");
        };
        check("Always", 0, true);
        check("Always", 1, true);
        check("OnFailure", 0, false);
        check("OnFailure", 1, true);
        check("Never", 0, false);
        check("Never", 1, false);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_doubles_from_nothing_to_the_longest() {
        let mut back_off = BackOff::new(Duration::from_secs(10), Duration::from_secs(300));
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            now += Duration::from_secs(1);
            let wait = back_off.after_end(now);
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_life_is_forgiven() {
        let mut back_off = BackOff::new(Duration::from_secs(10), Duration::from_secs(300));
        let start = Instant::now();
        back_off.after_end(start);
        assert_eq!(
            back_off.after_end(start + Duration::from_secs(1)).as_secs(),
            10
        );
        let later = start + Duration::from_secs(11 + 601);
        assert_eq!(back_off.after_end(later), Duration::ZERO);
    }
}
