//! Capped families of series, found by ids instead of label texts on the hot path.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// The value of every label of the series that takes what the cap left no room for.
const OVERFLOW: &str = "_overflow";

/// Finds or makes the series of these label values.
type Make<M> = Box<dyn Fn(&[&str]) -> M + Send>;

/// Series of one metric, by a key of ids: labels are made once per key, not once per event.
pub(super) struct SeriesMap<K, M> {
    make: Make<M>,
    by_key: HashMap<K, M>,
    labels: usize,
    max: usize,
}

impl<K, M> fmt::Debug for SeriesMap<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SeriesMap({} of at most {})",
            self.by_key.len(),
            self.max
        )
    }
}

impl<K: Eq + Hash, M: Clone> SeriesMap<K, M> {
    /// At most `max` series of `labels` labels each; `make` finds or makes one by label values.
    pub(super) fn new(
        make: impl Fn(&[&str]) -> M + Send + 'static,
        labels: usize,
        max: usize,
    ) -> Self {
        Self {
            make: Box::new(make),
            by_key: HashMap::new(),
            labels,
            max,
        }
    }

    /// The series of a key; `labels` makes its label values the first time. Past the cap: the one
    /// whose labels are all `_overflow`.
    pub(super) fn get(&mut self, key: K, labels: impl FnOnce() -> Vec<String>) -> M {
        if let Some(series) = self.by_key.get(&key) {
            return series.clone();
        }
        if self.by_key.len() >= self.max {
            return (self.make)(&vec![OVERFLOW; self.labels]);
        }
        let labels = labels();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let series = (self.make)(&labels);
        self.by_key.insert(key, series.clone());
        series
    }
}
