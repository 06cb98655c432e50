//! The matches of a table under one numbering, and lists of them that share a path condition.

use super::RequestView;
use super::postings::Postings;
use super::rank::Rank;
use crate::condition::Conditions;
use crate::{Match, PathMatch, RouteEntry, Rule};
use std::ops::Range;
use std::sync::Arc;

/// One match of one rule of one route. Its number decides ties: candidates are numbered by the
/// route's age and name, then by rule and match in the order of their lists.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    /// Place in `Candidates::rules`.
    rule: u32,
    pub(crate) route: u32,
    /// Place of the rule in its route.
    pub(crate) rule_index: u32,
    /// Place of the match in its rule.
    pub(crate) match_index: u32,
    /// `None`: no condition but the path's.
    conditions: Option<Box<Conditions>>,
}

/// All candidates of a table, and the lists ("buckets") that its indexes point to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) routes: Vec<Arc<RouteEntry>>,
    all: Vec<Candidate>,
    rules: Vec<Arc<Rule>>,
    /// The buckets' candidates, one bucket behind the other, each in order of precedence.
    order: Vec<u32>,
}

/// Candidates that share a path condition (or the lack of an index for theirs), in order of
/// precedence.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    start: u32,
    end: u32,
    /// Each candidate's own path condition has to be looked at.
    checks_path: bool,
    /// Makes a long bucket short for one request.
    postings: Option<Box<Postings>>,
}

impl Candidates {
    /// Numbers the matches of `routes`, which are in order of precedence.
    pub(crate) fn new(routes: Vec<Arc<RouteEntry>>) -> Self {
        let mut all = Vec::new();
        let mut rules = Vec::new();
        for (route, entry) in (0_u32..).zip(&routes) {
            for (rule_index, rule) in (0_u32..).zip(&entry.rules) {
                let number = rules.len() as u32;
                rules.push(Arc::clone(&rule.rule));
                all.extend(
                    (0_u32..)
                        .zip(&rule.matches)
                        .map(|(match_index, m)| Candidate {
                            rule: number,
                            route,
                            rule_index,
                            match_index,
                            conditions: Conditions::of(m).map(Box::new),
                        }),
                );
            }
        }
        Self {
            routes,
            all,
            rules,
            order: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.all.len() as u32
    }

    pub(crate) fn at(&self, number: u32) -> &Candidate {
        &self.all[number as usize]
    }

    pub(crate) fn route(&self, number: u32) -> &RouteEntry {
        &self.routes[self.at(number).route as usize]
    }

    pub(crate) fn rule(&self, number: u32) -> &Arc<Rule> {
        &self.rules[self.at(number).rule as usize]
    }

    pub(crate) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    pub(crate) fn matched(&self, number: u32) -> &Match {
        let candidate = self.at(number);
        &self.route(number).rules[candidate.rule_index as usize].matches
            [candidate.match_index as usize]
    }

    pub(crate) fn path(&self, number: u32) -> &PathMatch {
        &self.matched(number).path
    }

    /// Sorts by precedence.
    pub(crate) fn sort(&self, numbers: &mut [u32]) {
        if numbers.len() > 1 {
            numbers.sort_by_cached_key(|number| (Rank::of(self.matched(*number)), *number));
        }
    }

    /// Makes a bucket of `numbers`.
    pub(crate) fn bucket(&mut self, mut numbers: Vec<u32>, checks_path: bool) -> Bucket {
        self.sort(&mut numbers);
        let start = self.order.len() as u32;
        self.order.extend_from_slice(&numbers);
        Bucket {
            start,
            end: self.order.len() as u32,
            checks_path,
            postings: Postings::new(self, &numbers).map(Box::new),
        }
    }

    /// The first candidate of `bucket` that `request` meets.
    pub(crate) fn first(&self, bucket: &Bucket, request: &RequestView<'_>) -> Option<u32> {
        let numbers = &self.order[bucket.range()];
        let holds = |number: u32| {
            (!bucket.checks_path || self.path(number).holds(request.path))
                && self.holds_beside_path(number, request)
        };
        match &bucket.postings {
            None => numbers.iter().copied().find(|number| holds(*number)),
            Some(postings) => postings
                .first(request, |place| holds(numbers[place as usize]))
                .map(|place| numbers[place as usize]),
        }
    }

    pub(crate) fn holds_beside_path(&self, number: u32, request: &RequestView<'_>) -> bool {
        self.at(number)
            .conditions
            .as_ref()
            .is_none_or(|conditions| conditions.hold(request))
    }
}

impl Bucket {
    fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}
