//! The objects, and the secondary keys under which they are looked for.

use super::read::{Name, Read};
use crate::object::types::{BackendTlsPolicy, EndpointSlice};
use crate::object::{Change, Kind, Object, ObjectKey, Stored};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The label by which an EndpointSlice names its Service.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// Every object, ordered by kind, namespace and name, so that walking it is deterministic.
#[derive(Debug, Default)]
pub(crate) struct Index {
    objects: BTreeMap<Arc<ObjectKey>, Arc<Stored>>,
    slices: HashMap<Name, BTreeSet<Arc<ObjectKey>>>,
    policies: HashMap<Name, BTreeSet<Arc<ObjectKey>>>,
    grants: HashMap<Arc<str>, BTreeSet<Arc<ObjectKey>>>,
    /// Objects of kinds that are compiled for themselves and changed since `take_changed`.
    changed: BTreeSet<Arc<ObjectKey>>,
    /// What changed since `take_touched`.
    touched: BTreeSet<Read>,
}

impl Index {
    /// Takes one change in.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Apply(stored) => {
                let key = Arc::new(stored.key.clone());
                if self.objects.get(&key).is_some_and(|old| same(old, &stored)) {
                    self.objects.insert(key, stored);
                    return;
                }
                if let Some(old) = self.objects.remove(&key) {
                    self.unlink(&key, &old);
                }
                self.link(&key, &stored);
                self.objects.insert(key, stored);
            }
            Change::Delete(key) => {
                if let Some((key, old)) = self.objects.remove_entry(&key) {
                    self.unlink(&key, &old);
                }
            }
        }
    }

    /// The object of that key.
    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Arc<Stored>> {
        self.objects.get(key)
    }

    /// The object of that kind and name.
    pub(crate) fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Stored>> {
        self.objects.get(&ObjectKey::new(kind, namespace, name))
    }

    /// All objects of a kind, by namespace and name.
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Arc<Stored>> {
        let first = ObjectKey::new(kind, "", "");
        self.objects
            .range(first..)
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(_, stored)| stored)
    }

    /// The EndpointSlices of a Service, by name.
    pub(crate) fn slices_of(&self, service: &Name) -> impl Iterator<Item = &EndpointSlice> {
        self.linked(self.slices.get(service))
            .filter_map(|stored| match &stored.object {
                Object::EndpointSlice(slice) => Some(&**slice),
                _ => None,
            })
    }

    /// The BackendTLSPolicies that target a Service, by name.
    pub(crate) fn policies_of(&self, service: &Name) -> impl Iterator<Item = &Arc<Stored>> {
        self.linked(self.policies.get(service))
    }

    /// The ReferenceGrants in a namespace, by name.
    pub(crate) fn grants_in(&self, namespace: &str) -> impl Iterator<Item = &Arc<Stored>> {
        self.linked(self.grants.get(namespace))
    }

    /// The objects of kinds that are compiled for themselves (GatewayClasses, Gateways, routes,
    /// policies) that came, changed or went since the last call.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<Arc<ObjectKey>> {
        std::mem::take(&mut self.changed)
    }

    /// What was touched since the last call.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<Read> {
        std::mem::take(&mut self.touched)
    }

    fn linked<'a>(
        &'a self,
        keys: Option<&'a BTreeSet<Arc<ObjectKey>>>,
    ) -> impl Iterator<Item = &'a Arc<Stored>> {
        keys.into_iter()
            .flatten()
            .filter_map(|key| self.objects.get(key))
    }

    fn link(&mut self, key: &Arc<ObjectKey>, stored: &Stored) {
        match &stored.object {
            Object::EndpointSlice(slice) => {
                if let Some(service) = service_of(slice) {
                    self.slices.entry(service).or_default().insert(key.clone());
                }
            }
            Object::BackendTlsPolicy(policy) => {
                for service in targets_of(policy) {
                    self.policies
                        .entry(service)
                        .or_default()
                        .insert(key.clone());
                }
            }
            Object::ReferenceGrant(_) => {
                self.grants
                    .entry(key.namespace.clone())
                    .or_default()
                    .insert(key.clone());
            }
            _ => {}
        }
        self.touch(key, stored);
    }

    fn unlink(&mut self, key: &Arc<ObjectKey>, stored: &Stored) {
        match &stored.object {
            Object::EndpointSlice(slice) => {
                if let Some(service) = service_of(slice) {
                    forget(&mut self.slices, &service, key);
                }
            }
            Object::BackendTlsPolicy(policy) => {
                for service in targets_of(policy) {
                    forget(&mut self.policies, &service, key);
                }
            }
            Object::ReferenceGrant(_) => forget(&mut self.grants, &*key.namespace, key),
            _ => {}
        }
        self.touch(key, stored);
    }

    /// Notes that whoever read this object must look again.
    fn touch(&mut self, key: &Arc<ObjectKey>, stored: &Stored) {
        let name = Name::from(&**key);
        let read = match &stored.object {
            Object::Service(_) => Read::Service(name),
            Object::Secret(_) => Read::Secret(name),
            Object::ConfigMap(_) => Read::ConfigMap(name),
            Object::Namespace(_) => Read::Namespace(name.name),
            Object::ReferenceGrant(_) => Read::Grants(name.namespace),
            Object::EndpointSlice(slice) => match service_of(slice) {
                Some(service) => Read::Slices(service),
                None => return,
            },
            Object::GatewayClass(_) => {
                self.changed.insert(key.clone());
                Read::Class(name.name)
            }
            Object::BackendTlsPolicy(policy) => {
                self.changed.insert(key.clone());
                self.touched
                    .extend(targets_of(policy).into_iter().map(Read::Policies));
                return;
            }
            Object::Gateway(_) | Object::HttpRoute(_) | Object::GrpcRoute(_) => {
                self.changed.insert(key.clone());
                return;
            }
        };
        self.touched.insert(read);
    }
}

/// Whether nothing that matters differs: what only the source counts (`resource_version`,
/// `origin`) does not.
fn same(old: &Stored, new: &Stored) -> bool {
    old.generation == new.generation && old.age == new.age && old.object == new.object
}

fn service_of(slice: &EndpointSlice) -> Option<Name> {
    let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME_LABEL)?;
    let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
    Some(Name::new(namespace, service))
}

fn targets_of(policy: &BackendTlsPolicy) -> BTreeSet<Name> {
    let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
    let refs = &policy.spec.target_refs;
    refs.iter()
        .filter(|target| target.group.is_empty() && target.kind == "Service")
        .map(|target| Name::new(namespace, &target.name))
        .collect()
}

fn forget<K, Q>(map: &mut HashMap<K, BTreeSet<Arc<ObjectKey>>>, at: &Q, key: &Arc<ObjectKey>)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    if let Some(keys) = map.get_mut(at) {
        keys.remove(key);
        if keys.is_empty() {
            map.remove(at);
        }
    }
}
