//! Path expressions of one host: one pass over the path finds the first that matches.
//!
//! All patterns are compiled into one automaton whose search answers the earliest pattern of the
//! list that matches. Only when that one's other conditions fail are the later ones tried, one by
//! one. Patterns are in the order of their first candidates, so nothing before the answer's first
//! candidate can be met.

use super::RequestView;
use super::candidate::Candidates;
use crate::PathMatch;
use crate::hash::FastMap;
use regex_automata::meta;
use regex_automata::{Anchored, Input};

/// Candidates with path expressions, in order of precedence.
#[derive(Clone, Debug)]
pub(crate) struct Regexes {
    entries: Vec<Entry>,
    /// Place in `entries` of each pattern's first candidate; ascending.
    firsts: Vec<u32>,
    /// Of all patterns at once; `None` for a single one, or where they are too large together.
    set: Option<meta::Regex>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    candidate: u32,
    /// Place in `firsts`.
    pattern: u32,
}

/// Bytes that the automaton of all patterns may take; beyond it each is tried by itself.
const SET_BYTES_MAX: usize = 8 << 20;

impl Regexes {
    /// Indexes `numbers`, candidates with path expressions.
    pub(crate) fn new(candidates: &Candidates, mut numbers: Vec<u32>) -> Self {
        candidates.sort(&mut numbers);
        let mut patterns: Vec<&str> = Vec::new();
        let mut firsts = Vec::new();
        let mut known: FastMap<&str, u32> = FastMap::default();
        let mut entries = Vec::new();
        for (place, candidate) in (0_u32..).zip(numbers) {
            let PathMatch::Regex(regex) = candidates.path(candidate) else {
                continue;
            };
            let pattern = *known.entry(regex.as_str()).or_insert_with(|| {
                patterns.push(regex.as_str());
                firsts.push(place);
                firsts.len() as u32 - 1
            });
            entries.push(Entry { candidate, pattern });
        }
        let set = (patterns.len() > 1).then(|| compile(&patterns)).flatten();
        Self {
            entries,
            firsts,
            set,
        }
    }

    /// The first candidate that `request` meets.
    pub(crate) fn first(&self, candidates: &Candidates, request: &RequestView<'_>) -> Option<u32> {
        let (start, matching) = match &self.set {
            None => (0, None),
            Some(set) => {
                let input = Input::new(request.path).anchored(Anchored::Yes);
                let found = set.search_half(&input)?.pattern().as_u32();
                (self.firsts[found as usize], Some(found))
            }
        };
        self.entries[start as usize..]
            .iter()
            .find(|entry| {
                candidates.holds_beside_path(entry.candidate, request)
                    && match matching {
                        Some(first) if entry.pattern <= first => entry.pattern == first,
                        _ => candidates.path(entry.candidate).holds(request.path),
                    }
            })
            .map(|entry| entry.candidate)
    }
}

fn compile(patterns: &[&str]) -> Option<meta::Regex> {
    let config = meta::Config::new().nfa_size_limit(Some(SET_BYTES_MAX));
    meta::Builder::new()
        .configure(config)
        .build_many(patterns)
        .ok()
}
