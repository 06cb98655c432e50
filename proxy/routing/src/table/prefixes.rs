//! Path prefixes of one host: the longest that covers a path, then the shorter ones behind it.
//!
//! Only lengths that some prefix has are tried, the longest first, and only where the path has an
//! element's end: a path of a thousand elements costs what the configuration is varied. (A radix
//! router answers one best match; here a request falls through to the next shorter prefix when
//! headers or method do not fit.)

use super::RequestView;
use super::candidate::{Bucket, Candidates};
use crate::hash::FastMap;
use std::cmp::Reverse;

/// Buckets by prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    /// Places in `nodes`; without the empty prefix.
    by_text: FastMap<Box<str>, u32>,
    nodes: Vec<Node>,
    /// The prefix of every path.
    root: Option<u32>,
    /// The lengths of all prefixes in `by_text`, each once, the longest first.
    lengths: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Node {
    bucket: Bucket,
    length: usize,
    /// The next shorter prefix that covers this one.
    shorter: Option<u32>,
}

impl Prefixes {
    /// Indexes buckets by their prefixes.
    pub(crate) fn new(buckets: impl IntoIterator<Item = (String, Bucket)>) -> Self {
        let mut prefixes = Self::default();
        for (place, (text, bucket)) in (0_u32..).zip(buckets) {
            prefixes.nodes.push(Node {
                bucket,
                length: text.len(),
                shorter: None,
            });
            if text.is_empty() {
                prefixes.root = Some(place);
            } else {
                prefixes.lengths.push(text.len());
                prefixes.by_text.insert(text.into(), place);
            }
        }
        prefixes
            .lengths
            .sort_unstable_by_key(|length| Reverse(*length));
        prefixes.lengths.dedup();
        let links: Vec<_> = prefixes
            .by_text
            .iter()
            .map(|(text, place)| (*place, prefixes.longest(text, text.len() - 1)))
            .collect();
        for (place, shorter) in links {
            prefixes.nodes[place as usize].shorter = shorter;
        }
        prefixes
    }

    /// The first candidate that `request` meets, and the length of its prefix.
    pub(crate) fn first(
        &self,
        candidates: &Candidates,
        request: &RequestView<'_>,
    ) -> Option<(u32, usize)> {
        let mut next = self.longest(request.path, request.path.len());
        while let Some(place) = next {
            let node = &self.nodes[place as usize];
            if let Some(number) = candidates.first(&node.bucket, request) {
                return Some((number, node.length));
            }
            next = node.shorter;
        }
        None
    }

    /// The longest prefix of at most `length_max` bytes that covers `path`.
    fn longest(&self, path: &str, length_max: usize) -> Option<u32> {
        let ends_element = |length: usize| path.as_bytes().get(length).is_none_or(|b| *b == b'/');
        self.lengths
            .iter()
            .filter(|length| **length <= length_max && ends_element(**length))
            .find_map(|length| self.by_text.get(&path[..*length]).copied())
            .or(self.root)
    }
}
