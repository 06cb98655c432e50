//! The table behind the ids: names are interned once by the control side and resolved by the
//! pipeline; the data plane only copies ids.

use crate::{BackendId, EndpointId, ListenerId, RuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// A listener's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ListenerName {
    /// The Gateway's namespace.
    pub namespace: String,
    /// The Gateway.
    pub gateway: String,
    /// The listener's name in it.
    pub listener: String,
    /// The listener's port, as clients dial it.
    pub port: u16,
}

/// The kind of a route.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum RouteKind {
    /// HTTPRoute.
    #[serde(rename = "HTTPRoute")]
    Http,
    /// GRPCRoute.
    #[serde(rename = "GRPCRoute")]
    Grpc,
}

impl RouteKind {
    /// The kind as Kubernetes spells it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
        }
    }
}

/// A rule's name: its route and its place in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct RuleName {
    /// HTTPRoute or GRPCRoute.
    pub kind: RouteKind,
    /// The route's namespace.
    pub namespace: String,
    /// The route.
    pub route: String,
    /// The rule's own name, or its index from 0.
    pub rule: String,
    /// The path template of metrics, spans and documents: the rule's most general path match.
    pub template: String,
}

/// A backend's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct BackendName {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// Its port.
    pub port: u16,
}

/// An endpoint's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct EndpointName {
    /// `ip:port`.
    pub address: String,
    /// The pod behind it as `namespace/name`; empty where not known.
    pub pod: String,
    /// The pod's node; empty where not known.
    pub node: String,
    /// The backend it belongs to.
    pub backend: BackendId,
}

/// How many released names stay resolvable, so that late events still find theirs.
const RELEASED_KEPT: usize = 65_536;

/// One interned name: resolvable at least as long as this handle, or a clone, lives.
#[derive(Debug)]
pub struct Named<T: Eq + Hash> {
    inner: Arc<NamedInner<T>>,
}

#[derive(Debug)]
struct NamedInner<T: Eq + Hash> {
    number: u32,
    name: Arc<T>,
    table: Weak<Interner<T>>,
}

impl<T: Eq + Hash> Clone for Named<T> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T: Eq + Hash> Named<T> {
    /// The id's number; wrap it in the id's type.
    pub fn number(&self) -> u32 {
        self.inner.number
    }

    /// The name itself.
    pub fn name(&self) -> &Arc<T> {
        &self.inner.name
    }
}

impl<T: Eq + Hash> PartialEq for Named<T> {
    fn eq(&self, other: &Self) -> bool {
        self.inner.number == other.inner.number
    }
}

impl<T: Eq + Hash> Eq for Named<T> {}

impl<T: Eq + Hash> Drop for NamedInner<T> {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            table.release(self.number, &self.name);
        }
    }
}

/// A table of names of one kind. Numbers count up from 1 and are never given twice, so a number
/// in flight can only ever mean the name it was given for; a released name stays resolvable until
/// 65,536 others were released after it.
#[derive(Debug)]
pub struct Interner<T: Eq + Hash> {
    by_number: RwLock<HashMap<u32, Arc<T>>>,
    writer: Mutex<Writer<T>>,
}

#[derive(Debug)]
struct Writer<T: Eq + Hash> {
    by_name: HashMap<Arc<T>, Weak<NamedInner<T>>>,
    released: VecDeque<u32>,
    last: u32,
}

impl<T: Eq + Hash> Default for Interner<T> {
    fn default() -> Self {
        Self {
            by_number: RwLock::default(),
            writer: Mutex::new(Writer {
                by_name: HashMap::new(),
                released: VecDeque::new(),
                last: 0,
            }),
        }
    }
}

impl<T: Eq + Hash> Interner<T> {
    /// The handle of `name`: the one that lives already, or a new one.
    pub fn intern(self: &Arc<Self>, name: T) -> Named<T> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = writer.by_name.get(&name).and_then(Weak::upgrade) {
            return Named { inner };
        }
        let name = Arc::new(name);
        writer.last = writer.last.wrapping_add(1).max(1);
        let number = writer.last;
        let inner = Arc::new(NamedInner {
            number,
            name: Arc::clone(&name),
            table: Arc::downgrade(self),
        });
        writer
            .by_name
            .insert(Arc::clone(&name), Arc::downgrade(&inner));
        self.by_number
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, name);
        Named { inner }
    }

    /// The name behind a number; `None` for 0 and for names released long ago.
    pub fn resolve(&self, number: u32) -> Option<Arc<T>> {
        self.by_number
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&number)
            .cloned()
    }

    /// How many names are resolvable now.
    pub fn len(&self) -> usize {
        self.by_number
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Is no name resolvable?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn release(&self, number: u32, name: &Arc<T>) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A new handle may have been made for the same name in the meantime: leave its entry.
        if writer
            .by_name
            .get(name)
            .is_some_and(|weak| weak.strong_count() == 0)
        {
            writer.by_name.remove(name);
        }
        writer.released.push_back(number);
        if writer.released.len() > RELEASED_KEPT
            && let Some(oldest) = writer.released.pop_front()
        {
            self.by_number
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&oldest);
        }
    }
}

