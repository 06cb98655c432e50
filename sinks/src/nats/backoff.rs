//! Pauses between tries: longer each time, and never the same for many RAUTAs at once.

use std::time::Duration;

/// Doubles from a tenth of a second up to a limit, with jitter.
#[derive(Debug)]
pub(super) struct Backoff {
    tries: u32,
    max: Duration,
}

/// The first pause.
const FIRST: Duration = Duration::from_millis(100);

impl Backoff {
    /// None had to be waited for yet.
    pub(super) const fn new(max: Duration) -> Self {
        Self { tries: 0, max }
    }

    /// The pause before the next try: between half and all of what it has grown to.
    pub(super) fn next(&mut self) -> Duration {
        let full = FIRST.saturating_mul(1 << self.tries.min(16)).min(self.max);
        self.tries += 1;
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// A try went well.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_secs(2));
        let pauses: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST);
        assert!(pauses[10..].iter().all(|p| *p >= Duration::from_secs(1)));
        assert!(pauses.iter().all(|p| *p <= Duration::from_secs(2)));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
