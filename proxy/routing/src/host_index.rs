//! Finds what stands under a host: the exact name, then wildcards from the longest suffix to the
//! shortest, then what has no hostname. Each step is one hash lookup.

use crate::Hostname;
use crate::hash::FastMap;
use crate::hostname::suffixes;

/// Positions of things that have a hostname, or none, by that hostname.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostIndex {
    exact: FastMap<Box<str>, u32>,
    wildcards: FastMap<Box<str>, u32>,
    any: Option<u32>,
    /// Bytes of the longest suffix in `wildcards`: bounds the walk over a hostile host's labels.
    longest: usize,
}

impl HostIndex {
    /// Puts `position` under `hostname`, unless something stands there already, and answers the
    /// position that stands there now.
    pub(crate) fn insert(&mut self, hostname: Option<&Hostname>, position: u32) -> u32 {
        match hostname {
            Some(Hostname::Exact(name)) => {
                *self.exact.entry(name.as_str().into()).or_insert(position)
            }
            Some(Hostname::Wildcard(suffix)) => {
                self.longest = self.longest.max(suffix.len());
                *self
                    .wildcards
                    .entry(suffix.as_str().into())
                    .or_insert(position)
            }
            None => *self.any.get_or_insert(position),
        }
    }

    /// What stands under names that match `host`, the most specific first.
    pub(crate) fn matching<'a>(&'a self, host: &'a str) -> impl Iterator<Item = u32> + 'a {
        let wildcards =
            suffixes(host, self.longest).filter_map(|suffix| self.wildcards.get(suffix).copied());
        self.exact
            .get(host)
            .copied()
            .into_iter()
            .chain(wildcards)
            .chain(self.any)
    }

    /// What stands under no hostname.
    pub(crate) fn without_hostname(&self) -> Option<u32> {
        self.any
    }
}