/// All tables of names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Listeners.
    pub listeners: Arc<Interner<ListenerName>>,
    /// Rules of routes.
    pub rules: Arc<Interner<RuleName>>,
    /// Backends.
    pub backends: Arc<Interner<BackendName>>,
    /// Endpoints.
    pub endpoints: Arc<Interner<EndpointName>>,
}

impl Names {
    /// The listener's name.
    pub fn listener(&self, id: ListenerId) -> Option<Arc<ListenerName>> {
        self.listeners.resolve(id.number())
    }

    /// The rule's name.
    pub fn rule(&self, id: RuleId) -> Option<Arc<RuleName>> {
        self.rules.resolve(id.number())
    }

    /// The backend's name.
    pub fn backend(&self, id: BackendId) -> Option<Arc<BackendName>> {
        self.backends.resolve(id.number())
    }

    /// The endpoint's name.
    pub fn endpoint(&self, id: EndpointId) -> Option<Arc<EndpointName>> {
        self.endpoints.resolve(id.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;
    use std::sync::Barrier;

    fn table() -> Arc<Interner<String>> {
        Arc::default()
    }

    #[test]
    fn one_name_has_one_number_while_a_handle_lives() {
        let table = table();
        let first = table.intern("a".to_owned());
        let other = table.intern("b".to_owned());
        let again = table.intern("a".to_owned());
        assert_eq!(first, again);
        assert_ne!(first, other);
        drop(first);
        assert_eq!(table.intern("a".to_owned()).number(), again.number());
        assert_eq!(table.len(), 2);
        assert_eq!(table.resolve(0), None, "0 means none");
    }

    #[test]
    fn a_released_name_stays_resolvable_and_its_number_is_not_given_again() {
        let table = table();
        let old = table.intern("a".to_owned()).number();
        assert_eq!(table.resolve(old).as_deref().map(String::as_str), Some("a"));
        let new = table.intern("a".to_owned());
        assert_ne!(new.number(), old, "events in flight may mean the old one");
        assert_eq!(table.resolve(old), table.resolve(new.number()));
    }

    #[test]
    fn names_released_long_ago_are_forgotten_and_those_held_are_not() {
        let table = table();
        let held = table.intern("held".to_owned());
        let released = table.intern("released".to_owned()).number();
        for number in 1..RELEASED_KEPT {
            table.intern(number.to_string());
        }
        assert!(table.resolve(released).is_some(), "the last that is kept");
        table.intern("one more".to_owned());
        assert_eq!(table.resolve(released), None);
        assert_eq!(table.len(), RELEASED_KEPT + 1, "the table is bounded");
        assert!(table.resolve(held.number()).is_some());
    }

    #[test]
    fn a_handle_may_outlive_its_table() {
        let table = table();
        let handle = table.intern("a".to_owned());
        drop(table);
        assert_eq!(handle.name().as_str(), "a");
    }

    #[test]
    fn threads_that_intern_and_release_agree_on_every_name() {
        let table = table();
        let barrier = Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..4_usize {
                let (table, barrier) = (&table, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for round in 0..5_000 {
                        let name = ((round + thread) % 7).to_string();
                        let handle = table.intern(name.clone());
                        let resolved = table.resolve(handle.number());
                        assert_eq!(resolved.as_deref(), Some(&name), "a live handle resolves");
                        assert_eq!(table.intern(name), handle, "one number at a time");
                    }
                });
            }
        });
        let kept: Vec<_> = (0..7).map(|n| table.intern(n.to_string())).collect();
        let mut numbers: Vec<_> = kept.iter().map(Named::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 7);
    }

    proptest! {
        /// Against a plain map: live names keep their number, and no number ever changes its name.
        #[test]
        fn numbers_mean_one_name_for_good(
            steps in prop::collection::vec((0..5_u8, any::<bool>()), 0..100),
        ) {
            let table = table();
            let mut held: HashMap<u8, Named<String>> = HashMap::new();
            let mut given: HashMap<u32, String> = HashMap::new();
            for (name, is_release) in steps {
                if is_release {
                    held.remove(&name);
                    continue;
                }
                let handle = table.intern(name.to_string());
                if let Some(before) = held.insert(name, handle.clone()) {
                    prop_assert_eq!(before.number(), handle.number());
                }
                let text = given.entry(handle.number()).or_insert_with(|| name.to_string());
                prop_assert_eq!(&*text, &name.to_string());
            }
            for (number, name) in &given {
                let resolved = table.resolve(*number);
                prop_assert_eq!(resolved.as_deref(), Some(name));
            }
        }
    }
}
