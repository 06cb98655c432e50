//! Figures that only grow, as what they grew by since the collector last took them in.
//!
//! ```text
//! reading ─► minus what the collector has ─► points ─► delivery ─► taken in? then it has them
//! ```
//!
//! What a request that failed should have said is in the next one that is taken in: nothing is
//! lost, and each point begins where the last one that was taken in ended. Series that did not grow
//! say nothing.

use super::config::Temporality;
use super::delivery::Part;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, HistogramDataPoint, Metric, NumberDataPoint,
};
use prost::Message;
use std::collections::{BTreeSet, HashMap};
use std::mem;

/// A metric's name and a point's attributes.
type Series = Vec<u8>;

/// A figure that only grows, since RAUTA's start.
#[derive(Clone, Debug, PartialEq)]
enum Grown {
    Sum(f64),
    Histogram {
        count: u64,
        sum: f64,
        buckets: Vec<u64>,
    },
}

/// What the collector has of a series; `None`: nothing yet.
#[derive(Clone, Debug)]
struct Taken {
    grown: Option<Grown>,
    /// Up to then, nanoseconds since 1970.
    until_ns: u64,
}

/// What the collector has of each series.
#[derive(Debug)]
pub(super) struct Deltas {
    temporality: Temporality,
    /// When figures were read before.
    read_ns: u64,
    taken: HashMap<Series, Taken>,
    /// What it has once it takes in the points on their way: one for each of them, in order;
    /// `None` for those that are no deltas.
    on_their_way: Vec<Option<(Series, Taken)>>,
}

impl Deltas {
    /// Nothing was sent yet, and everything began at `start_ns`.
    pub(super) fn new(temporality: Temporality, start_ns: u64) -> Self {
        Self {
            temporality,
            read_ns: start_ns,
            taken: HashMap::new(),
            on_their_way: Vec::new(),
        }
    }

    /// Leaves of cumulative metrics what the collector does not have. `observed` are those that are
    /// asked for rather than kept: low memory keeps nothing for them.
    pub(super) fn reduce(
        &mut self,
        mut metrics: Vec<Metric>,
        observed: &BTreeSet<String>,
        now_ns: u64,
    ) -> Vec<Metric> {
        if self.temporality == Temporality::Cumulative {
            return metrics;
        }
        self.on_their_way.clear();
        let mut reading = Reading {
            since_ns: mem::replace(&mut self.read_ns, now_ns),
            now_ns,
            // Series that are gone are forgotten.
            earlier: mem::take(&mut self.taken),
            deltas: self,
        };
        for metric in &mut metrics {
            let is_observed = observed.contains(&metric.name);
            reading.reduce(metric, is_observed);
        }
        metrics.retain(|metric| !is_silent(metric));
        metrics
    }

    /// Tells what became of the points of the last [`Deltas::reduce`].
    pub(super) fn settle(&mut self, parts: &[Part]) {
        let mut on_their_way = mem::take(&mut self.on_their_way).into_iter();
        for part in parts {
            for _ in 0..part.items {
                if let Some(Some((series, taken))) = on_their_way.next()
                    && part.is_taken
                {
                    self.taken.insert(series, taken);
                }
            }
        }
    }
}

/// One reading of all figures.
struct Reading<'a> {
    since_ns: u64,
    now_ns: u64,
    earlier: HashMap<Series, Taken>,
    deltas: &'a mut Deltas,
}

