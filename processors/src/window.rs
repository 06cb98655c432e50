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

/// Counts in one step, hits told apart by kind.
#[derive(Clone, Copy, Debug)]
struct Step<const KINDS: usize> {
    total: u32,
    hits: [u32; KINDS],
    expected: f32,
}

impl<const KINDS: usize> Step<KINDS> {
    const EMPTY: Self = Self {
        total: 0,
        hits: [0; KINDS],
        expected: 0.0,
    };
}

/// A ring of steps, with so many kinds of hits.
#[derive(Clone, Debug)]
pub(crate) struct Window<const KINDS: usize = 1> {
    steps: [Step<KINDS>; STEPS],
    /// The number of the newest step since time began.
    newest: u64,
}

impl<const KINDS: usize> Window<KINDS> {
    /// An empty window.
    pub(crate) fn new(now_ns: u64) -> Self {
        Self {
            steps: [Step::EMPTY; STEPS],
            newest: now_ns / STEP_NS,
        }
    }

    /// The beginning of the newest step, nanoseconds.
    pub(crate) fn newest_ns(&self) -> u64 {
        self.newest.saturating_mul(STEP_NS)
    }

    /// Counts one exchange, and which kind of hit it is if it is one, at its own time; one that is
    /// older than the window is not counted.
    pub(crate) fn record(&mut self, at_ns: u64, hit: Option<usize>, expected_rate: f64) {
        self.advance(at_ns);
        let age = (self.newest - (at_ns / STEP_NS).min(self.newest)) as usize;
        if age < STEPS {
            let step = &mut self.steps[(self.newest as usize - age) % STEPS];
            step.total = step.total.saturating_add(1);
            if let Some(hits) = hit.and_then(|kind| step.hits.get_mut(kind)) {
                *hits = hits.saturating_add(1);
            }
            step.expected += expected_rate as f32;
        }
    }

    /// Forgets steps that are too old at `now_ns`.
    pub(crate) fn advance(&mut self, now_ns: u64) {
        let now = now_ns / STEP_NS;
        let passed = now.saturating_sub(self.newest).min(STEPS as u64);
        for step in 0..passed {
            self.steps[(now - step) as usize % STEPS] = Step::EMPTY;
        }
        self.newest = self.newest.max(now);
    }

    /// The sums of one kind of hits over each of [`SPANS`], ending with the newest step.
    pub(crate) fn spans(&self, kind: usize) -> [Counts; SPANS.len()] {
        let mut sums = [Counts::default(); SPANS.len()];
        let mut sum = Counts::default();
        let mut span = 0;
        for age in 0..STEPS {
            let step = &self.steps[(self.newest as usize + STEPS - age) % STEPS];
            sum.add(Counts {
                total: step.total,
                hits: step.hits[kind],
                expected: step.expected,
            });
            if age + 1 == SPANS[span] {
                sums[span] = sum;
                span += 1;
            }
        }
        sums
    }

    /// The sums of one kind of hits over the whole window.
    pub(crate) fn sum(&self, kind: usize) -> Counts {
        self.spans(kind)[SPANS.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_older_than_ten_seconds_is_forgotten() {
        let mut window = Window::<1>::new(0);
        window.record(0, Some(0), 0.5);
        window.record(WINDOW_NS - 1, None, 0.5);
        assert_eq!((window.sum(0).total, window.sum(0).hits), (2, 1));
        window.advance(WINDOW_NS);
        assert_eq!((window.sum(0).total, window.sum(0).hits), (1, 0));
        assert!((window.sum(0).expected_rate() - 0.5).abs() < 1e-6);
        window.advance(u64::MAX);
        assert_eq!(window.sum(0), Counts::default());
    }

    #[test]
    fn late_events_count_where_they_belong() {
        let mut window = Window::<1>::new(0);
        window.record(9_900_000_000, None, 0.0);
        window.record(5_000_000_000, Some(0), 0.0);
        let [second, three, whole] = window.spans(0);
        assert_eq!((second.hits, three.hits, whole.hits), (0, 0, 1));
        window.record(30_000_000_000, None, 0.0);
        window.record(1, Some(0), 0.0);
        assert_eq!(
            window.sum(0),
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
            let mut window = Window::<1>::new(u64::MAX / 2);
            for time in &times {
                window.record(*time, Some(0), 0.1);
                let [short, longer, whole] = window.spans(0);
                prop_assert!(short.hits <= longer.hits && longer.hits <= whole.hits);
            }
            prop_assert!(window.sum(0).total as usize <= times.len());
        }
    }
}
