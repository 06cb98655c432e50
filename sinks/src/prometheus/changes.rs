//! How long changes of routing take to be live.

use super::{Error, prom};
use prom::{Histogram, HistogramOpts};
use std::time::Duration;

/// Seconds. A change of one route takes milliseconds, one of thousands a tenth of a second.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Times changes of routing.
#[derive(Clone, Debug)]
pub struct ChangeMetrics {
    live: Histogram,
}

impl ChangeMetrics {
    /// Registers the metric.
    pub fn new(registry: &prom::Registry) -> Result<Self, Error> {
        let options = HistogramOpts::new(
            "rauta_routing_apply_seconds",
            "Changes of routing, from the moment a changed file was seen to be complete to the \
             moment every worker served the change, seconds.",
        );
        let live = Histogram::with_opts(options.buckets(BUCKETS.to_vec()))?;
        registry.register(Box::new(live.clone()))?;
        Ok(Self { live })
    }

    /// Takes in a change that every worker serves `after` it was complete.
    pub fn is_live(&self, after: Duration) {
        self.live.observe(after.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::Page;

    #[test]
    fn a_change_counts_in_the_buckets_of_its_time() {
        let page = Page::default();
        let metrics = ChangeMetrics::new(page.registry()).expect("registers");
        metrics.is_live(Duration::from_millis(7));
        metrics.is_live(Duration::from_millis(80));
        let text = page.text().expect("encodes");
        for line in [
            "rauta_routing_apply_seconds_bucket{le=\"0.005\"} 0\n",
            "rauta_routing_apply_seconds_bucket{le=\"0.01\"} 1\n",
            "rauta_routing_apply_seconds_bucket{le=\"0.1\"} 2\n",
            "rauta_routing_apply_seconds_count 2\n",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