impl Reading<'_> {
    fn reduce(&mut self, metric: &mut Metric, is_observed: bool) {
        let is_kept = self.deltas.temporality == Temporality::LowMemory && is_observed;
        let name = metric.name.as_str();
        match &mut metric.data {
            Some(Data::Sum(sum)) if sum.is_monotonic && !is_kept => {
                sum.aggregation_temporality = AggregationTemporality::Delta.into();
                sum.data_points.retain_mut(|point| self.number(name, point));
            }
            Some(Data::Histogram(histogram)) => {
                histogram.aggregation_temporality = AggregationTemporality::Delta.into();
                let points = &mut histogram.data_points;
                points.retain_mut(|point| self.histogram(name, point));
            }
            Some(Data::Sum(sum)) => self.pass(sum.data_points.len()),
            Some(Data::Gauge(gauge)) => self.pass(gauge.data_points.len()),
            Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => {}
        }
    }

    /// These many points stay as they are.
    fn pass(&mut self, points: usize) {
        let len = self.deltas.on_their_way.len();
        self.deltas.on_their_way.resize(len + points, None);
    }

    /// `false` where it says nothing.
    fn number(&mut self, name: &str, point: &mut NumberDataPoint) -> bool {
        let Some(Value::AsDouble(value)) = point.value else {
            self.pass(1);
            return true;
        };
        let series = series(name, &point.attributes);
        let Some((Grown::Sum(delta), since_ns)) = self.grew(series, Grown::Sum(value)) else {
            return false;
        };
        point.value = Some(Value::AsDouble(delta));
        point.start_time_unix_nano = since_ns;
        true
    }

    fn histogram(&mut self, name: &str, point: &mut HistogramDataPoint) -> bool {
        let grown = Grown::Histogram {
            count: point.count,
            sum: point.sum.unwrap_or(0.0),
            buckets: point.bucket_counts.clone(),
        };
        let series = series(name, &point.attributes);
        match self.grew(series, grown) {
            Some((
                Grown::Histogram {
                    count,
                    sum,
                    buckets,
                },
                since_ns,
            )) => {
                (point.count, point.sum, point.bucket_counts) = (count, Some(sum), buckets);
                point.start_time_unix_nano = since_ns;
                true
            }
            _ => false,
        }
    }

    /// What a series grew by, and since when; `None` where it did not.
    fn grew(&mut self, series: Series, grown: Grown) -> Option<(Grown, u64)> {
        // A series that was not there at the last reading began after it.
        let taken = self.earlier.remove(&series).unwrap_or(Taken {
            grown: None,
            until_ns: self.since_ns,
        });
        let delta = grown.since(taken.grown.as_ref());
        let since_ns = taken.until_ns.min(self.now_ns);
        let once_taken = Taken {
            grown: Some(grown),
            until_ns: self.now_ns,
        };
        if delta.is_nothing() {
            self.deltas.taken.insert(series, once_taken);
            return None;
        }
        self.deltas.taken.insert(series.clone(), taken);
        self.deltas.on_their_way.push(Some((series, once_taken)));
        Some((delta, since_ns))
    }
}

impl Grown {
    /// What lies between an earlier figure and this one; all of it where it began anew.
    fn since(&self, earlier: Option<&Self>) -> Self {
        match (self, earlier) {
            (Self::Sum(now), Some(Self::Sum(before))) if now >= before => Self::Sum(now - before),
            (
                Self::Histogram {
                    count,
                    sum,
                    buckets,
                },
                Some(Self::Histogram {
                    count: count_before,
                    sum: sum_before,
                    buckets: buckets_before,
                }),
            ) if count >= count_before && buckets.len() == buckets_before.len() => {
                let pairs = buckets.iter().zip(buckets_before);
                Self::Histogram {
                    count: count - count_before,
                    sum: sum - sum_before,
                    buckets: pairs
                        .map(|(now, before)| now.saturating_sub(*before))
                        .collect(),
                }
            }
            _ => self.clone(),
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Self::Sum(sum) => *sum == 0.0,
            Self::Histogram { count, .. } => *count == 0,
        }
    }
}

fn series(name: &str, attributes: &[KeyValue]) -> Series {
    let mut series = name.as_bytes().to_vec();
    for attribute in attributes {
        series.extend(attribute.encode_length_delimited_to_vec());
    }
    series
}

