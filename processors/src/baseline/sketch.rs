//! A quantile sketch of durations: logarithmic buckets, so that every quantile is right within 3 %
//! whatever the distribution's shape, in at most [`Sketch::BYTES_MAX`] bytes.
//!
//! Only the buckets between the smallest and the largest value take memory. Where the range would
//! need more than [`BUCKETS_MAX`] buckets, the lowest are joined: the tail is what detectors read.

use super::Slot;
use super::cells::Cells;
use super::file::{put_number, take_number};

/// Neighbouring buckets' bounds differ by this factor: (1 + 0.03) / (1 - 0.03).
const GAMMA: f64 = 1.03 / 0.97;
/// The longest duration told apart from longer ones, microseconds (one minute).
const LONGEST_US: u64 = 60_000_000;
/// How many buckets a sketch holds at most: a range of 1 to 13,600.
const BUCKETS_MAX: usize = 160;

/// Counts of durations by logarithmic bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sketch {
    /// The number of the bucket behind the first cell.
    first: u16,
    counts: Cells,
    total: u64,
}

// A key has four: two slots and two generations.
const _: () = assert!(4 * Sketch::BYTES_MAX <= 3 * 1024);

impl Sketch {
    /// What a full sketch takes, its own header included.
    const BYTES_MAX: usize = BUCKETS_MAX * size_of::<u32>() + size_of::<Self>();

    /// Counts one duration, microseconds.
    pub(crate) fn record(&mut self, micros: u64) {
        self.add(bucket_of(micros), 1);
    }

    /// Adds all of `other`'s counts.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.buckets() {
            self.add(bucket, count);
        }
    }

    /// The filled buckets in rising order: number and count.
    pub(crate) fn buckets(&self) -> impl DoubleEndedIterator<Item = (u16, u32)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| *count > 0)
            .map(|(offset, count)| (self.first + offset as u16, count))
    }

    /// Adds `count` to a bucket by its number; numbers beyond the last bucket count as the last.
    pub(crate) fn add(&mut self, bucket: u16, count: u32) {
        if count == 0 {
            return;
        }
        let bucket = bucket.min(bucket_of(LONGEST_US));
        let offset = self.room_for(bucket);
        let before = self.counts.get(offset);
        let after = before.saturating_add(count);
        self.counts.set(offset, after);
        self.total += u64::from(after - before);
    }

    /// How many counted durations may exceed `micros`: the bucket that holds it counts as above.
    pub(crate) fn count_above(&self, micros: u64) -> u64 {
        let bucket = bucket_of(micros);
        self.buckets()
            .rev()
            .take_while(|(number, _)| *number >= bucket)
            .map(|(_, count)| u64::from(count))
            .sum()
    }

    /// Makes room for `bucket` and answers its place in `counts`.
    fn room_for(&mut self, bucket: u16) -> usize {
        if self.counts.len() == 0 {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = usize::from(self.first - bucket);
            let free = BUCKETS_MAX - self.counts.len();
            let grown = missing.min(free);
            self.counts.grow_front(grown, BUCKETS_MAX);
            self.first -= grown as u16;
        }
        let mut offset = usize::from(bucket.saturating_sub(self.first));
        if offset >= BUCKETS_MAX {
            self.join_lowest(offset + 1 - BUCKETS_MAX);
            offset = BUCKETS_MAX - 1;
        }
        if offset >= self.counts.len() {
            let by = offset + 1 - self.counts.len();
            self.counts.grow(by, BUCKETS_MAX);
        }
        offset
    }

    /// How many bytes it has allocated.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        self.counts.allocated()
    }

    /// Moves the counts of the `by` lowest buckets into the next one.
    fn join_lowest(&mut self, by: usize) {
        let gone = by.min(self.counts.len());
        let joined = self.counts.cut_front(gone);
        self.first += by as u16;
        if self.counts.len() == 0 {
            self.counts.grow(1, BUCKETS_MAX);
        }
        let before = u64::from(self.counts.get(0));
        let after = (before + joined).min(u64::from(u32::MAX));
        self.total -= before + joined - after;
        self.counts.set(0, after as u32);
    }
}

impl Slot for Sketch {
    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }

    fn samples(&self) -> u64 {
        self.total
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for (bucket, count) in self.buckets() {
            put_number(bytes, u64::from(bucket));
            put_number(bytes, u64::from(count));
        }
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut sketch = Self::default();
        while !bytes.is_empty() {
            let bucket = u16::try_from(take_number(&mut bytes)?).ok()?;
            let count = u32::try_from(take_number(&mut bytes)?).ok()?;
            sketch.add(bucket, count);
        }
        Some(sketch)
    }
}

