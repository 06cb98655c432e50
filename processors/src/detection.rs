//! Runs the detectors on the pipeline thread: gives them events and time, resolves the names in
//! what they find, and passes it on.

use crate::baseline;
use crate::config::Config;
use crate::error_rate::ErrorRateProcessor;
use crate::finding::{Finding, Findings};
use crate::health_check::HealthCheckProcessor;
use crate::keeper::Keeper;
use crate::processor::{Processor, Scene, Usage};
use crate::recent::RecentRequests;
use crate::slow_response::SlowResponseProcessor;
use rauta_core::bus::Subscriber;
use rauta_core::clock::Now;
use rauta_schemas::{Event, Families, Family, Names, ObserverEvent, Subject};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// An event may be stamped so much later than the last tick, nanoseconds: ticks are a tenth of a
/// second apart. What is stamped later still is taken for this moment.
const AHEAD_MAX_NS: u64 = 1_000_000_000;

/// How often it is looked how much the detectors hold, nanoseconds.
const LOOK_NS: u64 = 5_000_000_000;

/// What each detector holds, by its name, as of the last seconds: for a scrape.
#[derive(Clone, Debug, Default)]
pub struct UsageView(Arc<Mutex<Vec<(&'static str, Usage)>>>);

impl UsageView {
    /// As it was when it was last looked.
    pub fn read(&self) -> Vec<(&'static str, Usage)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Where anomalies go.
pub type Emit = Box<dyn FnMut(Arc<ObserverEvent>) + Send>;

/// The subscriber that holds all detectors.
pub struct Detection {
    processors: Vec<Box<dyn Processor>>,
    /// Which families each of them reads.
    families: Vec<Families>,
    requests: RecentRequests,
    names: Names,
    emit: Emit,
    keeper: Option<Keeper>,
    findings: Findings,
    /// The last tick.
    last: Option<Now>,
    randomness: u64,
    emitted: u64,
    view: UsageView,
    looked_ns: u64,
    /// Was it said that there are too many keys?
    is_told: bool,
}

/// The detectors of this crate: a new one is one more line.
fn processors(config: &Config) -> Vec<Box<dyn Processor>> {
    vec![
        Box::new(SlowResponseProcessor::new(config)),
        Box::new(ErrorRateProcessor::new(config)),
        Box::new(HealthCheckProcessor::new(config)),
    ]
}

impl Detection {
    /// All detectors, with what an earlier run learnt where `config` names a state file.
    /// `wall_ns` is the present, for that file's age. A file that cannot be used costs a warning.
    pub fn new(config: &Config, names: Names, wall_ns: u64, emit: Emit) -> Self {
        let mut processors = processors(config);
        let keeper = config.state_file.as_ref().map(|path| {
            let age_max_ns = u64::try_from(config.state_age_max.as_nanos()).unwrap_or(u64::MAX);
            match baseline::load(path, wall_ns, age_max_ns) {
                Ok(stored) => {
                    processors
                        .iter_mut()
                        .for_each(|processor| processor.restore(&stored));
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "baselines not used"
                    );
                }
            }
            Keeper::new(path, config.save_every)
        });
        let families = processors
            .iter()
            .map(|processor| processor.families())
            .collect();
        Self {
            processors,
            families,
            requests: RecentRequests::new(),
            names,
            emit,
            keeper,
            findings: Findings::new(),
            last: None,
            randomness: RandomState::new().hash_one(wall_ns),
            emitted: 0,
            view: UsageView::default(),
            looked_ns: 0,
            is_told: false,
        }
    }

    /// What each detector holds, for other threads.
    pub fn view(&self) -> UsageView {
        self.view.clone()
    }

    fn look(&mut self) {
        let usage = self.usage();
        let crowded = usage
            .iter()
            .find(|(_, usage)| usage.evicted + usage.refused > 0);
        if let (Some((detector, usage)), false) = (crowded, self.is_told) {
            tracing::warn!(
                detector,
                keys = usage.keys,
                "more routes and methods than detectors may track: some are not watched, or learn \
                 anew; raise detection.keys_max"
            );
            self.is_told = true;
        }
        *self.view.0.lock().unwrap_or_else(PoisonError::into_inner) = usage;
    }

    /// What each detector holds, by its name.
    pub fn usage(&self) -> Vec<(&'static str, Usage)> {
        self.processors
            .iter()
            .map(|processor| (processor.name(), processor.usage()))
            .collect()
    }

    /// When an event happened, as far as its stamps can be believed.
    fn moment_of(&self, event: &Event) -> Now {
        let last = self.last.unwrap_or_default();
        let stamped = match event {
            Event::HttpRequest(event) => Some((event.start_ns, event.wall_ns, 0)),
            Event::HttpResponse(event) => Some((event.start_ns, event.wall_ns, event.last_byte_ns)),
            Event::HttpProgress(event) => {
                let age_ns = event.age_ns;
                let monotonic_ns = event.start_ns.saturating_add(age_ns);
                let behind_ns = last.monotonic_ns.saturating_sub(monotonic_ns);
                let wall_ns = last
                    .wall_ns
                    .saturating_sub(behind_ns)
                    .saturating_sub(age_ns);
                Some((event.start_ns, wall_ns, age_ns))
            }
            Event::Connection(_) | Event::Endpoint(_) => None,
        };
        let Some((start_ns, wall_ns, duration_ns)) = stamped else {
            return last;
        };
        let moment = Now {
            monotonic_ns: start_ns.saturating_add(duration_ns),
            wall_ns: wall_ns.saturating_add(duration_ns),
        };
        let is_ahead = moment.monotonic_ns > last.monotonic_ns.saturating_add(AHEAD_MAX_NS);
        if self.last.is_some() && is_ahead {
            last
        } else {
            moment
        }
    }

    fn pass_on(&mut self) {
        for finding in self.findings.drain(..) {
            self.emitted += 1;
            let random = mix(self.randomness.wrapping_add(self.emitted));
            let event = resolve(finding, &self.names, u128::from(random));
            (self.emit)(Arc::new(event));
        }
    }

    fn save(&mut self, now: Now) {
        let Some(keeper) = &mut self.keeper else {
            return;
        };
        let scene = Scene {
            now,
            requests: &self.requests,
            names: &self.names,
        };
        let mut stored = Vec::new();
        for processor in &self.processors {
            processor.learnt(&scene, &mut stored);
        }
        keeper.keep(now, &stored);
    }
}

impl Subscriber for Detection {
    fn name(&self) -> &'static str {
        "detection"
    }

    fn families(&self) -> Families {
        let all = Family::ALL.into_iter().filter(|family| {
            // Requests are what samples get their paths from.
            *family == Family::HttpRequest
                || self
                    .processors
                    .iter()
                    .any(|processor| processor.families().contains(*family))
        });
        all.fold(Families::NONE, Families::with)
    }

    fn on_event(&mut self, event: &Event) {
        if let Event::HttpRequest(request) = event {
            self.requests.note(request);
        }
        let scene = Scene {
            now: self.moment_of(event),
            requests: &self.requests,
            names: &self.names,
        };
        let family = event.family();
        for (processor, families) in self.processors.iter_mut().zip(&self.families) {
            if families.contains(family) {
                processor.on_event(event, &scene, &mut self.findings);
            }
        }
        self.pass_on();
    }

    fn on_dropped(&mut self, family: Family, count: u64) {
        for processor in &mut self.processors {
            if processor.families().contains(family) {
                processor.on_dropped(family, count);
            }
        }
    }

    fn on_tick(&mut self, now: Now) {
        self.last = Some(now);
        let scene = Scene {
            now,
            requests: &self.requests,
            names: &self.names,
        };
        for processor in &mut self.processors {
            processor.on_tick(&scene, &mut self.findings);
        }
        self.pass_on();
        if now.monotonic_ns.saturating_sub(self.looked_ns) >= LOOK_NS {
            self.looked_ns = now.monotonic_ns;
            self.look();
        }
        if self
            .keeper
            .as_mut()
            .is_some_and(|keeper| keeper.is_due(now))
        {
            self.save(now);
        }
    }

    fn on_stop(&mut self, now: Now) {
        self.save(now);
        // Dropping the keeper waits for the last write.
        self.keeper = None;
    }
}

/// Puts names in the place of ids.
fn resolve(finding: Finding, names: &Names, random: u128) -> ObserverEvent {
    let key = finding.key(names);
    let identity = finding.identity;
    ObserverEvent {
        id: ObserverEvent::id_at(finding.last_ns, random),
        kind: finding.kind,
        phase: finding.phase,
        severity: finding.severity,
        key,
        first_ns: finding.first_ns,
        last_ns: finding.last_ns,
        window_ns: finding.window_ns,
        count: finding.count,
        side: finding.side,
        reason: finding.reason,
        subject: Subject {
            listener: names.listener(identity.listener),
            rule: names.rule(identity.rule),
            backend: names.backend(identity.backend),
            endpoint: names.endpoint(identity.endpoint),
            method: finding.method,
        },
        baseline: finding.baseline,
        observed: finding.observed,
        samples: finding.samples,
    }
}

/// The finaliser of SplitMix64.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
