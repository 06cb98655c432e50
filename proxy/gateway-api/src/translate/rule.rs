//! One rule of a route.

use super::backend_ref::{Referrer, Resolution, Resolutions};
use super::backend_tls::Policies;
use super::filters::filters;
use super::spec::{BackendSpec, RuleSpec};
use super::{limits, matches};
use crate::attach::Problem;
use crate::index::{Lookup, Name};
use crate::status::reason;
use rauta_routing::{
    BackendTarget, Filter, InvalidBackend, Rule, RuleEntry, Timeouts, WeightedBackend,
};
use rauta_schemas::{Names, RouteKind, RuleName};
use std::sync::Arc;

/// A rule, translated.
#[derive(Clone, Debug)]
pub(crate) struct RuleState {
    /// What its references led to.
    pub(crate) resolutions: Vec<Resolution>,
    /// `None`: its matches cannot be used, so it matches nothing.
    pub(crate) entry: Option<Arc<RuleEntry>>,
    /// Why it was dropped, or answers 500.
    pub(crate) unsupported: Option<Problem>,
    /// A reference that cannot be followed and that is no backend.
    pub(crate) unresolved: Option<Problem>,
}

/// The route that a rule belongs to, and what its rules are translated with.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) lookup: &'a Lookup<'a>,
    pub(super) policies: &'a Policies,
    pub(super) names: &'a Names,
    pub(super) route: &'a Name,
    pub(super) kind: RouteKind,
}

/// Translates the rule at `position`. Where `previous`, a translation of an equal rule, led to the
/// same backends, it is taken as it is.
pub(super) fn translate(
    context: &Context<'_>,
    position: usize,
    spec: &RuleSpec<'_>,
    previous: Option<&RuleState>,
) -> RuleState {
    let referrer = Referrer {
        kind: context.kind,
        namespace: &context.route.namespace,
    };
    let resolutions = Resolutions::of(spec, context.lookup, context.policies, referrer);
    if let Some(previous) = previous
        && previous.resolutions.iter().eq(resolutions.values())
    {
        return previous.clone();
    }
    let label = spec
        .name
        .map_or_else(|| position.to_string(), str::to_owned);
    let mut state = RuleState {
        resolutions: Vec::new(),
        entry: None,
        unsupported: None,
        unresolved: None,
    };
    match matches::matches(spec.matches) {
        Ok(found) => {
            let rule = Arc::new(rule(context, &label, spec, &resolutions, &mut state));
            state.entry = Some(Arc::new(RuleEntry {
                matches: found,
                rule,
            }));
        }
        Err(why) => {
            let message = format!("dropped rule {label}: {why}");
            state.unsupported = Some(Problem::new(reason::UNSUPPORTED_VALUE, message));
        }
    }
    state.resolutions = resolutions.into_values();
    state
}

fn rule(
    context: &Context<'_>,
    label: &str,
    spec: &RuleSpec<'_>,
    resolutions: &Resolutions<'_>,
    state: &mut RuleState,
) -> Rule {
    let mut rule = Rule {
        name: context.names.rules.intern(RuleName {
            kind: context.kind,
            namespace: context.route.namespace.to_string(),
            route: context.route.name.to_string(),
            rule: label.to_owned(),
            template: matches::template(spec.matches),
        }),
        kind: context.kind,
        filters: Vec::new(),
        backends: Vec::new(),
        timeouts: Timeouts::default(),
        retry: None,
    };
    let unsupported =
        |why: String| Problem::new(reason::UNSUPPORTED_VALUE, format!("rule {label}: {why}"));
    let parts = filters(&spec.filters, resolutions, context.names)
        .map_err(|problem| in_rule(label, problem))
        .and_then(|filters| {
            let timeouts = limits::timeouts(spec).map_err(unsupported)?;
            let retry = limits::retry(spec).map_err(unsupported)?;
            Ok((filters, timeouts, retry))
        });
    match parts {
        Ok((filters, timeouts, retry)) => {
            (rule.filters, rule.timeouts, rule.retry) = (filters, timeouts, retry);
            for backend in &spec.backends {
                let found = weighted(context, label, backend, resolutions, state);
                rule.backends.push(found);
            }
            rule.backends.shrink_to_fit();
        }
        Err(problem) => {
            note(state, problem);
            // Every request of the rule is answered 500.
            rule.backends.push(WeightedBackend {
                weight: 1,
                target: BackendTarget::Invalid(InvalidBackend::InvalidFilter),
                filters: Vec::new(),
            });
        }
    }
    rule
}

fn weighted(
    context: &Context<'_>,
    label: &str,
    spec: &BackendSpec<'_>,
    resolutions: &Resolutions<'_>,
    state: &mut RuleState,
) -> WeightedBackend {
    let own: Result<Vec<Filter>, Problem> = filters(&spec.filters, resolutions, context.names);
    let (target, filters) = match own {
        Ok(filters) => (resolutions.target(&spec.target, context.names), filters),
        Err(problem) => {
            note(state, in_rule(label, problem));
            let invalid = BackendTarget::Invalid(InvalidBackend::InvalidFilter);
            (invalid, Vec::new())
        }
    };
    WeightedBackend {
        weight: u32::try_from(spec.weight).unwrap_or_default(),
        target,
        filters,
    }
}

fn in_rule(label: &str, problem: Problem) -> Problem {
    Problem::new(problem.reason, format!("rule {label}: {}", problem.message))
}

/// Keeps the first problem of each kind.
fn note(state: &mut RuleState, problem: Problem) {
    let place = if problem.reason == reason::INVALID_KIND {
        &mut state.unresolved
    } else {
        &mut state.unsupported
    };
    place.get_or_insert(problem);
}