/// The `quantile` (0 to 1) of several sketches taken together, microseconds; `None` where they hold
/// nothing.
pub(crate) fn quantile(sketches: &[&Sketch], quantile: f64) -> Option<u64> {
    let total: u64 = sketches.iter().map(|sketch| sketch.total).sum();
    if total == 0 {
        return None;
    }
    // The tail is short: count down from the top.
    let above = ((1.0 - quantile.clamp(0.0, 1.0)) * total as f64).floor() as u64;
    let mut heads: Vec<_> = sketches
        .iter()
        .map(|s| s.buckets().rev().peekable())
        .collect();
    let mut seen = 0;
    loop {
        let bucket = heads
            .iter_mut()
            .filter_map(|head| head.peek().map(|(n, _)| *n))
            .max()?;
        for head in &mut heads {
            if let Some((_, count)) = head.next_if(|(number, _)| *number == bucket) {
                seen += u64::from(count);
            }
        }
        if seen > above {
            return Some(middle_of(bucket));
        }
    }
}

/// The number of the bucket that holds a duration.
fn bucket_of(micros: u64) -> u16 {
    let micros = micros.clamp(1, LONGEST_US) as f64;
    (micros.ln() / GAMMA.ln()).ceil() as u16
}

/// The duration that is at most 3 % from every one in the bucket, microseconds.
fn middle_of(bucket: u16) -> u64 {
    (2.0 * GAMMA.powi(i32::from(bucket)) / (GAMMA + 1.0)).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.record(*value));
        sketch
    }

    proptest! {
        #[test]
        fn quantiles_are_right_within_three_percent(
            mut values in prop::collection::vec(5_000u64..60_000_000, 1..400),
            share in 0.0f64..1.0,
        ) {
            let answer = quantile(&[&sketch(&values)], share).expect("not empty") as f64;
            values.sort_unstable();
            let above = ((1.0 - share) * values.len() as f64).floor() as usize;
            let exact = values[values.len() - 1 - above.min(values.len() - 1)] as f64;
            prop_assert!((answer - exact).abs() <= exact * 0.0301 + 1.0, "{answer} for {exact}");
        }

        #[test]
        fn any_values_keep_the_bound_and_the_total(
            values in prop::collection::vec(any::<u64>(), 0..300),
        ) {
            let sketch = sketch(&values);
            prop_assert_eq!(sketch.samples(), values.len() as u64);
            prop_assert!(sketch.allocated() <= BUCKETS_MAX * size_of::<u32>());
            prop_assert_eq!(
                sketch.buckets().map(|(_, count)| u64::from(count)).sum::<u64>(),
                values.len() as u64
            );
        }

        #[test]
        fn a_written_sketch_reads_back_the_same(
            values in prop::collection::vec(any::<u64>(), 0..200),
            cut in 0usize..400,
        ) {
            let sketch = sketch(&values);
            let mut bytes = Vec::new();
            sketch.write(&mut bytes);
            let read = Sketch::read(&bytes).expect("whole");
            prop_assert!(read.buckets().eq(sketch.buckets()));
            let _ = Sketch::read(&bytes[..cut.min(bytes.len())]);
        }

        #[test]
        fn merged_sketches_answer_like_one(
            left in prop::collection::vec(1u64..100_000_000, 0..200),
            right in prop::collection::vec(1u64..100_000_000, 1..200),
            limit in 100_000u64..10_000_000,
        ) {
            let (a, b) = (sketch(&left), sketch(&right));
            let mut merged = a.clone();
            merged.merge(&b);
            let both = sketch(&[left, right].concat());
            prop_assert_eq!(merged.samples(), both.samples());
            prop_assert_eq!(quantile(&[&a, &b], 0.99), quantile(&[&both], 0.99));
            prop_assert_eq!(merged.count_above(limit), both.count_above(limit));
        }

        #[test]
        fn the_count_above_is_never_too_small(
            values in prop::collection::vec(1u64..100_000_000, 1..200),
            limit in 5_000u64..60_000_000,
        ) {
            let exact = values.iter().filter(|value| **value > limit).count() as u64;
            prop_assert!(sketch(&values).count_above(limit) >= exact);
        }
    }

    #[test]
    fn one_outlier_of_a_minute_leaves_the_tail_readable() {
        let mut values = vec![20_000; 10_000];
        values.push(60_000_000);
        values.push(1);
        let p99 = quantile(&[&sketch(&values)], 0.99).expect("not empty");
        assert!((19_400..=20_600).contains(&p99), "{p99}");
    }

    #[test]
    fn the_sketches_of_a_quiet_route_are_small() {
        // A slot of a minute and a whole generation, at four requests a second over two decades.
        for (count, bytes_max) in [(240, 80), (5_000, 160)] {
            let values: Vec<u64> = (0..count).map(|n| 100 + n * n % 9_973).collect();
            let bytes = sketch(&values).allocated();
            assert!(bytes <= bytes_max, "{count}: {bytes}");
        }
    }

    #[test]
    fn a_full_bucket_saturates() {
        let mut sketch = Sketch::default();
        sketch.add(100, u32::MAX);
        sketch.add(100, 5);
        sketch.add(400, 1);
        assert_eq!(sketch.samples(), u64::from(u32::MAX) + 1);
    }
}
