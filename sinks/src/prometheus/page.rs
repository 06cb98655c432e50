//! The page that a scrape reads.

use super::{Error, prom};
use prom::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// One exact figure, read at the scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The metric's name; counters end in `_total`.
    pub name: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Does it only ever grow?
    pub is_counter: bool,
    /// Label names and values; values from closed enums or configuration.
    pub labels: Vec<(&'static str, String)>,
    /// The figure.
    pub value: f64,
}

impl Sample {
    /// A figure that only grows.
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self {
            name,
            help,
            is_counter: true,
            labels: Vec::new(),
            value: value as f64,
        }
    }

    /// A figure that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            help,
            is_counter: false,
            labels: Vec::new(),
            value,
        }
    }

    /// With one more label.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// Asked for its figures at each scrape.
pub type Source = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// Everything a scrape shows.
#[derive(Default)]
pub struct Page {
    registry: prom::Registry,
    sources: Mutex<Vec<Source>>,
}

/// What a page shows at one moment.
#[derive(Debug)]
pub(crate) struct Reading {
    /// Every metric, in the order of their names.
    pub(crate) families: Vec<MetricFamily>,
    /// The names of those that sources were asked for, rather than kept in the registry.
    pub(crate) observed: BTreeSet<String>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}

impl Page {
    /// The registry for metrics that are kept rather than asked for.
    pub fn registry(&self) -> &prom::Registry {
        &self.registry
    }

    /// Adds a source of exact figures.
    pub fn add_source(&self, source: Source) {
        self.sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(source);
    }

    /// The page in Prometheus' text format, metrics in the order of their names.
    pub fn text(&self) -> Result<String, Error> {
        let mut text = String::new();
        prom::TextEncoder::new().encode_utf8(&self.reading().families, &mut text)?;
        Ok(text)
    }

    /// Every metric with its figures now.
    pub(crate) fn reading(&self) -> Reading {
        let mut observed = BTreeSet::new();
        let mut families: BTreeMap<String, MetricFamily> = self
            .registry
            .gather()
            .into_iter()
            .map(|family| (family.name().to_owned(), family))
            .collect();
        for source in self
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            for sample in source() {
                if !observed.contains(sample.name) {
                    observed.insert(sample.name.to_owned());
                }
                add(&mut families, sample);
            }
        }
        Reading {
            families: families.into_values().collect(),
            observed,
        }
    }
}

fn add(families: &mut BTreeMap<String, MetricFamily>, sample: Sample) {
    let family = families.entry(sample.name.to_owned()).or_insert_with(|| {
        let mut family = MetricFamily::default();
        family.set_name(sample.name.to_owned());
        family.set_help(sample.help.to_owned());
        family.set_field_type(match sample.is_counter {
            true => MetricType::COUNTER,
            false => MetricType::GAUGE,
        });
        family
    });
    let mut metric = Metric::default();
    metric.set_label(
        sample
            .labels
            .into_iter()
            .map(|(name, value)| pair(name, value))
            .collect(),
    );
    if sample.is_counter {
        let mut counter = Counter::default();
        counter.set_value(sample.value);
        metric.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(sample.value);
        metric.set_gauge(gauge);
    }
    family.mut_metric().push(metric);
}

fn pair(name: &str, value: String) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_asked_at_each_scrape() {
        let page = Page::default();
        let count = std::sync::atomic::AtomicU64::new(0);
        page.add_source(Box::new(move || {
            let value = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            vec![
                Sample::counter("rauta_b_total", "Counts.", value).label("kind", "x\"y"),
                Sample::gauge("rauta_a", "Stands.", 2.5),
            ]
        }));
        let first = page.text().expect("encodes");
        assert!(
            first.contains("# TYPE rauta_b_total counter\nrauta_b_total{kind=\"x\\\"y\"} 0\n"),
            "{first}"
        );
        assert!(
            first.contains("# HELP rauta_a Stands.\n# TYPE rauta_a gauge\nrauta_a 2.5\n"),
            "{first}"
        );
        assert!(
            first.find("rauta_a") < first.find("rauta_b_total"),
            "{first}"
        );
        assert!(
            page.text()
                .expect("encodes")
                .contains("rauta_b_total{kind=\"x\\\"y\"} 1\n")
        );
    }
}
