//! A route: its parents and hostnames as attachment sees them, and its rules, translated.

use super::backend_ref::BackendKey;
use super::backend_tls::Policies;
use super::rule::{Context, RuleState, translate};
use super::spec::RuleSpec;
use crate::attach::{ParentRef, ParentState, Problem, RouteShape};
use crate::index::{Lookup, Name};
use crate::object::types::grpcroutes::GrpcRouteRules;
use crate::object::types::httproutes::HttpRouteRules;
use crate::object::{GATEWAY_GROUP, Object, Stored};
use rauta_routing::{Hostname, RouteEntry};
use rauta_schemas::{Names, RouteKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A route, judged and translated.
#[derive(Clone, Debug)]
pub(crate) struct RouteState {
    /// The object it was made of.
    pub(crate) stored: Arc<Stored>,
    pub(crate) kind: RouteKind,
    pub(crate) parents: Vec<ParentState>,
    pub(crate) rules: Vec<RuleState>,
    /// What enters each listener's table, in the order of `attached`; empty where the route is
    /// not accepted.
    pub(crate) entries: Vec<Arc<RouteEntry>>,
}

/// The parentRefs of a route, in order; none for other objects.
pub(crate) fn parents(stored: &Stored) -> Vec<ParentRef> {
    macro_rules! parents {
        ($refs:expr) => {
            $refs
                .iter()
                .flatten()
                .map(|parent| ParentRef {
                    group: parent
                        .group
                        .clone()
                        .unwrap_or_else(|| GATEWAY_GROUP.to_owned()),
                    kind: parent.kind.clone().unwrap_or_else(|| "Gateway".to_owned()),
                    namespace: parent
                        .namespace
                        .clone()
                        .unwrap_or_else(|| stored.key.namespace.to_string()),
                    name: parent.name.clone(),
                    section_name: parent.section_name.clone(),
                    port: parent.port,
                })
                .collect()
        };
    }
    match &stored.object {
        Object::HttpRoute(route) => parents!(route.spec.parent_refs),
        Object::GrpcRoute(route) => parents!(route.spec.parent_refs),
        _ => Vec::new(),
    }
}

/// Attachment's view of a route; `None` for other objects.
pub(crate) fn shape(stored: &Stored) -> Option<RouteShape> {
    let (kind, hostnames) = match &stored.object {
        Object::HttpRoute(route) => (RouteKind::Http, &route.spec.hostnames),
        Object::GrpcRoute(route) => (RouteKind::Grpc, &route.spec.hostnames),
        _ => return None,
    };
    Some(RouteShape {
        kind,
        name: Name::from(&stored.key),
        parents: parents(stored),
        hostnames: hostnames
            .iter()
            .flatten()
            .map(|text| Hostname::new(text))
            .collect(),
    })
}

/// The rules of a route, of either kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rules<'a> {
    Http(&'a [HttpRouteRules]),
    Grpc(&'a [GrpcRouteRules]),
}

impl<'a> Rules<'a> {
    /// The rules of a route; `None` for other objects.
    pub(crate) fn of(stored: &'a Stored) -> Option<Self> {
        match &stored.object {
            Object::HttpRoute(route) => {
                Some(Self::Http(route.spec.rules.as_deref().unwrap_or_default()))
            }
            Object::GrpcRoute(route) => {
                Some(Self::Grpc(route.spec.rules.as_deref().unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// Whether the rules at `position` are equal.
    fn same_at(self, other: Self, position: usize) -> bool {
        match (self, other) {
            (Self::Http(a), Self::Http(b)) => a.get(position) == b.get(position),
            (Self::Grpc(a), Self::Grpc(b)) => a.get(position) == b.get(position),
            _ => false,
        }
    }

    fn specs(self) -> Vec<RuleSpec<'a>> {
        match self {
            Self::Http(rules) => rules.iter().map(RuleSpec::http).collect(),
            Self::Grpc(rules) => rules.iter().map(RuleSpec::grpc).collect(),
        }
    }

    /// Translates the rules; those that are as in `previous` are shared.
    pub(crate) fn translate(
        self,
        lookup: &Lookup<'_>,
        policies: &Policies,
        names: &Names,
        shape: &RouteShape,
        previous: Option<&RouteState>,
    ) -> Vec<RuleState> {
        let context = Context {
            lookup,
            policies,
            names,
            route: &shape.name,
            kind: shape.kind,
        };
        let before = previous.and_then(|state| Some((Rules::of(&state.stored)?, &state.rules)));
        let specs = self.specs();
        specs
            .iter()
            .enumerate()
            .map(|(position, spec)| {
                let same = before
                    .filter(|(rules, _)| self.same_at(*rules, position))
                    .and_then(|(_, states)| states.get(position));
                translate(&context, position, spec, same)
            })
            .collect()
    }
}

impl RouteState {
    /// Puts a route together. Entries that are equal, or as in `previous`, are shared.
    pub(crate) fn assemble(
        stored: &Arc<Stored>,
        kind: RouteKind,
        parents: Vec<ParentState>,
        rules: Vec<RuleState>,
        previous: Option<&Self>,
    ) -> Self {
        let mut state = Self {
            stored: stored.clone(),
            kind,
            parents,
            rules,
            entries: Vec::new(),
        };
        if state.unsupported().is_err() {
            return state;
        }
        let key = format!("{}/{}", stored.key.namespace, stored.key.name);
        let mut entries: Vec<Arc<RouteEntry>> = Vec::new();
        for attached in state.attached() {
            let entry = RouteEntry {
                hostnames: attached.hostnames.clone(),
                created: created(stored),
                key: key.clone(),
                rules: state
                    .rules
                    .iter()
                    .filter_map(|rule| rule.entry.clone())
                    .collect(),
            };
            let before = previous.into_iter().flat_map(|state| &state.entries);
            let known = before.chain(&entries).find(|old| is_same(old, &entry));
            let entry = known.cloned().unwrap_or_else(|| Arc::new(entry));
            entries.push(entry);
        }
        entries.shrink_to_fit();
        state.entries = entries;
        state
    }

    /// The listeners that take the route, each once, in the order of the parentRefs.
    pub(crate) fn attached(&self) -> impl Iterator<Item = &crate::attach::AttachedListener> {
        let mut seen = BTreeSet::new();
        self.parents
            .iter()
            .filter_map(|parent| parent.attached.as_ref().ok())
            .flatten()
            .filter(move |attached| {
                seen.insert((attached.gateway.clone(), attached.listener.clone()))
            })
    }

    /// An error where not one rule can be used: then the route is not accepted.
    pub(crate) fn unsupported(&self) -> Result<(), &Problem> {
        let mut problems = self.rules.iter().map(|rule| rule.unsupported.as_ref());
        match problems.next() {
            Some(Some(first)) if problems.all(|problem| problem.is_some()) => Err(first),
            _ => Ok(()),
        }
    }

    /// Every backend that its rules use.
    pub(crate) fn backends(&self) -> BTreeSet<&BackendKey> {
        self.resolutions()
            .filter_map(|resolution| resolution.backend.as_ref().ok())
            .collect()
    }

    /// What every reference of its rules led to.
    pub(crate) fn resolutions(&self) -> impl Iterator<Item = &super::backend_ref::Resolution> {
        self.rules.iter().flat_map(|rule| &rule.resolutions)
    }
}

/// Two entries of one route: nothing differs that a table could notice.
fn is_same(old: &RouteEntry, new: &RouteEntry) -> bool {
    old.hostnames == new.hostnames
        && old.created == new.created
        && old.rules.len() == new.rules.len()
        && (old.rules.iter().zip(&new.rules)).all(|(old, new)| Arc::ptr_eq(old, new))
}

/// The age as the routing model orders it: by first sight, where the source counts that.
fn created(stored: &Stored) -> SystemTime {
    match stored.age.ordinal {
        0 => stored.age.created,
        ordinal => SystemTime::UNIX_EPOCH + Duration::from_nanos(ordinal),
    }
}
