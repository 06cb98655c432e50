//! What a run of answers means: a probe changes its mind only after enough of the same.

/// How many answers of a kind in a row decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) success: u32,
    pub(super) failure: u32,
}

/// Counts answers.
#[derive(Debug)]
pub(super) struct Counter {
    thresholds: Thresholds,
    last: Option<bool>,
    run: u32,
    verdict: Option<bool>,
}

impl Counter {
    pub(super) fn new(thresholds: Thresholds) -> Self {
        Counter {
            thresholds,
            last: None,
            run: 0,
            verdict: None,
        }
    }

    /// Counts one answer; says something only when that changes the verdict.
    pub(super) fn count(&mut self, success: bool) -> Option<bool> {
        self.run = if self.last == Some(success) {
            self.run.saturating_add(1)
        } else {
            1
        };
        self.last = Some(success);
        let needed = match success {
            true => self.thresholds.success,
            false => self.thresholds.failure,
        };
        if self.run < needed || self.verdict == Some(success) {
            return None;
        }
        self.verdict = Some(success);
        self.verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_enough_of_the_same_in_a_row_change_the_verdict() {
        let check = |(success, failure): (u32, u32), answers: &str, expected: &str| {
            let mut counter = Counter::new(Thresholds { success, failure });
            let said: String = answers
                .chars()
                .map(|answer| match counter.count(answer == '+') {
                    Some(true) => 'Y',
                    Some(false) => 'N',
                    None => '.',
                })
                .collect();
            assert_eq!(said, expected, "{answers} with {success}/{failure}");
        };
        check((1, 3), "+++", "Y..");
        check((1, 3), "---", "..N");
        check((1, 3), "+--+---", "Y.....N");
        check((1, 3), "---+", "..NY");
        check((2, 1), "-+-++", "N...Y");
        check((1, 1), "+-+-", "YNYN");
    }
}
