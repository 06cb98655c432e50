//! Path prefixes of one host: the longest that covers a path, then the shorter ones behind it.
//!
//! A path is cut at its element boundaries, and each cut is looked up as a whole; lengths that no
//! prefix has are skipped, so that a path of a thousand elements costs what the configuration is
//! deep. (A radix router answers one best match; here a request falls through to the next shorter
//! prefix when headers or method do not fit.)

use super::RequestView;
use super::candidate::{Bucket, Candidates};
use crate::hash::FastMap;

/// Buckets by prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefixes {
    /// Places in `nodes`; without the empty prefix.
    by_text: FastMap<Box<str>, u32>,
    nodes: Vec<Node>,
    /// The prefix of every path.
    root: Option<u32>,
    /// Bit n: some prefix is n bytes long.
    lengths: Vec<u64>,
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
                prefixes.note_length(text.len());
                prefixes.by_text.insert(text.into(), place);
            }
        }
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
        let bound = length_max.min(self.lengths.len() * 64);
        let cuts = memchr::memchr_iter(b'/', &path.as_bytes()[..bound.min(path.len())])
            .chain((bound >= path.len()).then_some(path.len()));
        let mut longest = self.root;
        for cut in cuts {
            if self.has_length(cut)
                && let Some(place) = self.by_text.get(&path[..cut])
            {
                longest = Some(*place);
            }
        }
        longest
    }

    fn note_length(&mut self, length: usize) {
        let word = length / 64;
        if self.lengths.len() <= word {
            self.lengths.resize(word + 1, 0);
        }
        self.lengths[word] |= 1 << (length % 64);
    }

    fn has_length(&self, length: usize) -> bool {
        self.lengths
            .get(length / 64)
            .is_some_and(|word| word & (1 << (length % 64)) != 0)
    }
}
