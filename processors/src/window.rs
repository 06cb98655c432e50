//! The last ten seconds in steps of half a second: how many exchanges, how many of them hit, and
//! how many hits the baseline of that moment let expect.

/// How many steps the window has.
const STEPS: usize = 20;

/// The length of a step, nanoseconds.
pub(crate) const STEP_NS: u64 = 500_000_000;

/// The length of the whole window, nanoseconds.
pub(crate) const WINDOW_NS: u64 = STEPS as u64 * STEP_NS;

/// The spans that are judged, in steps, shortest first. A fault that has just begun stands out in a
/// short one, where the quiet time before it does not dilute it.
pub(crate) const SPANS: [usize; 3] = [2, 6, STEPS];

/// Counts in one step, or over a span of steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    /// Exchanges.
    pub(crate) total: u32,
    /// Those that hit.
    pub(crate) hits: u32,
    /// Hits that the baseline let expect.
    pub(crate) expected: f32,
}

impl Counts {
    /// Adds `other`'s counts.
    pub(crate) fn add(&mut self, other: Self) {
        self.total = self.total.saturating_add(other.total);
        self.hits = self.hits.saturating_add(other.hits);
        self.expected += other.expected;
    }

    /// The mean rate of hits that the baseline let expect.
    pub(crate) fn expected_rate(&self) -> f64 {
        f64::from(self.expected) / f64::from(self.total.max(1))
    }
}

/// A ring of steps.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    steps: [Counts; STEPS],
    /// The number of the newest step since time began.
    newest: u64,
}

impl Window {
    /// An empty window.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            steps: [Counts::default(); STEPS],
            newest: now_ns / STEP_NS,
        }
    }

    /// Counts one exchange at its own time; one that is older than the window is not counted.
    pub(crate) fn record(&mut self, at_ns: u64, is_hit: bool, expected_rate: f64) {
        self.advance(at_ns);
        let age = (self.newest - (at_ns / STEP_NS).min(self.newest)) as usize;
        if age < STEPS {
            let place = (self.newest as usize - age) % STEPS;
            self.steps[place].add(Counts {
                total: 1,
                hits: u32::from(is_hit),
                expected: expected_rate as f32,
            });
        }
    }

    /// Forgets steps that are too old at `now_ns`.
    pub(crate) fn advance(&mut self, now_ns: u64) {
        let now = now_ns / STEP_NS;
        let passed = now.saturating_sub(self.newest).min(STEPS as u64);
        for step in 0..passed {
            self.steps[(now - step) as usize % STEPS] = Counts::default();
        }
        self.newest = self.newest.max(now);
    }

    /// The sums over each of [`SPANS`], ending with the newest step.
    pub(crate) fn spans(&self) -> [Counts; SPANS.len()] {
        let mut sums = [Counts::default(); SPANS.len()];
        let mut sum = Counts::default();
        let mut span = 0;
        for age in 0..STEPS {
            sum.add(self.steps[(self.newest as usize + STEPS - age) % STEPS]);
            if age + 1 == SPANS[span] {
                sums[span] = sum;
                span += 1;
            }
        }
        sums
    }

    /// The sums over the whole window.
    pub(crate) fn sum(&self) -> Counts {
        self.spans()[SPANS.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_older_than_ten_seconds_is_forgotten() {
        let mut window = Window::new(0);
        window.record(0, true, 0.5);
        window.record(WINDOW_NS - 1, false, 0.5);
        assert_eq!((window.sum().total, window.sum().hits), (2, 1));
        window.advance(WINDOW_NS);
        assert_eq!((window.sum().total, window.sum().hits), (1, 0));
        assert!((window.sum().expected_rate() - 0.5).abs() < 1e-6);
        window.advance(u64::MAX);
        assert_eq!(window.sum(), Counts::default());
    }

    #[test]
    fn late_events_count_where_they_belong() {
        let mut window = Window::new(0);
        window.record(9_900_000_000, false, 0.0);
        window.record(5_000_000_000, true, 0.0);
        let [second, three, whole] = window.spans();
        assert_eq!((second.hits, three.hits, whole.hits), (0, 0, 1));
        window.record(30_000_000_000, false, 0.0);
        window.record(1, true, 0.0);
        assert_eq!(
            window.sum(),
            Counts {
                total: 1,
                hits: 0,
                expected: 0.0
            }
        );
    }

    proptest! {
        #[test]
        fn any_times_are_taken(times in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut window = Window::new(u64::MAX / 2);
            for time in &times {
                window.record(*time, true, 0.1);
                let [short, longer, whole] = window.spans();
                prop_assert!(short.hits <= longer.hits && longer.hits <= whole.hits);
            }
            prop_assert!(window.sum().total as usize <= times.len());
        }
    }
}
