//! A gateway in the test's own process: a real proxy on loopback, its routing made by hand, its
//! events kept.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its part of the harness"
)]

use rauta_core::bus::{Bus, BusConfig, BusStats, Subscriber};
use rauta_core::clock::Now;
use rauta_core::drain::{self, DrainTrigger};
use rauta_proxy::{Config, PortState, Proxy};
use rauta_routing::{
    Affinity, Backend, BackendProtocol, BackendTarget, BackendTls, Endpoint, EndpointHealth,
    Filter, Listener, Match, Mirror, PathMatch, Port, PortProtocol, Retry, RouteEntry, RouteTable,
    Rule, RuleEntry, Snapshot, Timeouts, WeightedBackend,
};
use rauta_schemas::{
    BackendId, BackendName, EndpointName, Event, Families, Family, HttpRequestEvent,
    HttpResponseEvent, ListenerName, Names, RouteKind, RuleName,
};
use rauta_test_support::{Origin, RawClient, in_time};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::SystemTime;
use tokio::sync::watch;

/// One route of a gateway under test.
#[derive(Clone, Default)]
pub struct Route {
    pub path: String,
    pub endpoints: Vec<SocketAddr>,
    pub filters: Vec<Filter>,
    pub timeouts: Timeouts,
    pub retry: Option<Retry>,
    pub is_grpc: bool,
    /// Do the endpoints speak HTTP/2?
    pub is_http2: bool,
    /// TLS toward the endpoints.
    pub tls: Option<Arc<BackendTls>>,
    pub is_invalid: bool,
    /// Where copies go, and how many in a hundred.
    pub mirror: Option<(SocketAddr, u32)>,
}

impl Route {
    /// Everything goes to these origins.
    pub fn to(origins: &[&Origin]) -> Self {
        let endpoints = origins.iter().map(|origin| origin.address()).collect();
        Self {
            endpoints,
            ..Self::default()
        }
    }
}

/// A running gateway.
pub struct Gateway {
    pub proxy: Proxy,
    pub address: SocketAddr,
    pub events: Events,
    pub trigger: DrainTrigger,
    pub names: Names,
    bus: Bus,
    stop: Arc<AtomicBool>,
    pipeline: JoinHandle<()>,
}

impl Gateway {
    /// With default settings and one worker, everything to one origin.
    pub async fn to(origin: &Origin) -> Self {
        Self::start(config(), vec![Route::to(&[origin])]).await
    }

    /// With these routes on one listener for any host.
    pub async fn start(config: Config, routes: Vec<Route>) -> Self {
        let at = "127.0.0.1:0".parse().expect("an address");
        Self::serve(config, |names| snapshot(names, at, routes)).await
    }

    /// With a snapshot of one port, made under the gateway's own names.
    pub async fn serve(config: Config, make: impl FnOnce(&Names) -> Arc<Snapshot>) -> Self {
        let (bus, mut pipeline) = Bus::new(BusConfig::default());
        let events = Events::default();
        pipeline.attach(Box::new(events.clone()));
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let pipeline =
            std::thread::spawn(move || pipeline.run(|| is_stopped.load(Ordering::Relaxed)));
        let (trigger, watch) = drain::channel();
        let proxy = Proxy::start(config, &bus, watch).expect("workers start");
        let names = Names::default();
        let applied = proxy.apply(make(&names)).await;
        let PortState::Serving(address) = applied.ports[0].1 else {
            panic!("{:?}", applied.ports);
        };
        Self {
            proxy,
            address,
            events,
            trigger,
            names,
            bus,
            stop,
            pipeline,
        }
    }

    /// Replaces the routes.
    pub async fn reroute(&self, routes: Vec<Route>) {
        let at = "127.0.0.1:0".parse().expect("an address");
        self.proxy.apply(snapshot(&self.names, at, routes)).await;
    }

    pub async fn client(&self) -> RawClient {
        RawClient::connect(self.address).await
    }

    pub fn stats(&self) -> BusStats {
        self.bus.stats()
    }

