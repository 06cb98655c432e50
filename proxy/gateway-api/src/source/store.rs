//! The objects that are being served, each with its age, generation and the file it is from.
//!
//! Turns what files say into changes. Does not decide whether to believe a file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::contents::{Served, TextHash};
use crate::object::admit::{self, AdmitError};
use crate::object::types::{Namespace, ObjectMeta};
use crate::object::{Age, Change, Kind, Object, ObjectKey, Stored};

/// A file, as all objects that are read from it name it.
#[derive(Debug)]
pub(super) struct Owner {
    path: Arc<Path>,
    origin: Arc<str>,
}

impl Owner {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl From<&Path> for Owner {
    fn from(path: &Path) -> Self {
        Self {
            path: path.into(),
            origin: path.display().to_string().into(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    stored: Arc<Stored>,
    /// None for a Namespace that exists only because objects are in it.
    owner: Option<Arc<Path>>,
    text: TextHash,
}

/// The served objects.
#[derive(Debug)]
pub(super) struct Store {
    slots: HashMap<ObjectKey, Slot>,
    /// How many objects each namespace holds.
    namespaces: BTreeMap<Arc<str>, usize>,
    resource_version: u64,
    /// Age of what is first seen in this reading.
    age: Age,
    changes: Vec<Change>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            namespaces: BTreeMap::new(),
            resource_version: 0,
            age: Age {
                ordinal: 0,
                created: SystemTime::UNIX_EPOCH,
            },
            changes: Vec::new(),
        }
    }
}

impl Store {
    /// Begins a reading: objects first seen in one reading are of one age.
    pub(super) fn begin(&mut self, now: SystemTime) {
        self.age = Age {
            ordinal: self.age.ordinal + 1,
            created: now,
        };
    }

    /// Ends a reading: what has changed, deletions last.
    pub(super) fn finish(&mut self) -> Vec<Change> {
        self.imply_namespaces();
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by_key(|change| matches!(change, Change::Delete(_)));
        changes
    }

    /// The file that the object is served from.
    pub(super) fn owner(&self, key: &ObjectKey) -> Option<&Path> {
        self.slots.get(key).and_then(|slot| slot.owner.as_deref())
    }

    /// The texts from which the objects of `keys` were read, and what each holds.
    pub(super) fn served(&self, keys: &BTreeSet<ObjectKey>) -> Served {
        let slots = keys
            .iter()
            .filter_map(|key| Some((self.slots.get(key)?.text, key.clone())));
        slots.collect()
    }

    /// Stores the object of that key as its file has it. Refused if an immutable field would
    /// change.
    pub(super) fn put(
        &mut self,
        key: ObjectKey,
        object: Object,
        file: &Owner,
        text: TextHash,
    ) -> Result<(), Vec<AdmitError>> {
        let old = self.slots.get(&key);
        if let Some(old) = old {
            admit::transition(&old.stored.object, &object)?;
        }
        let same = old.is_some_and(|old| old.stored.object == object);
        let (age, generation) = match old {
            Some(Slot { stored, .. }) => {
                let changed = !stored.object.has_same_content(&object);
                (stored.age, stored.generation + i64::from(changed))
            }
            None => (self.age, 1),
        };
        // The text that others share already.
        let key = old.map_or(key, |old| old.stored.key.clone());
        let stored = match old {
            Some(old) if same => Arc::clone(&old.stored),
            _ => self.store(&key, age, generation, file.origin.clone(), object),
        };
        self.slots.insert(
            key,
            Slot {
                stored,
                owner: Some(file.path.clone()),
                text,
            },
        );
        Ok(())
    }

    fn store(
        &mut self,
        key: &ObjectKey,
        age: Age,
        generation: i64,
        origin: Arc<str>,
        object: Object,
    ) -> Arc<Stored> {
        if !self.slots.contains_key(key) && key.kind.is_namespaced() {
            *self.namespaces.entry(key.namespace.clone()).or_default() += 1;
        }
        self.resource_version += 1;
        let stored = Arc::new(Stored {
            key: key.clone(),
            age,
            generation,
            resource_version: self.resource_version,
            origin,
            object,
        });
        self.changes.push(Change::Apply(Arc::clone(&stored)));
        stored
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, key: &ObjectKey) {
        if self.slots.remove(key).is_none() {
            return;
        }
        if let Some(objects) = self.namespaces.get_mut(&key.namespace) {
            *objects = objects.saturating_sub(1);
        }
        self.resource_version += 1;
        self.changes.push(Change::Delete(key.clone()));
    }

    /// An API server has a Namespace for every object it holds. Where no file declares one, it
    /// exists with its name for a label, as long as objects are in it.
    fn imply_namespaces(&mut self) {
        let used: Vec<(Arc<str>, bool)> = self
            .namespaces
            .iter()
            .map(|(name, objects)| (name.clone(), *objects > 0))
            .collect();
        self.namespaces.retain(|_, objects| *objects > 0);
        for (name, is_used) in used {
            let key = namespace_key(&name);
            match (is_used, self.slots.get(&key)) {
                (true, None) => {
                    let object = implied_namespace(&name);
                    let age = self.age;
                    self.revive(&key);
                    let stored = self.store(&key, age, 1, "implied by its objects".into(), object);
                    self.slots.insert(
                        key,
                        Slot {
                            stored,
                            owner: None,
                            text: 0,
                        },
                    );
                }
                (false, Some(slot)) if slot.owner.is_none() => self.remove(&key),
                _ => {}
            }
        }
    }

    /// Takes back the deletion of a declared Namespace that is implied from now on.
    fn revive(&mut self, key: &ObjectKey) {
        self.changes
            .retain(|change| !matches!(change, Change::Delete(deleted) if deleted == key));
    }
}

fn namespace_key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Namespace, "", name)
}

fn implied_namespace(name: &str) -> Object {
    let label = (admit::NAMESPACE_NAME_LABEL.to_owned(), name.to_owned());
    Object::Namespace(Box::new(Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([label].into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }))
}