fn is_silent(metric: &Metric) -> bool {
    match &metric.data {
        Some(Data::Sum(sum)) => sum.data_points.is_empty(),
        Some(Data::Histogram(histogram)) => histogram.data_points.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::totals::DropReason;
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, Histogram, Sum};

    fn point(route: &str, value: f64, now_ns: u64) -> NumberDataPoint {
        let mut attributes = crate::otlp::attributes::Attributes::new();
        attributes.text("http.route", route);
        NumberDataPoint {
            attributes: attributes.into_list(),
            start_time_unix_nano: 1,
            time_unix_nano: now_ns,
            value: Some(Value::AsDouble(value)),
            ..NumberDataPoint::default()
        }
    }

    fn metric(name: &str, data: Data) -> Metric {
        Metric {
            name: name.to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }

    /// A total per route, an observed total of 7, a gauge of 9, and a histogram of that many in its
    /// second bucket.
    fn reading(routes: &[(&str, f64)], count: u64, now_ns: u64) -> Vec<Metric> {
        let cumulative = AggregationTemporality::Cumulative.into();
        let sum = |data_points| {
            Data::Sum(Sum {
                data_points,
                aggregation_temporality: cumulative,
                is_monotonic: true,
            })
        };
        let points = routes
            .iter()
            .map(|(route, value)| point(route, *value, now_ns));
        let histogram = HistogramDataPoint {
            start_time_unix_nano: 1,
            time_unix_nano: now_ns,
            count,
            sum: Some(count as f64 / 2.0),
            bucket_counts: vec![0, count],
            explicit_bounds: vec![0.1],
            ..HistogramDataPoint::default()
        };
        let gauge = Gauge {
            data_points: vec![point("", 9.0, now_ns)],
        };
        vec![
            metric("requests", sum(points.collect())),
            metric("observed", sum(vec![point("", 7.0, now_ns)])),
            metric("gauge", Data::Gauge(gauge)),
            metric(
                "duration",
                Data::Histogram(Histogram {
                    data_points: vec![histogram],
                    aggregation_temporality: cumulative,
                }),
            ),
        ]
    }

    fn part(items: u64, is_taken: bool) -> Part {
        Part {
            items,
            sent: if is_taken { items } else { 0 },
            dropped: DropReason::RetryExhausted,
            is_taken,
        }
    }

    /// Name, value or count, and the time it is about, of every point.
    fn told(metrics: &[Metric]) -> Vec<(String, f64, u64, u64)> {
        let mut told = Vec::new();
        for metric in metrics {
            let mut tell = |value, start, end| told.push((metric.name.clone(), value, start, end));
            match metric.data.as_ref().expect("data") {
                Data::Sum(Sum { data_points, .. }) | Data::Gauge(Gauge { data_points }) => {
                    for point in data_points {
                        let Some(Value::AsDouble(value)) = point.value else {
                            panic!("{point:?}")
                        };
                        tell(value, point.start_time_unix_nano, point.time_unix_nano);
                    }
                }
                Data::Histogram(histogram) => {
                    for point in &histogram.data_points {
                        assert_eq!(point.bucket_counts, [0, point.count]);
                        assert_eq!(point.sum, Some(point.count as f64 / 2.0));
                        let count = point.count as f64;
                        tell(count, point.start_time_unix_nano, point.time_unix_nano);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        told
    }

    fn owned(told: &[(&str, f64, u64, u64)]) -> Vec<(String, f64, u64, u64)> {
        let owned = told
            .iter()
            .map(|(name, value, start, end)| ((*name).to_owned(), *value, *start, *end));
        owned.collect()
    }

    fn none() -> BTreeSet<String> {
        BTreeSet::new()
    }

    #[test]
    fn growth_is_told_once_and_what_stands_still_is_silent() {
        let mut deltas = Deltas::new(Temporality::Delta, 10);
        let first = deltas.reduce(reading(&[("/a", 3.0)], 2, 20), &none(), 20);
        let expected = [
            ("requests", 3.0, 10, 20),
            ("observed", 7.0, 10, 20),
            ("gauge", 9.0, 1, 20),
            ("duration", 2.0, 10, 20),
        ];
        assert_eq!(told(&first), owned(&expected));
        deltas.settle(&[part(4, true)]);
        let second = deltas.reduce(reading(&[("/a", 3.0), ("/b", 1.0)], 7, 30), &none(), 30);
        let expected = [
            ("requests", 1.0, 20, 30),
            ("gauge", 9.0, 1, 30),
            ("duration", 5.0, 20, 30),
        ];
        assert_eq!(told(&second), owned(&expected));
        deltas.settle(&[part(3, true)]);
        let third = deltas.reduce(reading(&[("/a", 4.0), ("/b", 1.0)], 7, 40), &none(), 40);
        let expected = [("requests", 1.0, 30, 40), ("gauge", 9.0, 1, 40)];
        assert_eq!(told(&third), owned(&expected));
    }

    #[test]
    fn what_failed_is_in_the_next_that_is_taken_in() {
        let mut deltas = Deltas::new(Temporality::Delta, 10);
        deltas.reduce(reading(&[("/a", 3.0)], 2, 20), &none(), 20);
        deltas.settle(&[part(4, false)]);
        let second = deltas.reduce(reading(&[("/a", 5.0), ("/b", 1.0)], 2, 30), &none(), 30);
        let expected = [
            ("requests", 5.0, 10, 30),
            ("requests", 1.0, 20, 30),
            ("observed", 7.0, 10, 30),
            ("gauge", 9.0, 1, 30),
            ("duration", 2.0, 10, 30),
        ];
        assert_eq!(told(&second), owned(&expected));
        // Halves: only the first two points arrive.
        deltas.settle(&[part(2, true), part(3, false)]);
        let third = deltas.reduce(reading(&[("/a", 5.0), ("/b", 3.0)], 3, 40), &none(), 40);
        let expected = [
            ("requests", 2.0, 30, 40),
            ("observed", 7.0, 10, 40),
            ("gauge", 9.0, 1, 40),
            ("duration", 3.0, 10, 40),
        ];
        assert_eq!(told(&third), owned(&expected));
        // RAUTA is told to end before anything is sent: nothing is known to be taken.
        deltas.settle(&[]);
        let fourth = deltas.reduce(reading(&[("/a", 5.0), ("/b", 3.0)], 3, 50), &none(), 50);
        assert_eq!(told(&fourth)[0], ("requests".to_owned(), 2.0, 30, 50));
    }

    #[test]
    fn a_series_that_went_and_came_again_begins_anew() {
        let mut deltas = Deltas::new(Temporality::Delta, 10);
        deltas.reduce(reading(&[("/a", 3.0)], 0, 20), &none(), 20);
        deltas.settle(&[part(3, true)]);
        deltas.reduce(reading(&[], 0, 30), &none(), 30);
        assert_eq!(deltas.taken.len(), 2, "nothing is kept of what is gone");
        let again = deltas.reduce(reading(&[("/a", 1.0)], 0, 40), &none(), 40);
        assert_eq!(told(&again)[0], ("requests".to_owned(), 1.0, 30, 40));
        deltas.settle(&[part(2, true)]);
        // Smaller than before without having gone: it began anew as well.
        let fallen = deltas.reduce(reading(&[("/a", 0.5)], 0, 50), &none(), 50);
        assert_eq!(told(&fallen)[0], ("requests".to_owned(), 0.5, 40, 50));
    }

    #[test]
    fn low_memory_leaves_observed_totals_and_cumulative_leaves_all() {
        let observed = BTreeSet::from(["observed".to_owned()]);
        let mut deltas = Deltas::new(Temporality::LowMemory, 10);
        for now_ns in [20, 30] {
            let metrics = deltas.reduce(reading(&[("/a", 3.0)], 2, now_ns), &observed, now_ns);
            let told = told(&metrics);
            let kept = told.iter().find(|(name, ..)| name == "observed");
            assert_eq!(kept, Some(&("observed".to_owned(), 7.0, 1, now_ns)));
            let points = told.len() as u64;
            assert_eq!(points, if now_ns == 20 { 4 } else { 2 });
            deltas.settle(&[part(points, true)]);
        }
        assert_eq!(deltas.taken.len(), 2);

        let mut deltas = Deltas::new(Temporality::Cumulative, 10);
        let metrics = reading(&[("/a", 3.0)], 2, 20);
        assert_eq!(deltas.reduce(metrics.clone(), &observed, 20), metrics);
        deltas.settle(&[part(4, true)]);
        assert!(deltas.taken.is_empty());
    }
}