    /// Ends the thread that reads events.
    pub async fn end_pipeline(&self) {
        self.stop.store(true, Ordering::Relaxed);
        in_time("the pipeline's end", async {
            while !self.pipeline.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// One worker: what is tested is the same on each.
pub fn config() -> Config {
    Config {
        workers: 1,
        ..Config::default()
    }
}

pub fn snapshot(names: &Names, address: SocketAddr, routes: Vec<Route>) -> Arc<Snapshot> {
    let mut backends = HashMap::default();
    let mut rules = Vec::new();
    for (at, route) in routes.into_iter().enumerate() {
        let mut route = route;
        if let Some((address, percent)) = route.mirror {
            let aside = Route {
                endpoints: vec![address],
                ..Route::default()
            };
            let mirrored = backend(names, 1000 + at, &aside);
            let mirror = Mirror {
                backend: Some(mirrored.name.clone()),
                numerator: percent,
                denominator: 100,
            };
            route.filters.push(Filter::Mirror(mirror));
            backends.insert(mirrored.id(), mirrored);
        }
        let backend = backend(names, at, &route);
        rules.push(rule(names, at, route, &backend));
        backends.insert(backend.id(), backend);
    }
    let entry = RouteEntry {
        hostnames: Vec::new(),
        created: SystemTime::UNIX_EPOCH,
        key: "default/test".to_owned(),
        rules,
    };
    let listener = Listener {
        name: names.listeners.intern(ListenerName {
            namespace: "default".to_owned(),
            gateway: "test".to_owned(),
            listener: "http".to_owned(),
            port: 80,
        }),
        hostname: None,
        tls: None,
        routes: Arc::new(RouteTable::new(vec![entry])),
    };
    let port = Port::new(address, PortProtocol::Http, 80, vec![Arc::new(listener)]);
    Arc::new(Snapshot {
        generation: 1,
        ports: vec![Arc::new(port)],
        backends: Arc::new(backends),
    })
}

/// The backend of a route, numbered.
pub fn backend(names: &Names, at: usize, route: &Route) -> Arc<Backend> {
    let name = names.backends.intern(BackendName {
        namespace: "default".to_owned(),
        service: format!("service-{at}"),
        port: 80,
    });
    let id = BackendId::from(name.number());
    let endpoint = |address: &SocketAddr| {
        let name = names.endpoints.intern(EndpointName {
            address: address.to_string(),
            pod: String::new(),
            node: String::new(),
            backend: id,
        });
        let health = Arc::new(EndpointHealth::default());
        Arc::new(Endpoint {
            name,
            address: *address,
            health,
        })
    };
    Arc::new(Backend {
        name,
        protocol: if route.is_http2 {
            BackendProtocol::Http2
        } else {
            BackendProtocol::Http1
        },
        tls: route.tls.clone(),
        affinity: Affinity::None,
        endpoints: route.endpoints.iter().map(endpoint).collect(),
        maglev: OnceLock::new(),
    })
}

/// The rule of a route, numbered.
pub fn rule(names: &Names, at: usize, route: Route, backend: &Arc<Backend>) -> Arc<RuleEntry> {
    let kind = if route.is_grpc {
        RouteKind::Grpc
    } else {
        RouteKind::Http
    };
    let name = names.rules.intern(RuleName {
        kind,
        namespace: "default".to_owned(),
        route: "test".to_owned(),
        rule: at.to_string(),
        template: route.path.clone(),
    });
    let target = if route.is_invalid {
        BackendTarget::Invalid(rauta_routing::InvalidBackend::NotFound)
    } else {
        BackendTarget::Backend(backend.name.clone())
    };
    let rule = Rule {
        name,
        kind,
        filters: route.filters,
        backends: vec![WeightedBackend {
            weight: 1,
            target,
            filters: Vec::new(),
        }],
        timeouts: route.timeouts,
        retry: route.retry,
    };
    let path = PathMatch::Prefix(route.path.trim_end_matches('/').to_owned());
    let matches = vec![Match {
        path,
        method: None,
        headers: Vec::new(),
        query: Vec::new(),
    }];
    let rule = Arc::new(rule);
    Arc::new(RuleEntry { matches, rule })
}

/// All events so far, in the order of the pipeline.
#[derive(Clone)]
pub struct Events {
    kept: Arc<Mutex<Vec<Event>>>,
    hold: Arc<Mutex<Option<Receiver<()>>>>,
    count: Arc<watch::Sender<usize>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            kept: Arc::default(),
            hold: Arc::default(),
            count: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Events {
    /// Makes the pipeline stand still from the next event on, until what this gives is dropped.
    pub fn hold(&self) -> SyncSender<()> {
        let (holder, held) = sync_channel(1);
        *self.hold.lock().expect("no test panicked in it") = Some(held);
        holder
    }

    pub fn all(&self) -> Vec<Event> {
        self.kept.lock().expect("no test panicked in it").clone()
    }

    /// Waits until `count` events pass the filter, and gives them.
    pub async fn select<T>(&self, count: usize, filter: impl Fn(Event) -> Option<T>) -> Vec<T> {
        let mut changes = self.count.subscribe();
        in_time("events", async {
            loop {
                let found: Vec<T> = self.all().into_iter().filter_map(&filter).collect();
                if found.len() >= count {
                    return found;
                }
                changes.changed().await.expect("the pipeline lives");
            }
        })
        .await
    }

    /// Waits for `count` response events.
    pub async fn responses(&self, count: usize) -> Vec<HttpResponseEvent> {
        let select = |event| match event {
            Event::HttpResponse(response) => Some(response),
            _ => None,
        };
        self.select(count, select).await
    }

    /// Waits for `count` request events.
    pub async fn requests(&self, count: usize) -> Vec<HttpRequestEvent> {
        let select = |event| match event {
            Event::HttpRequest(request) => Some(request),
            _ => None,
        };
        self.select(count, select).await
    }

    /// The next response event's, when only one is expected.
    pub async fn response(&self) -> HttpResponseEvent {
        self.responses(1).await.remove(0)
    }
}

impl Subscriber for Events {
    fn name(&self) -> &'static str {
        "test"
    }

    fn families(&self) -> Families {
        Families::ALL
    }

    fn on_event(&mut self, event: &Event) {
        let held = self.hold.lock().expect("no test panicked in it").take();
        if let Some(held) = held {
            // The end of the channel is what is waited for.
            held.recv().ok();
        }
        self.kept
            .lock()
            .expect("no test panicked in it")
            .push(event.clone());
        self.count.send_modify(|count| *count += 1);
    }

    fn on_dropped(&mut self, _family: Family, _count: u64) {}

    fn on_tick(&mut self, _now: Now) {}
}
