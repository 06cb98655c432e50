//! A stage for detectors: plays exchanges in simulated time as the data plane would report them,
//! and keeps what was found, with the time it was found at. The code under test is the production
//! `Detection` with its production thresholds.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test target uses its own part"
)]

mod exchange;

pub(crate) use exchange::{Ending, Exchange};

use rauta_core::bus::Subscriber;
use rauta_core::clock::Now;
use rauta_processors::{Config, Detection};
use rauta_schemas::{
    AnomalyKind, BackendId, BackendName, EndpointEvent, EndpointId, EndpointName,
    EndpointTransition, Event, Family, Identity, ListenerId, ListenerName, Named, Names,
    ObserverEvent, Phase, Reason, RouteKind, RuleId, RuleName,
};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MS;
/// Simulated time 0 on both clocks.
const MONOTONIC_START_NS: u64 = 5_000 * SECOND;
const WALL_START_NS: u64 = 1_790_000_000 * SECOND;
const TICK_NS: u64 = 100 * MS;

/// One anomaly, and when it was said, in simulated time.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) at_ns: u64,
    pub(crate) event: Arc<ObserverEvent>,
}

impl Found {
    pub(crate) fn is(&self, kind: AnomalyKind, phase: Phase) -> bool {
        self.event.kind == kind && self.event.phase == phase
    }
}

/// Which events are lost on their way to the detectors, who are told how many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    /// One event in so many (0 = none), whatever its family.
    pub(crate) one_in: u64,
    /// All events of the first so many nanoseconds of each minute, as when a queue is full.
    pub(crate) gap_ns: u64,
}

/// A route with its backend.
struct Route {
    rule: Named<RuleName>,
    backend: Named<BackendName>,
    endpoints: Vec<Named<EndpointName>>,
}

pub(crate) struct Stage {
    detection: Detection,
    said: Arc<Mutex<Vec<Arc<ObserverEvent>>>>,
    /// Was something said since it was last read? Asked after each event, so it must be cheap.
    is_said: Arc<AtomicBool>,
    pub(crate) found: Vec<Found>,
    names: Names,
    listener: Named<ListenerName>,
    routes: Vec<Route>,
    now_ns: u64,
    /// Wall time at simulated time 0; a test may step it.
    pub(crate) wall_start_ns: u64,
    pending: BinaryHeap<Reverse<(u64, u64)>>,
    open: Vec<Option<Exchange>>,
    free: Vec<usize>,
    sequence: u64,
    /// Which events are lost on their way.
    pub(crate) loss: Loss,
    /// The exchanges whose last event was lost, by their number, from 1.
    pub(crate) unseen: HashSet<u64>,
    pub(crate) events: u64,
}

