//! The controller: changes of objects in, snapshots and status out.
//!
//! ```text
//! apply ─► index ─┬► gateways ─► policies ─► routes ─► backends ─► listeners ─► Snapshot
//!                 └─ what changed, and who had read it
//! ```
//!
//! Each stage compiles again only what changed or has read what changed, and hands on only what
//! then differs; what is equal is the same `Arc` as before. Synchronous and deterministic: the same
//! objects make the same snapshot, whatever the order in which they came. Nothing is bound or
//! written here.

mod backends; // every Service port in use
mod config; // Config: how objects are judged
mod gateways; // Gateways of ours, their addresses and listeners
mod listeners; // route tables, ports, the snapshot
mod policies; // BackendTLSPolicies
mod routes; // routes, their attachments and rules
mod work; // what there is to do in one compilation

pub use config::{CONTROLLER_NAME, Config, Origin};
pub(crate) use gateways::{Gateways, as_gateway};
pub(crate) use routes::Routes;

use crate::index::Index;
use crate::object::Change;
use crate::status::{ObjectStatus, PortReport, Serving};
use backends::Backends;
use listeners::Listeners;
use policies::refresh_policies;
use rauta_routing::Snapshot;
use rauta_schemas::Names;
use std::sync::Arc;
use work::{Unit, Work};

use crate::index::Dependents;
use crate::translate::Policies;

/// Compiles objects into snapshots, and says what became of each.
#[derive(Debug)]
pub struct Controller {
    config: Config,
    names: Names,
    index: Index,
    dependents: Dependents<Unit>,
    gateways: Gateways,
    policies: Policies,
    routes: Routes,
    backends: Backends,
    listeners: Listeners,
    serving: Serving,
    snapshot: Option<Arc<Snapshot>>,
}

impl Controller {
    /// A controller that knows no object yet. Names of listeners, rules, backends and endpoints
    /// are interned in `names`.
    #[must_use]
    pub fn new(config: Config, names: Names) -> Self {
        Self {
            gateways: Gateways::new(&config),
            config,
            names,
            index: Index::default(),
            dependents: Dependents::default(),
            policies: Policies::default(),
            routes: Routes::default(),
            backends: Backends::default(),
            listeners: Listeners::default(),
            serving: Serving::default(),
            snapshot: None,
        }
    }

    /// Takes changes in. Nothing is compiled before [`Self::compile`].
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            self.index.apply(change);
        }
    }

    /// Compiles what changed. `None`: nothing that the data plane would notice; the first call
    /// always gives a snapshot.
    pub fn compile(&mut self) -> Option<Arc<Snapshot>> {
        let mut work = Work::new(&mut self.index, &mut self.dependents);
        let index = &self.index;
        self.gateways.refresh(&self.config, index, &mut work);
        refresh_policies(&mut self.policies, index, &mut work);
        let around = routes::Surroundings {
            config: &self.config,
            index,
            gateways: &self.gateways,
            policies: &self.policies,
            names: &self.names,
        };
        self.routes.refresh(&around, &mut work);
        self.backends.refresh(&around, &self.routes, &mut work);
        let changed = self
            .listeners
            .refresh(&around, &self.routes, &work.listeners);
        if self.snapshot.is_some() && !changed && !self.backends.changed() {
            return None;
        }
        let generation = self.snapshot.as_ref().map_or(0, |old| old.generation) + 1;
        let snapshot = Arc::new(Snapshot {
            generation,
            ports: self.listeners.ports().to_vec(),
            backends: self.backends.table(),
        });
        self.snapshot = Some(snapshot.clone());
        Some(snapshot)
    }

    /// The last snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        self.snapshot.as_ref()
    }

    /// Takes in what the data plane says it serves: all ports of the last snapshot. Before the
    /// first report every port counts as served, as for a check without a data plane.
    pub fn report(&mut self, reports: Vec<PortReport>) {
        self.serving.replace(reports);
    }

    /// What became of every GatewayClass, Gateway, route and BackendTLSPolicy of ours, as of the
    /// last compilation, by kind, namespace and name. Each is made when it is asked for: that of
    /// thousands of routes takes as much room as the routes.
    pub fn status(&self) -> impl Iterator<Item = ObjectStatus> {
        crate::status::each(crate::status::Known {
            config: &self.config,
            index: &self.index,
            gateways: &self.gateways,
            policies: &self.policies,
            routes: &self.routes,
            serving: &self.serving,
        })
    }
}
