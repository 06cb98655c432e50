//! The control thread: manifests in, snapshots to the data plane, its answers back into status.

use crate::config::{Config, Input};
use crate::verdicts::Verdicts;
use anyhow::Context;
use rauta_gateway_api::object::Change;
use rauta_gateway_api::quick::{Quick, Tls};
use rauta_gateway_api::source::{FileSource, Mistake, Reading, Severity, WatchHandle};
use rauta_gateway_api::status::{ObjectStatus, PortReport};
use rauta_gateway_api::{Config as ControllerConfig, Controller};
use rauta_proxy::{Applied, PortState, Proxy};
use rauta_routing::Snapshot;
use rauta_schemas::Names;
use rauta_sinks::prometheus::ChangeMetrics;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Readings that may wait; the watch waits with the next.
const READINGS: usize = 4;

/// What routing looks like from outside.
#[derive(Clone, Debug)]
pub(crate) struct RoutingView {
    controller: Arc<Mutex<Controller>>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    snapshot: Arc<Snapshot>,
    figures: Figures,
}

/// Counters and gauges of routing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) snapshots: u64,
    pub(crate) mistakes: u64,
    pub(crate) generation: u64,
    pub(crate) ports_failed: usize,
}

impl RoutingView {
    fn new(controller: Controller) -> Self {
        Self {
            controller: Arc::new(Mutex::new(controller)),
            seen: Arc::default(),
        }
    }

    /// The snapshot that every worker serves.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.with(|seen| Arc::clone(&seen.snapshot))
    }

    /// What became of each object as of the last compilation, made for whoever asks. It may be one
    /// change ahead of the snapshot, while the workers take that over.
    pub(crate) fn status(&self) -> Vec<ObjectStatus> {
        self.control(|controller| controller.status().collect())
    }

    pub(crate) fn figures(&self) -> Figures {
        self.with(|seen| seen.figures)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The control thread's own. Others only look: they wait while it compiles, and it waits for
    /// as long as a page takes to make.
    fn control<T>(&self, act: impl FnOnce(&mut Controller) -> T) -> T {
        act(&mut self
            .controller
            .lock()
            .unwrap_or_else(PoisonError::into_inner))
    }
}

/// The running control thread.
#[derive(Debug)]
pub(crate) struct Routing {
    view: RoutingView,
    stop: mpsc::Sender<Message>,
    watch: Option<WatchHandle>,
    thread: JoinHandle<()>,
}

enum Message {
    Reading(Reading),
    Stop,
}