impl Stage {
    /// `routes[i]` endpoints behind route `i`.
    pub(crate) fn new(config: &Config, routes: &[usize]) -> Self {
        let names = Names::default();
        let listener = names.listeners.intern(ListenerName {
            namespace: "infra".into(),
            gateway: "edge".into(),
            listener: "http".into(),
            port: 80,
        });
        let routes = routes.iter().enumerate();
        let routes = routes
            .map(|(n, endpoints)| Route::new(&names, n, *endpoints))
            .collect();
        let said = Arc::new(Mutex::new(Vec::new()));
        let emitted = Arc::clone(&said);
        let is_said = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&is_said);
        let emit = Box::new(move |event| {
            emitted.lock().expect("not poisoned").push(event);
            flag.store(true, Ordering::Relaxed);
        });
        let detection = Detection::new(config, names.clone(), WALL_START_NS, emit);
        Self {
            detection,
            said,
            is_said,
            found: Vec::new(),
            names,
            listener,
            routes,
            now_ns: 0,
            wall_start_ns: WALL_START_NS,
            pending: BinaryHeap::new(),
            open: Vec::new(),
            free: Vec::new(),
            sequence: 0,
            loss: Loss::default(),
            unseen: HashSet::new(),
            events: 0,
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    pub(crate) fn usage(&self, processor: &str) -> rauta_processors::Usage {
        let usage = self.detection.usage();
        usage
            .into_iter()
            .find(|(name, _)| *name == processor)
            .expect("a detector's name")
            .1
    }

    /// A request arrives at `exchange.start_ns`; its events follow as time passes.
    pub(crate) fn begin(&mut self, mut exchange: Exchange) {
        self.run_to(exchange.start_ns);
        self.sequence += 1;
        exchange.number = self.sequence;
        let request = exchange.request_event(
            self.wall_start_ns,
            MONOTONIC_START_NS,
            &self.identity(&exchange),
        );
        self.publish(Event::HttpRequest(request));
        let place = self.free.pop().unwrap_or_else(|| {
            self.open.push(None);
            self.open.len() - 1
        });
        self.pending
            .push(Reverse((exchange.next_report_ns(), place as u64)));
        self.open[place] = Some(exchange);
    }

    /// `rate` exchanges a second, evenly, for `seconds`.
    pub(crate) fn play(&mut self, seconds: u64, rate: u64, make: impl Fn(u64) -> Exchange) {
        let start_ns = self.now_ns;
        for n in 0..seconds * rate {
            let exchange = make(n);
            self.begin(Exchange {
                start_ns: start_ns + n * SECOND / rate,
                ..exchange
            });
        }
        self.run_to(start_ns + seconds * SECOND);
    }

    /// Lets time pass.
    pub(crate) fn run_to(&mut self, until_ns: u64) {
        while let Some(Reverse((at_ns, place))) = self.pending.peek().copied() {
            if at_ns > until_ns {
                break;
            }
            self.pending.pop();
            self.pass_to(at_ns);
            self.report(place as usize, at_ns);
        }
        self.pass_to(until_ns);
    }

    pub(crate) fn run_for(&mut self, ns: u64) {
        self.run_to(self.now_ns + ns);
    }

    /// An endpoint is ejected or comes back.
    pub(crate) fn endpoint(
        &mut self,
        route: usize,
        endpoint: usize,
        transition: EndpointTransition,
    ) {
        let route = &self.routes[route];
        let is_ejected = transition == EndpointTransition::Ejected;
        let event = EndpointEvent {
            backend: BackendId::from(route.backend.number()),
            endpoint: EndpointId::from(route.endpoints[endpoint].number()),
            wall_ns: self.wall_start_ns + self.now_ns,
            transition,
            reason: Reason::ConnectRefused,
            backoff_ms: if is_ejected { 1_000 } else { 0 },
            failures: u32::from(is_ejected),
        };
        self.publish(Event::Endpoint(event));
    }

    /// The detectors are told of losses.
    pub(crate) fn lose(&mut self, family: Family, count: u64) {
        self.detection.on_dropped(family, count);
    }

    /// Hands over an event as it is.
    pub(crate) fn publish(&mut self, event: Event) {
        self.events += 1;
        // A fixed mix of the number: lost ones fall anywhere, the same in each run.
        let mixed = self.events.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let is_lost = self.loss.one_in > 0 && mixed.is_multiple_of(self.loss.one_in);
        if is_lost || self.now_ns % (60 * SECOND) < self.loss.gap_ns {
            if let Event::HttpResponse(event) = &event {
                self.unseen
                    .insert(event.exchange.connection.number() & 0xffff_ffff);
            }
            self.detection.on_dropped(event.family(), 1);
            return;
        }
        self.detection.on_event(&event);
        self.collect();
    }

    /// Ends the run as the pipeline would.
    pub(crate) fn stop(mut self) {
        let now = self.now();
        self.detection.on_stop(now);
    }

    /// The anomalies of a kind and phase.
    pub(crate) fn found(&self, kind: AnomalyKind, phase: Phase) -> Vec<Found> {
        self.found
            .iter()
            .filter(|found| found.is(kind, phase))
            .cloned()
            .collect()
    }

    pub(crate) fn identity(&self, exchange: &Exchange) -> Identity {
        let route = &self.routes[exchange.route];
        let endpoint = &route.endpoints[exchange.endpoint % route.endpoints.len()];
        let endpoint = match exchange.ending {
            Ending::Gateway(_) => EndpointId::NONE,
            _ => EndpointId::from(endpoint.number()),
        };
        Identity {
            listener: ListenerId::from(self.listener.number()),
            rule: RuleId::from(route.rule.number()),
            backend: BackendId::from(route.backend.number()),
            endpoint,
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ns: MONOTONIC_START_NS + self.now_ns,
            wall_ns: self.wall_start_ns + self.now_ns,
        }
    }

    fn pass_to(&mut self, until_ns: u64) {
        loop {
            let tick_ns = (self.now_ns / TICK_NS + 1) * TICK_NS;
            if tick_ns > until_ns {
                break;
            }
            self.now_ns = tick_ns;
            let now = self.now();
            self.detection.on_tick(now);
            self.collect();
        }
        self.now_ns = self.now_ns.max(until_ns);
    }

    fn report(&mut self, place: usize, at_ns: u64) {
        let exchange = self.open[place].expect("a pending exchange is open");
        let identity = self.identity(&exchange);
        if at_ns < exchange.end_ns() {
            let age_ns = at_ns - exchange.start_ns;
            let event = exchange.progress_event(age_ns, MONOTONIC_START_NS, &identity);
            self.publish(Event::HttpProgress(event));
            let mut exchange = exchange;
            exchange.reported_ns = age_ns;
            self.pending
                .push(Reverse((exchange.next_report_ns(), place as u64)));
            self.open[place] = Some(exchange);
        } else {
            self.open[place] = None;
            self.free.push(place);
            let event = exchange.response_event(self.wall_start_ns, MONOTONIC_START_NS, &identity);
            self.publish(Event::HttpResponse(event));
        }
    }

    fn collect(&mut self) {
        if self.is_said.load(Ordering::Relaxed) {
            self.is_said.store(false, Ordering::Relaxed);
            let at_ns = self.now_ns;
            let mut said = self.said.lock().expect("not poisoned");
            self.found
                .extend(said.drain(..).map(|event| Found { at_ns, event }));
        }
    }
}

impl Route {
    fn new(names: &Names, n: usize, endpoints: usize) -> Self {
        let backend = names.backends.intern(BackendName {
            namespace: "shop".into(),
            service: format!("service-{n}"),
            port: 8080,
        });
        let rule = names.rules.intern(RuleName {
            kind: RouteKind::Http,
            namespace: "shop".into(),
            route: format!("route-{n}"),
            rule: "0".into(),
            template: "/".into(),
        });
        let endpoint = |e| {
            names.endpoints.intern(EndpointName {
                address: format!("10.0.{n}.{e}:8080"),
                pod: format!("shop/pod-{n}-{e}"),
                node: String::new(),
                backend: BackendId::from(backend.number()),
            })
        };
        let endpoints = (0..endpoints).map(endpoint).collect();
        Self {
            rule,
            backend,
            endpoints,
        }
    }
}
