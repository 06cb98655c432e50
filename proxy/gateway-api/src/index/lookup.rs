//! Objects by name for one unit of work, noting each read.

use super::{Index, Name, Read, Reference};
use crate::object::types::{ConfigMap, EndpointSlice, Secret, Service};
use crate::object::{Kind, Object, Stored};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The index as one unit of work sees it.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    index: &'a Index,
    reads: RefCell<BTreeSet<Read>>,
}

impl<'a> Lookup<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self {
            index,
            reads: RefCell::default(),
        }
    }

    /// What was read, for [`super::Dependents::record`].
    pub(crate) fn into_reads(self) -> BTreeSet<Read> {
        self.reads.into_inner()
    }

    /// Notes a read of something that is not in the index itself.
    pub(crate) fn note(&self, read: Read) {
        self.reads.borrow_mut().insert(read);
    }

    /// Whether the reference may be followed: permission is asked before existence, so that
    /// nobody learns from an answer what exists in another namespace.
    pub(crate) fn permits(&self, reference: Reference<'_>) -> bool {
        if !reference.crosses() {
            return true;
        }
        self.note(Read::Grants(reference.name.namespace.clone()));
        reference.is_granted(self.index)
    }

    pub(crate) fn service(&self, name: &Name) -> Option<&'a Service> {
        self.note(Read::Service(name.clone()));
        match &self.find(Kind::Service, name)?.object {
            Object::Service(service) => Some(service),
            _ => None,
        }
    }

    pub(crate) fn slices(&self, service: &Name) -> impl Iterator<Item = &'a EndpointSlice> {
        self.note(Read::Slices(service.clone()));
        self.index.slices_of(service)
    }

    pub(crate) fn secret(&self, name: &Name) -> Option<&'a Secret> {
        self.note(Read::Secret(name.clone()));
        match &self.find(Kind::Secret, name)?.object {
            Object::Secret(secret) => Some(secret),
            _ => None,
        }
    }

    pub(crate) fn config_map(&self, name: &Name) -> Option<&'a ConfigMap> {
        self.note(Read::ConfigMap(name.clone()));
        match &self.find(Kind::ConfigMap, name)?.object {
            Object::ConfigMap(config_map) => Some(config_map),
            _ => None,
        }
    }

    /// The BackendTLSPolicies that target a Service.
    pub(crate) fn policies(&self, service: &Name) -> impl Iterator<Item = &'a Arc<Stored>> {
        self.note(Read::Policies(service.clone()));
        self.index.policies_of(service)
    }

    /// The labels of a namespace, with the one that every API server adds.
    pub(crate) fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        self.note(Read::Namespace(namespace.into()));
        let mut labels = self
            .index
            .find(Kind::Namespace, "", namespace)
            .and_then(|stored| stored.object.metadata().labels.clone())
            .unwrap_or_default();
        labels.insert(
            "kubernetes.io/metadata.name".to_owned(),
            namespace.to_owned(),
        );
        labels
    }

    /// The name of an object, sharing its text with the object where there is one. No read: what a
    /// name says does not depend on it.
    pub(crate) fn name(&self, kind: Kind, namespace: &str, name: &str) -> Name {
        match self.index.find(kind, namespace, name) {
            Some(stored) => Name::from(&stored.key),
            None => Name::new(namespace, name),
        }
    }

    fn find(&self, kind: Kind, name: &Name) -> Option<&'a Arc<Stored>> {
        self.index.find(kind, &name.namespace, &name.name)
    }
}