impl Routing {
    /// Reads the input, applies the first snapshot, and goes on with every change.
    pub(crate) async fn start(
        config: &Config,
        names: Names,
        proxy: Arc<Proxy>,
        metrics: ChangeMetrics,
    ) -> anyhow::Result<Self> {
        let (sender, receiver) = mpsc::channel(READINGS);
        let (mut control, changes, watch) = match &config.input {
            Input::Quick { backend, bind, tls } => {
                let tls = tls
                    .as_ref()
                    .map(|(cert, key)| read_tls(cert, key))
                    .transpose()?;
                let quick = Quick {
                    bind: *bind,
                    backends: vec![*backend],
                    tls,
                };
                let controller = quick.controller(names).context("the quick way")?;
                (Control::new(controller, proxy, metrics), Vec::new(), None)
            }
            Input::Manifests(paths) => {
                let mut source = FileSource::open(paths.clone());
                let reading = source.read_all();
                let controller = Controller::new(controller_config(config), names);
                let control = Control::new(controller, proxy, metrics);
                let changes = control.take_in(reading);
                let sender = sender.clone();
                let watch = source
                    .watch(move |reading| {
                        // The receiver is gone only at the end.
                        sender.blocking_send(Message::Reading(reading)).ok();
                    })
                    .context("manifests cannot be watched")?;
                (control, changes, Some(watch))
            }
        };
        let view = control.view.clone();
        let applied = control.publish(changes, None).await;
        if let (Input::Quick { .. }, Some(Applied { ports, .. })) = (&config.input, &applied) {
            for (_, state) in ports {
                if let PortState::Failed(why) = state {
                    anyhow::bail!("bind_addr: {why}; free it or choose another");
                }
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("rauta-routing".into())
            .spawn(move || runtime.block_on(follow(control, receiver)))?;
        Ok(Self {
            view,
            stop: sender,
            watch,
            thread,
        })
    }

    /// A view of it.
    pub(crate) fn view(&self) -> RoutingView {
        self.view.clone()
    }

    /// Takes no more changes in.
    pub(crate) async fn stop(self) {
        // The thread may have ended by a panic; joining it says so.
        self.stop.send(Message::Stop).await.ok();
        // Ends the watch's thread, which may be waiting to send to the one that is ending.
        drop(self.stop);
        drop(self.watch);
        if self.thread.join().is_err() {
            tracing::error!("the routing thread panicked");
        }
    }
}

/// Applies every reading until told to stop.
async fn follow(mut control: Control, mut messages: mpsc::Receiver<Message>) {
    while let Some(Message::Reading(reading)) = messages.recv().await {
        let noticed = reading.noticed.map(Instant::from_std);
        let changes = control.take_in(reading);
        control.publish(changes, noticed).await;
    }
}

struct Control {
    proxy: Arc<Proxy>,
    metrics: ChangeMetrics,
    view: RoutingView,
    verdicts: Verdicts,
    /// What the data plane does not serve of the last snapshot.
    refused: Vec<String>,
}

impl Control {
    fn new(controller: Controller, proxy: Arc<Proxy>, metrics: ChangeMetrics) -> Self {
        Self {
            proxy,
            metrics,
            view: RoutingView::new(controller),
            verdicts: Verdicts::default(),
            refused: Vec::new(),
        }
    }

    /// Tells the mistakes of a reading, and gives its changes.
    fn take_in(&self, reading: Reading) -> Vec<Change> {
        for mistake in &reading.mistakes {
            log(mistake);
        }
        let errors = reading
            .mistakes
            .iter()
            .filter(|m| m.severity == Severity::Error)
            .count();
        self.view
            .with(|seen| seen.figures.mistakes += errors as u64);
        reading.changes
    }

    /// Takes changes in, compiles and, if anything is another than before, waits until every worker
    /// serves it. `noticed`: when the change was seen, if it is one and not the start.
    async fn publish(&mut self, changes: Vec<Change>, noticed: Option<Instant>) -> Option<Applied> {
        let first = self.view.figures().snapshots == 0;
        // In one section, so that nobody sees objects that were not judged yet.
        let snapshot = self.view.control(|controller| {
            controller.apply(changes);
            let compiled = controller.compile();
            // The quick way has compiled already, to find its mistakes.
            compiled.or_else(|| controller.snapshot().filter(|_| first).cloned())
        });
        let applied = match &snapshot {
            Some(snapshot) => Some(self.proxy.apply(Arc::clone(snapshot)).await),
            None => None,
        };
        if let (Some(noticed), Some(_)) = (noticed, &applied) {
            self.metrics.is_live(noticed.elapsed());
        }
        if let Some(applied) = &applied {
            let reports = applied.ports.iter().map(report).collect();
            self.view.control(|controller| controller.report(reports));
            log_ports(applied, &self.view.snapshot());
        }
        if let (Some(snapshot), Some(applied)) = (&snapshot, &applied) {
            self.refused = refusals(snapshot, applied);
        }
        let (verdicts, refused) = (&mut self.verdicts, &self.refused);
        let judge = |controller: &mut Controller| verdicts.news(controller.status(), refused);
        for wrong in self.view.control(judge) {
            tracing::warn!("{wrong}");
        }
        self.view.with(|seen| {
            if let (Some(snapshot), Some(applied)) = (snapshot, &applied) {
                let is_failed = |state: &PortState| matches!(state, PortState::Failed(_));
                seen.figures.snapshots += 1;
                seen.figures.generation = snapshot.generation;
                seen.figures.ports_failed = applied
                    .ports
                    .iter()
                    .filter(|(_, state)| is_failed(state))
                    .count();
                seen.snapshot = snapshot;
            }
        });
        applied
    }
}

fn report((address, state): &(std::net::SocketAddr, PortState)) -> PortReport {
    let outcome = match state {
        PortState::Serving(_) => Ok(()),
        PortState::Failed(why) => Err(why.clone()),
    };
    PortReport {
        address: *address,
        outcome,
    }
}

/// Certificates that rustls cannot use, though the manifests seemed right.
fn refusals(snapshot: &Snapshot, applied: &Applied) -> Vec<String> {
    let listeners = snapshot.ports.iter().flat_map(|port| port.listeners());
    let name_of = |id| {
        let found = listeners.clone().find(|listener| listener.id() == id)?;
        let name = found.name.name();
        Some(format!(
            "{}/{} listener {}",
            name.namespace, name.gateway, name.listener
        ))
    };
    let refused = applied.refused.iter();
    refused
        .map(|(id, why)| format!("Gateway {}: {why}", name_of(*id).unwrap_or_default()))
        .collect()
}

/// Says which addresses are served, when they are new, and which cannot be.
fn log_ports(applied: &Applied, before: &Snapshot) {
    for (address, state) in &applied.ports {
        let is_new = before.ports.iter().all(|port| port.address != *address);
        match state {
            PortState::Serving(at) if is_new => tracing::info!(address = %at, "listening"),
            PortState::Serving(_) => {}
            PortState::Failed(why) => {
                tracing::error!(address = %address, error = why, "not served")
            }
        }
    }
}

fn log(mistake: &Mistake) {
    match mistake.severity {
        Severity::Error => tracing::error!("{mistake}"),
        Severity::Warning => tracing::warn!("{mistake}"),
        Severity::Info => tracing::info!("{mistake}"),
    }
}

/// How objects from files are judged.
pub(crate) fn controller_config(config: &Config) -> ControllerConfig {
    ControllerConfig {
        gateway_class: config.gateway_class.clone(),
        address_pool: config.address_pool,
        port_offset: config.port_offset,
        bind_any_address: config.bind_any,
        ..ControllerConfig::files()
    }
}

fn read_tls(certificate: &Path, key: &Path) -> anyhow::Result<Tls> {
    let read = |field: &str, path: &Path| {
        std::fs::read(path).with_context(|| format!("{field}: {} cannot be read", path.display()))
    };
    Ok(Tls {
        certificate: read("tls_cert", certificate)?,
        key: read("tls_key", key)?,
    })
}
