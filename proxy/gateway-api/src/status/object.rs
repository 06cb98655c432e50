//! Status of one object, as it is printed and written.

use super::conditions::kind;
use crate::attach::{ParentRef, Problem};
use crate::object::Stored;
use serde::Serialize;

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// The object's kind.
    pub kind: &'static str,
    /// Its namespace; empty for cluster-scoped kinds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it was read.
    pub origin: String,
    /// Conditions of the object as a whole (GatewayClass, Gateway).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The addresses of a Gateway.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The listeners of a Gateway, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerStatus>,
    /// The parents of a route that are ours, in the order of its parentRefs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<ParentStatus>,
    /// The Gateways that a policy affects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<AncestorStatus>,
}

/// Status of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's name.
    pub name: String,
    /// The kinds of routes it takes.
    pub supported_kinds: Vec<RouteGroupKind>,
    /// How many routes are attached.
    pub attached_routes: usize,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteGroupKind {
    /// Its API group.
    pub group: &'static str,
    /// Its kind.
    pub kind: &'static str,
}

/// Status of a route on one parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The parentRef.
    pub parent_ref: ParentRef,
    /// Who says so.
    pub controller_name: String,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// Status of a policy for one Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    /// The Gateway.
    pub ancestor_ref: ParentRef,
    /// Who says so.
    pub controller_name: String,
    /// The conditions.
    pub conditions: Vec<Condition>,
}

/// A condition. When it last changed is known to its writer only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// One of [`super::conditions::kind`].
    pub r#type: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One of [`super::conditions::reason`].
    pub reason: &'static str,
    /// What it means here, and what to do.
    pub message: String,
    /// The generation of the object that it speaks of.
    pub observed_generation: i64,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be said yet.
    Unknown,
}

impl ObjectStatus {
    /// A status without conditions.
    pub(super) fn new(stored: &Stored) -> Self {
        Self {
            kind: stored.key.kind.as_str(),
            namespace: stored.key.namespace.to_string(),
            name: stored.key.name.to_string(),
            origin: stored.origin.to_string(),
            conditions: Vec::new(),
            addresses: Vec::new(),
            listeners: Vec::new(),
            parents: Vec::new(),
            ancestors: Vec::new(),
        }
    }

    /// `namespace/name`, or the name alone where the kind has no namespaces.
    pub fn qualified_name(&self) -> String {
        match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }

    /// All conditions: of the object, its listeners, parents and ancestors.
    pub fn all_conditions(&self) -> impl Iterator<Item = &Condition> {
        let listeners = self.listeners.iter().flat_map(|part| &part.conditions);
        let parents = self.parents.iter().flat_map(|part| &part.conditions);
        let ancestors = self.ancestors.iter().flat_map(|part| &part.conditions);
        self.conditions
            .iter()
            .chain(listeners)
            .chain(parents)
            .chain(ancestors)
    }

    /// Whether the object, or a part of it, is not taken as its author meant it.
    #[must_use]
    pub fn is_rejected(&self) -> bool {
        self.all_conditions().any(Condition::is_rejection)
    }
}

impl Condition {
    /// Whether it says that the object, or a part of it, is not taken as its author meant it.
    /// `Programmed` does not: it speaks of the data plane and of addresses, not of the object.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        match self.r#type {
            kind::ACCEPTED | kind::RESOLVED_REFS => self.status != ConditionStatus::True,
            kind::CONFLICTED | kind::PARTIALLY_INVALID => self.status == ConditionStatus::True,
            _ => false,
        }
    }
}

/// Makes the conditions of one object: they share its generation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) generation: i64,
}

impl Conditions {
    pub(super) fn new(stored: &Stored) -> Self {
        Self {
            generation: stored.generation,
        }
    }

    pub(super) fn make(
        self,
        r#type: &'static str,
        status: ConditionStatus,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Condition {
        Condition {
            r#type,
            status,
            reason,
            message: message.into(),
            observed_generation: self.generation,
        }
    }

    /// A condition that should hold.
    pub(super) fn holds(
        self,
        r#type: &'static str,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Condition {
        self.make(r#type, ConditionStatus::True, reason, message)
    }

    /// A condition that should hold and does not.
    pub(super) fn fails(self, r#type: &'static str, problem: &Problem) -> Condition {
        let message = problem.message.clone();
        self.make(r#type, ConditionStatus::False, problem.reason, message)
    }
}
