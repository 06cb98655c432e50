//! Which references may cross namespaces: a ReferenceGrant in the namespace of the target.

use super::{Index, Name};
use crate::object::{Kind, Object};

/// A reference from one object to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference<'a> {
    /// Kind of the object that refers.
    pub(crate) from: Kind,
    /// Its namespace.
    pub(crate) from_namespace: &'a str,
    /// Kind of the object referred to.
    pub(crate) to: Kind,
    /// Its name.
    pub(crate) name: &'a Name,
}

impl Reference<'_> {
    /// Whether the target is in another namespace.
    pub(crate) fn crosses(&self) -> bool {
        self.from_namespace != &*self.name.namespace
    }

    /// Whether a ReferenceGrant allows it. Asked only where it crosses namespaces.
    pub(super) fn is_granted(&self, index: &Index) -> bool {
        index
            .grants_in(&self.name.namespace)
            .filter_map(|stored| match &stored.object {
                Object::ReferenceGrant(grant) => Some(&grant.spec),
                _ => None,
            })
            .any(|grant| {
                grant.from.iter().any(|from| {
                    from.group == self.from.group()
                        && from.kind == self.from.as_str()
                        && from.namespace == self.from_namespace
                }) && grant.to.iter().any(|to| {
                    to.group == self.to.group()
                        && to.kind == self.to.as_str()
                        // An empty name is an absent one: any object of the kind.
                        && to.name.as_deref().is_none_or(|name| {
                            name.is_empty() || name == &*self.name.name
                        })
                })
            })
    }
}
