//! The candidates of one host group: those whose routes state the same hostname, or none.

use super::RequestView;
use super::candidate::{Bucket, Candidates};
use super::prefixes::Prefixes;
use super::regexes::Regexes;
use crate::condition::grpc_parts;
use crate::hash::FastMap;
use crate::{GrpcMethodMatch, Hostname, PathMatch, ValueMatch};

/// A host group, indexed by path. Its parts are asked in order of precedence (see `rank`).
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// What the host must match beside the hostname that the group is found by: a route's own
    /// hostname may be wider than its listener's.
    effective: Option<Hostname>,
    /// By the whole path: `Exact`, and gRPC with service and method.
    whole: FastMap<Box<str>, Bucket>,
    grpc: Option<Box<Grpc>>,
    regexes: Option<Box<Regexes>>,
    prefixes: Prefixes,
}

/// gRPC matches that a whole path does not index.
#[derive(Clone, Debug)]
struct Grpc {
    /// By the service.
    services: FastMap<Box<str>, Bucket>,
    /// Those that do not name a service.
    open: Bucket,
}

/// Candidates of a group, sorted by the part that indexes them.
#[derive(Debug, Default)]
pub(crate) struct GroupDraft {
    effective: Option<Hostname>,
    whole: FastMap<Box<str>, Vec<u32>>,
    services: FastMap<Box<str>, Vec<u32>>,
    open: Vec<u32>,
    regexes: Vec<u32>,
    prefixes: FastMap<Box<str>, Vec<u32>>,
}

impl GroupDraft {
    /// A group found by `own`, for requests that match `effective`.
    pub(crate) fn new(own: Option<&Hostname>, effective: Option<&Hostname>) -> Self {
        Self {
            effective: effective.filter(|_| own != effective).cloned(),
            ..Self::default()
        }
    }

    /// Adds a candidate with its path condition.
    pub(crate) fn add(&mut self, number: u32, path: &PathMatch) {
        match path {
            PathMatch::Exact(text) => push(&mut self.whole, text, number),
            PathMatch::Prefix(text) => push(&mut self.prefixes, text, number),
            PathMatch::Regex(_) => self.regexes.push(number),
            PathMatch::Grpc(GrpcMethodMatch {
                service: Some(ValueMatch::Exact(service)),
                method: Some(ValueMatch::Exact(method)),
            }) => push(&mut self.whole, &format!("/{service}/{method}"), number),
            PathMatch::Grpc(GrpcMethodMatch {
                service: Some(ValueMatch::Exact(service)),
                ..
            }) => push(&mut self.services, service, number),
            PathMatch::Grpc(_) => self.open.push(number),
        }
    }

    /// Builds the indexes.
    pub(crate) fn finish(self, candidates: &mut Candidates) -> Group {
        let whole = buckets(self.whole, candidates, false).collect();
        let grpc = (!self.services.is_empty() || !self.open.is_empty()).then(|| {
            Box::new(Grpc {
                services: buckets(self.services, candidates, true).collect(),
                open: candidates.bucket(self.open, true),
            })
        });
        let regexes =
            (!self.regexes.is_empty()).then(|| Box::new(Regexes::new(candidates, self.regexes)));
        let prefixes = Prefixes::new(buckets(self.prefixes, candidates, false));
        Group {
            effective: self.effective,
            whole,
            grpc,
            regexes,
            prefixes,
        }
    }
}

impl Group {
    /// The first candidate that `request` meets, and how many bytes of the path its prefix covers.
    pub(crate) fn first(
        &self,
        candidates: &Candidates,
        request: &RequestView<'_>,
    ) -> Option<(u32, usize)> {
        if let Some(effective) = &self.effective
            && !effective.matches(request.host)
        {
            return None;
        }
        self.whole
            .get(request.path)
            .and_then(|bucket| candidates.first(bucket, request))
            .or_else(|| self.grpc.as_ref()?.first(candidates, request))
            .or_else(|| self.regexes.as_ref()?.first(candidates, request))
            .map(|number| (number, request.path.len()))
            .or_else(|| self.prefixes.first(candidates, request))
    }
}

impl Grpc {
    fn first(&self, candidates: &Candidates, request: &RequestView<'_>) -> Option<u32> {
        grpc_parts(request.path)
            .and_then(|(service, _)| self.services.get(service))
            .and_then(|bucket| candidates.first(bucket, request))
            .or_else(|| candidates.first(&self.open, request))
    }
}

fn push(map: &mut FastMap<Box<str>, Vec<u32>>, text: &str, number: u32) {
    match map.get_mut(text) {
        Some(numbers) => numbers.push(number),
        None => {
            map.insert(text.into(), vec![number]);
        }
    }
}

fn buckets<K: From<Box<str>>>(
    texts: FastMap<Box<str>, Vec<u32>>,
    candidates: &mut Candidates,
    checks_path: bool,
) -> impl Iterator<Item = (K, Bucket)> {
    texts
        .into_iter()
        .map(move |(text, numbers)| (text.into(), candidates.bucket(numbers, checks_path)))
}
