//! Gateways of ours: their addresses and listeners.

use super::Config;
use super::work::{Unit, Work};
use crate::attach::{AddressBook, Allotment, Claim, GatewayState, Surroundings};
use crate::index::{Index, Lookup, Name, Read};
use crate::object::types::Gateway;
use crate::object::{Kind, Object, Stored};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every Gateway of ours, judged.
#[derive(Debug)]
pub(crate) struct Gateways {
    book: AddressBook,
    allotments: BTreeMap<Name, Allotment>,
    pub(crate) states: BTreeMap<Name, GatewayState>,
}

impl Gateways {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            book: AddressBook::new(config.address_pool, config.bind_policy()),
            allotments: BTreeMap::new(),
            states: BTreeMap::new(),
        }
    }

    /// Judges again what changed. Touches each Gateway that offers something else to routes.
    pub(super) fn refresh(&mut self, config: &Config, index: &Index, work: &mut Work<'_>) {
        let changed: BTreeSet<Name> = work
            .changed(Kind::Gateway)
            .map(|key| Name::from(&**key))
            .collect();
        let classes_changed = work.changed(Kind::GatewayClass).next().is_some();
        let mut dirty = work.readers(|unit| match unit {
            Unit::Gateway(name) => Some(name),
            _ => None,
        });
        if !changed.is_empty() || classes_changed {
            dirty.extend(changed.iter().cloned());
            self.reallot(config, index, &mut dirty);
        }
        for name in dirty {
            let before = self.states.remove(&name);
            match self.judge(config, index, &name, before.as_ref(), work) {
                Some(state) => {
                    if before.is_none_or(|old| !old.offers_the_same(&state)) {
                        work.touched.insert(Read::Gateway(name.clone()));
                    }
                    self.states.insert(name, state);
                }
                None => {
                    work.dependents.forget(&Unit::Gateway(name.clone()));
                    // Also where it was none of ours before: a route may have missed it.
                    work.touched.insert(Read::Gateway(name));
                }
            }
        }
    }

    /// Gives out addresses anew; Gateways whose allotment is another one are dirty.
    fn reallot(&mut self, config: &Config, index: &Index, dirty: &mut BTreeSet<Name>) {
        let rule = config.class_rule();
        let mut ours: Vec<(&Arc<Stored>, &Gateway)> = index
            .of_kind(Kind::Gateway)
            .filter_map(|stored| Some((stored, as_gateway(stored)?)))
            .filter(|(_, gateway)| {
                rule.claim_of(index, &gateway.spec.gateway_class_name)
                    .is_ours()
            })
            .collect();
        ours.sort_by_key(|(stored, _)| (stored.age, &stored.key));
        let asking: Vec<(Name, &Gateway)> = ours
            .into_iter()
            .map(|(stored, gateway)| (Name::from(&stored.key), gateway))
            .collect();
        let allotments = self.book.allot(&asking);
        let gone = self.allotments.keys();
        dirty.extend(gone.filter(|name| !allotments.contains_key(*name)).cloned());
        for (name, allotment) in &allotments {
            if self.allotments.get(name) != Some(allotment) {
                dirty.insert(name.clone());
            }
        }
        self.allotments = allotments;
    }

    /// `None`: not there, or not ours.
    fn judge(
        &self,
        config: &Config,
        index: &Index,
        name: &Name,
        before: Option<&GatewayState>,
        work: &mut Work<'_>,
    ) -> Option<GatewayState> {
        let stored = index.find(Kind::Gateway, &name.namespace, &name.name)?;
        let gateway = as_gateway(stored)?;
        let allotment = self.allotments.get(name)?;
        let lookup = Lookup::new(index);
        let class = &gateway.spec.gateway_class_name;
        let claim = config.class_rule().claim(&lookup, index, class);
        let around = Surroundings {
            name,
            gateway,
            allotment,
            port_offset: config.port_offset,
        };
        let mut state = GatewayState::judge(&lookup, &around, before);
        state.class_assumed = claim == Claim::Assumed;
        work.dependents
            .record(&Unit::Gateway(name.clone()), lookup.into_reads());
        claim.is_ours().then_some(state)
    }
}

pub(crate) fn as_gateway(stored: &Stored) -> Option<&Gateway> {
    match &stored.object {
        Object::Gateway(gateway) => Some(gateway),
        _ => None,
    }
}
