//! Keeps the scan short where thousands of rules share a path and differ in headers or query.
//!
//! Each candidate stands under one of its exact header or query conditions, the one that the
//! fewest others share; a candidate without any stands in `rest`. A request looks up its own
//! headers and parameters, so what it scans is bounded by the candidates under its own values plus
//! `rest`, not by all rules of the path. What stands under a value is only a superset of what
//! matches: every condition is looked at again.

use super::RequestView;
use super::candidate::Candidates;
use crate::condition::{decode, header_value, query_parameters};
use crate::hash::FastMap;
use crate::{Match, ValueMatch};
use http::HeaderName;

/// Places in a bucket, by an exact condition of the candidate there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    headers: FastMap<HeaderName, Places>,
    query: FastMap<Box<[u8]>, Places>,
    /// Candidates without an exact condition; ascending.
    rest: Vec<u32>,
}

/// Ascending places by value.
type Places = FastMap<Box<[u8]>, Vec<u32>>;

/// Shorter buckets are scanned: that is faster than the look-ups.
const SCANNED_MAX: usize = 16;

/// An exact condition: where it looks, and the value.
type Condition<'a> = (Field<'a>, &'a str);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Field<'a> {
    Header(&'a HeaderName),
    Query(&'a str),
}

impl Postings {
    /// The postings of a bucket that holds `numbers`; `None` where scanning it is as good.
    pub(crate) fn new(candidates: &Candidates, numbers: &[u32]) -> Option<Self> {
        if numbers.len() <= SCANNED_MAX {
            return None;
        }
        let mut shared: FastMap<Condition<'_>, u32> = FastMap::default();
        for number in numbers {
            for condition in exact_conditions(candidates.matched(*number)) {
                *shared.entry(condition).or_default() += 1;
            }
        }
        if shared.is_empty() {
            return None;
        }
        let mut postings = Self::default();
        for (place, number) in (0_u32..).zip(numbers) {
            let rarest = exact_conditions(candidates.matched(*number))
                .min_by_key(|condition| shared.get(condition).copied());
            postings.add(rarest, place);
        }
        Some(postings)
    }

    fn add(&mut self, condition: Option<Condition<'_>>, place: u32) {
        let (places, value) = match condition {
            Some((Field::Header(name), value)) => {
                (self.headers.entry(name.clone()).or_default(), value)
            }
            Some((Field::Query(name), value)) => {
                (self.query.entry(name.as_bytes().into()).or_default(), value)
            }
            None => return self.rest.push(place),
        };
        places
            .entry(value.as_bytes().into())
            .or_default()
            .push(place);
    }

    /// The least place that `holds`.
    pub(crate) fn first(
        &self,
        request: &RequestView<'_>,
        holds: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut best: Option<u32> = None;
        let mut scan = |places: &[u32]| {
            let better = places
                .iter()
                .copied()
                .take_while(|place| best.is_none_or(|best| *place < best))
                .find(|place| holds(*place));
            best = better.or(best);
        };
        if !self.headers.is_empty() {
            request.headers.visit(&mut |name, _| {
                if let Some(places) = self.headers.get(name)
                    && let Some(value) = header_value(request.headers, name)
                    && let Some(places) = places.get(&*value)
                {
                    scan(places);
                }
            });
        }
        if !self.query.is_empty() {
            for (name, value) in query_parameters(request.query) {
                if let Some(places) = self.query.get(&*decode(name))
                    && let Some(places) = places.get(&*decode(value))
                {
                    scan(places);
                }
            }
        }
        scan(&self.rest);
        best
    }
}

fn exact_conditions(m: &Match) -> impl Iterator<Item = Condition<'_>> {
    let headers = m.headers.iter().map(|h| (Field::Header(&h.name), &h.value));
    let query = m.query.iter().map(|q| (Field::Query(&q.name), &q.value));
    headers
        .chain(query)
        .filter_map(|(field, value)| match value {
            ValueMatch::Exact(value) => Some((field, value.as_str())),
            ValueMatch::Regex(_) => None,
        })
}
