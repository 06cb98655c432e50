//! Finds failing health: probes that pass through, and endpoints that refuse connections.
//!
//! A probe is one path of one rule, asked by a kubelet. It failed when its answer is not between
//! 200 and 399, or did not come. Two failures in a row are a warning, three an error; a row counts
//! for the probe as a whole and for each endpoint it was sent to, so that one bad endpoint among
//! good ones shows as well. Ejected endpoints are reported as the data plane tells.

mod endpoint; // endpoints that were ejected
mod probe; // probes and their rows of failures

use crate::baseline::Stored;
use crate::config::{Config, Occurrences};
use crate::finding::{About, Findings};
use crate::losses::Losses;
use crate::processor::{Processor, Scene, Usage};
use crate::table::Table;
use endpoint::Ejection;
use probe::Probe;
use rauta_schemas::{
    EndpointEvent, EndpointId, EndpointTransition, Event, Families, Family, HttpResponseEvent,
    InlineText,
};

/// What is one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    about: About,
    path: InlineText<40>,
}

/// The detector of failing health.
#[derive(Debug)]
pub(crate) struct HealthCheckProcessor {
    occurrences: Occurrences,
    probes: Table<Key, Probe>,
    ejections: Table<EndpointId, Ejection>,
    losses: Losses,
}

impl HealthCheckProcessor {
    /// One that has seen nothing.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            occurrences: config.occurrences,
            probes: Table::new(config.keys_max),
            ejections: Table::new(config.keys_max),
            losses: Losses::default(),
        }
    }

    fn on_probe(&mut self, event: &HttpResponseEvent, scene: &Scene<'_>, out: &mut Findings) {
        let Some(about) = About::of(&event.identity) else {
            return;
        };
        let path = scene
            .requests
            .find(event.exchange)
            .map(|request| request.path);
        let key = Key {
            about,
            path: path.unwrap_or_default(),
        };
        let (probe, evicted) = self.probes.entry(key, || Probe::new(about, &key.path));
        if let Some(mut evicted) = evicted {
            evicted.1.clear(scene.now, out);
        }
        probe.answered(event, scene, self.losses.recent(), out);
    }

    fn on_endpoint(&mut self, event: &EndpointEvent, scene: &Scene<'_>, out: &mut Findings) {
        match event.transition {
            EndpointTransition::Ejected => {
                let (ejection, evicted) = self
                    .ejections
                    .entry(event.endpoint, || Ejection::new(event));
                if let Some(mut evicted) = evicted {
                    evicted.1.clear(scene.now, out);
                }
                ejection.ejected(event, scene.now, self.losses.recent(), out);
            }
            EndpointTransition::Recovered => {
                if let Some(ejection) = self.ejections.get_mut(&event.endpoint) {
                    ejection.recovered();
                }
            }
        }
    }
}

impl Processor for HealthCheckProcessor {
    fn name(&self) -> &'static str {
        "health_check"
    }

    fn families(&self) -> Families {
        Families::NONE
            .with(Family::HttpResponse)
            .with(Family::Endpoint)
    }

    fn on_event(&mut self, event: &Event, scene: &Scene<'_>, out: &mut Findings) {
        match event {
            Event::HttpResponse(event) if event.is_probe => self.on_probe(event, scene, out),
            Event::Endpoint(event) => self.on_endpoint(event, scene, out),
            Event::HttpRequest(_)
            | Event::HttpResponse(_)
            | Event::HttpProgress(_)
            | Event::Connection(_) => {}
        }
    }

    fn on_dropped(&mut self, family: Family, count: u64) {
        self.losses.add(count);
        if family == Family::HttpResponse {
            // A good answer may be among the lost ones: no row is certain any more.
            for (_, probe) in self.probes.iter_mut() {
                probe.doubt();
            }
        }
    }

    fn on_tick(&mut self, scene: &Scene<'_>, out: &mut Findings) {
        self.losses.tick(scene.now.monotonic_ns);
        let lost = self.losses.recent();
        for (_, probe) in self.probes.iter_mut() {
            probe.tick(scene.now, &self.occurrences, lost, out);
        }
        let mut over = Vec::new();
        for (endpoint, ejection) in self.ejections.iter_mut() {
            if ejection.tick(scene.now, &self.occurrences, lost, out) {
                over.push(*endpoint);
            }
        }
        for endpoint in over {
            self.ejections.remove(&endpoint);
        }
    }

    fn learnt(&self, _: &Scene<'_>, _: &mut Vec<Stored>) {}

    fn restore(&mut self, _: &[Stored]) {}

    fn usage(&self) -> Usage {
        let failing = self
            .probes
            .iter()
            .filter(|(_, probe)| probe.is_firing())
            .count();
        Usage {
            keys: (self.probes.len() + self.ejections.len()) as u64,
            firing: (failing + self.ejections.len()) as u64,
            evicted: self.probes.evicted() + self.ejections.evicted(),
            events_dropped: self.losses.total,
            ..Usage::default()
        }
    }
}
