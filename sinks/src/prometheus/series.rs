//! Capped families of series, found by ids instead of label texts on the hot path, and kept small:
//! with the library's own vectors a series takes some 2.5 KiB, for each has its own description.

use super::{Error, prom};
use prom::core::{Collector, Desc};
use prom::proto::{Bucket, Counter, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The value of every label of the series that takes what the cap left no room for.
const OVERFLOW: &str = "_overflow";

/// A metric's name and its help.
pub(super) type Described = (&'static str, &'static str);

/// What a family is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// A counter of the same labels, if there is one.
    pub(super) counter: Option<Described>,
    pub(super) histogram: Described,
    pub(super) labels: &'static [&'static str],
    /// Upper bounds, rising; one more bucket takes what is beyond.
    pub(super) bounds: &'static [f64],
}

/// One series. Only one thread writes; a scrape may read between two of its stores.
#[derive(Debug)]
pub(super) struct Series {
    labels: Box<[Box<str>]>,
    bounds: &'static [f64],
    counted: AtomicU64,
    /// The bits of an `f64`.
    sum: AtomicU64,
    /// Each bucket's own count, the one beyond all bounds last.
    buckets: Box<[AtomicU64]>,
}

impl Series {
    fn new(shape: &Shape, labels: impl Iterator<Item = Box<str>>) -> Self {
        Self {
            labels: labels.collect(),
            bounds: shape.bounds,
            counted: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            buckets: (0..=shape.bounds.len())
                .map(|_| AtomicU64::new(0))
                .collect(),
        }
    }

    /// Counts some.
    pub(super) fn count(&self, more: u64) {
        add(&self.counted, more);
    }

    /// Takes one value in.
    pub(super) fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        add(&self.buckets[bucket], 1);
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed)) + value;
        self.sum.store(sum.to_bits(), Ordering::Relaxed);
    }

    fn histogram(&self) -> Option<Histogram> {
        let mut count = 0;
        let mut cumulative = |bucket: &AtomicU64| {
            count += bucket.load(Ordering::Relaxed);
            count
        };
        let buckets = self.bounds.iter().zip(&self.buckets);
        let buckets = buckets.map(|(bound, own)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(cumulative(own));
            bucket
        });
        let buckets = buckets.collect();
        let count = cumulative(&self.buckets[self.bounds.len()]);
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_sum(f64::from_bits(self.sum.load(Ordering::Relaxed)));
        histogram.set_sample_count(count);
        (count > 0).then_some(histogram)
    }

    fn metric(&self, shape: &Shape) -> Metric {
        let pairs = shape.labels.iter().zip(&self.labels);
        let mut pairs: Vec<LabelPair> = pairs
            .map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value.to_string());
                pair
            })
            .collect();
        pairs.sort();
        Metric::from_label(pairs)
    }
}

/// The one writer needs no atomic addition.
fn add(figure: &AtomicU64, more: u64) {
    figure.store(
        figure.load(Ordering::Relaxed).wrapping_add(more),
        Ordering::Relaxed,
    );
}

/// All series of a family, for a scrape.
#[derive(Clone)]
struct Scraped {
    shape: Shape,
    descriptions: Vec<Desc>,
    series: Arc<Mutex<Vec<Arc<Series>>>>,
}

impl Scraped {
    fn add<'a>(&self, labels: impl Iterator<Item = &'a str>) -> Arc<Series> {
        let series = Arc::new(Series::new(&self.shape, labels.map(Box::from)));
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&series));
        series
    }
}

impl Collector for Scraped {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = series.clone();
        let shape = &self.shape;
        let counted = shape.counter.map(|described| {
            let metrics = series.iter().map(|series| {
                let mut counter = Counter::default();
                counter.set_value(series.counted.load(Ordering::Relaxed) as f64);
                let mut metric = series.metric(shape);
                metric.set_counter(counter);
                metric
            });
            family(described, MetricType::COUNTER, metrics.collect())
        });
        let metrics = series.iter().filter_map(|series| {
            let histogram = series.histogram()?;
            let mut metric = series.metric(shape);
            metric.set_histogram(histogram);
            Some(metric)
        });
        let observed = family(shape.histogram, MetricType::HISTOGRAM, metrics.collect());
        counted.into_iter().chain([observed]).collect()
    }
}

fn family((name, help): Described, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

/// Series by a key of ids: labels are made once per key, not once per event.
pub(super) struct SeriesMap<K> {
    by_key: HashMap<K, Arc<Series>>,
    overflow: Option<Arc<Series>>,
    scraped: Scraped,
    max: usize,
}

impl<K> fmt::Debug for SeriesMap<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, max) = (self.by_key.len(), self.max);
        write!(f, "SeriesMap({count} of at most {max})")
    }
}

impl<K: Eq + Hash> SeriesMap<K> {
    /// At most `max` series, shown by this registry.
    pub(super) fn register(
        shape: Shape,
        max: usize,
        registry: &prom::Registry,
    ) -> Result<Self, Error> {
        let labels: Vec<String> = shape.labels.iter().map(ToString::to_string).collect();
        let described = shape.counter.into_iter().chain([shape.histogram]);
        let descriptions = described
            .map(|(name, help)| Desc::new(name.into(), help.into(), labels.clone(), HashMap::new()))
            .collect::<Result<_, _>>()?;
        let scraped = Scraped {
            shape,
            descriptions,
            series: Arc::default(),
        };
        registry.register(Box::new(scraped.clone()))?;
        Ok(Self {
            by_key: HashMap::new(),
            overflow: None,
            scraped,
            max,
        })
    }

    /// A series beside those of keys.
    pub(super) fn add<'a>(&self, labels: impl Iterator<Item = &'a str>) -> Arc<Series> {
        self.scraped.add(labels)
    }

    /// The series of a key; `labels` makes its label values the first time. Past the cap: the one
    /// whose labels are all `_overflow`.
    pub(super) fn get(&mut self, key: K, labels: impl FnOnce() -> Vec<String>) -> &Series {
        let (scraped, has_room) = (&self.scraped, self.by_key.len() < self.max);
        match self.by_key.entry(key) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) if has_room => {
                place.insert(scraped.add(labels().iter().map(String::as_str)))
            }
            Entry::Vacant(_) => {
                let names = scraped.shape.labels.iter();
                self.overflow
                    .get_or_insert_with(|| scraped.add(names.map(|_| OVERFLOW)))
            }
        }
    }
}
