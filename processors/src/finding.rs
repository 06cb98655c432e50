//! What a processor says: an anomaly by ids, before names are resolved.

use rauta_schemas::{
    AnomalyKind, BackendId, Baseline, EndpointId, HttpMethod, Identity, ListenerId, Names,
    Observed, Phase, Reason, RuleId, SampleExchange, Severity, Side,
};

/// The thing that has one baseline: the most specific part of an exchange's identity that says
/// which configuration it met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum About {
    /// A rule of a route.
    Rule(RuleId),
    /// A backend, where no rule is known (traffic that RAUTA only watches).
    Backend(BackendId),
    /// A listener, where no route was reached.
    Listener(ListenerId),
    /// One endpoint.
    Endpoint(EndpointId),
}

impl About {
    /// What an exchange with this identity is about; `None` where nothing is known.
    pub(crate) fn of(identity: &Identity) -> Option<Self> {
        if identity.rule.is_some() {
            Some(Self::Rule(identity.rule))
        } else if identity.backend.is_some() {
            Some(Self::Backend(identity.backend))
        } else if identity.listener.is_some() {
            Some(Self::Listener(identity.listener))
        } else {
            None
        }
    }

    /// A text that means the same after a restart, e.g. `HTTPRoute/shop/cart/0`; `None` where the
    /// name is gone.
    pub(crate) fn text(self, names: &Names) -> Option<String> {
        Some(match self {
            Self::Rule(id) => {
                let rule = names.rule(id)?;
                format!(
                    "{}/{}/{}/{}",
                    rule.kind.label(),
                    rule.namespace,
                    rule.route,
                    rule.rule
                )
            }
            Self::Backend(id) => {
                let backend = names.backend(id)?;
                format!(
                    "Service/{}/{}/{}",
                    backend.namespace, backend.service, backend.port
                )
            }
            Self::Listener(id) => {
                let listener = names.listener(id)?;
                format!(
                    "Gateway/{}/{}/{}",
                    listener.namespace, listener.gateway, listener.listener
                )
            }
            Self::Endpoint(id) => {
                let endpoint = names.endpoint(id)?;
                let backend = Self::Backend(endpoint.backend)
                    .text(names)
                    .unwrap_or_default();
                format!("{backend}/{}", endpoint.address)
            }
        })
    }

    /// A text for an id whose name is gone.
    pub(crate) fn number_text(self) -> String {
        match self {
            Self::Rule(id) => format!("rule-{}", id.number()),
            Self::Backend(id) => format!("backend-{}", id.number()),
            Self::Listener(id) => format!("listener-{}", id.number()),
            Self::Endpoint(id) => format!("endpoint-{}", id.number()),
        }
    }
}

/// What is normal for failures in a row: none. Nobody has to learn that.
pub(crate) const NO_FAILURES: Baseline = Baseline {
    value: 0.0,
    quantile: None,
    samples: 0,
    window_ns: 0,
    is_learnt: false,
};

/// An anomaly, or its all-clear, by ids.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What was found.
    pub(crate) kind: AnomalyKind,
    /// Is it there, or over?
    pub(crate) phase: Phase,
    /// How bad.
    pub(crate) severity: Severity,
    /// What it is about.
    pub(crate) about: About,
    /// What tells it from others of its kind about the same thing: a method, a side, a path.
    pub(crate) aspect: String,
    /// Wall time of its first exchange, nanoseconds since 1970.
    pub(crate) first_ns: u64,
    /// Wall time of its last exchange so far, nanoseconds since 1970.
    pub(crate) last_ns: u64,
    /// The window that was judged, nanoseconds.
    pub(crate) window_ns: u64,
    /// How many exchanges belong to it so far.
    pub(crate) count: u64,
    /// Which side failed.
    pub(crate) side: Side,
    /// Why, where the exchanges agree.
    pub(crate) reason: Reason,
    /// Listener, rule, backend; the endpoint only where it is at fault.
    pub(crate) identity: Identity,
    /// The method, where it is about one.
    pub(crate) method: Option<HttpMethod>,
    /// What is normal.
    pub(crate) baseline: Option<Baseline>,
    /// What was seen.
    pub(crate) observed: Observed,
    /// Exchanges that show it.
    pub(crate) samples: Vec<SampleExchange>,
}

impl Finding {
    /// The stable key of an anomaly: kind, thing, aspect.
    pub(crate) fn key(&self, names: &Names) -> String {
        let about = self
            .about
            .text(names)
            .unwrap_or_else(|| self.about.number_text());
        let kind = self.kind.label();
        if self.aspect.is_empty() {
            format!("{kind}/{about}")
        } else {
            format!("{kind}/{about}/{}", self.aspect)
        }
    }
}

/// Where processors put what they found.
pub(crate) type Findings = Vec<Finding>;
