//! Which GatewayClasses, and so which Gateways, are ours.

use crate::index::{Index, Lookup, Read};
use crate::object::types::GatewayClass;
use crate::object::{Kind, Object};

/// How classes are claimed.
#[derive(Clone, Debug)]
pub(crate) struct ClassRule {
    /// Only this class, where a name is given.
    pub(crate) only: Option<String>,
    /// Only classes that name this controller; `None`: whatever they name, also a class that no
    /// object defines, because from files there is no other controller that could own it.
    pub(crate) controller: Option<String>,
}

/// Whose a class is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Ours, as its object says.
    Ours,
    /// Ours though no object defines it.
    Assumed,
    /// No object defines it, and so nobody's yet.
    Missing,
    /// Another controller's.
    Foreign,
}

impl Claim {
    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Assumed)
    }
}

impl ClassRule {
    /// Whose the class of that name is.
    pub(crate) fn claim(&self, lookup: &Lookup<'_>, index: &Index, name: &str) -> Claim {
        lookup.note(Read::Class(name.into()));
        self.claim_of(index, name)
    }

    /// Like [`Self::claim`], for readers that look every time.
    pub(crate) fn claim_of(&self, index: &Index, name: &str) -> Claim {
        if self.only.as_deref().is_some_and(|only| only != name) {
            return Claim::Foreign;
        }
        match (class(index, name), &self.controller) {
            (None, None) => Claim::Assumed,
            (None, Some(_)) => Claim::Missing,
            (Some(_), None) => Claim::Ours,
            (Some(class), Some(controller)) if class.spec.controller_name == *controller => {
                Claim::Ours
            }
            (Some(_), Some(_)) => Claim::Foreign,
        }
    }
}

fn class<'a>(index: &'a Index, name: &str) -> Option<&'a GatewayClass> {
    match &index.find(Kind::GatewayClass, "", name)?.object {
        Object::GatewayClass(class) => Some(class),
        _ => None,
    }
}
