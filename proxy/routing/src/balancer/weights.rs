//! Smooth weighted round robin: where one rule's rotation stands.
//!
//! Each step every backend's credit grows by its weight, the largest credit is picked and pays the
//! total. Credits stay between minus and plus the total, and a full cycle brings them back.

use crate::WeightedBackend;

/// The credits of a rule's backends.
#[derive(Debug)]
pub(super) struct Position {
    credits: Vec<i64>,
    /// The total of the weights that the credits belong to.
    total: i64,
}

/// Steps at most that a worker's start is moved by: enough that workers differ, little enough to
/// be walked at a rule's first request.
const OFFSET_MAX: u64 = 256;

impl Position {
    /// The start for worker `worker` of `workers`: that part of a cycle further on.
    pub(super) fn new(backends: &[WeightedBackend], worker: u32, workers: u32) -> Self {
        let mut position = Self {
            credits: vec![0; backends.len()],
            total: total(backends),
        };
        let divisor = backends.iter().fold(0, |divisor, b| {
            greatest_common_divisor(divisor, u64::from(b.weight))
        });
        let cycle = position.total.unsigned_abs() / divisor.max(1);
        let steps = cycle.min(OFFSET_MAX) * u64::from(worker) / u64::from(workers);
        for _ in 0..steps {
            position.step(backends);
        }
        position
    }

    /// The place that is next. Credits carry over to changed weights in proportion; another number
    /// of backends starts afresh.
    pub(super) fn next(&mut self, backends: &[WeightedBackend]) -> Option<usize> {
        let total = total(backends);
        if self.credits.len() != backends.len() {
            self.credits = vec![0; backends.len()];
        } else if self.total != total && self.total != 0 {
            for credit in &mut self.credits {
                let scaled = i128::from(*credit) * i128::from(total) / i128::from(self.total);
                *credit = i64::try_from(scaled).unwrap_or(0);
            }
        }
        self.total = total;
        self.step(backends)
    }

    fn step(&mut self, backends: &[WeightedBackend]) -> Option<usize> {
        let mut best: Option<(usize, i64)> = None;
        for (place, (credit, backend)) in self.credits.iter_mut().zip(backends).enumerate() {
            if backend.weight == 0 {
                // What it was owed, or owed, went with its weight.
                *credit = 0;
                continue;
            }
            *credit += i64::from(backend.weight);
            if best.is_none_or(|(_, most)| *credit > most) {
                best = Some((place, *credit));
            }
        }
        let (place, _) = best?;
        self.credits[place] -= self.total;
        Some(place)
    }
}

fn total(backends: &[WeightedBackend]) -> i64 {
    backends
        .iter()
        .map(|backend| i64::from(backend.weight))
        .sum()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
