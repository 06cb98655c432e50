//! The parts, and how they meet: the wiring diagram as code.
//!
//! ```text
//! files ─► routing (controller) ─Snapshot─► proxy ─events─► bus ─► pipeline thread
//!                                                 ├─ metrics ─► admin /metrics
//!                                                 ├─ detection ─anomalies─► admin /events, log
//!                                                 │               └─► spool ─► NATS, OTLP
//!                                                 ├─ queue ─► access log
//!                                                 └─ chosen exchanges ─► OTLP
//! ```

use crate::admin::{Admin, Recent, State};
use crate::config::Config;
use crate::log::LogLevel;
use crate::outputs::{
    AccessLogThread, AnomalySpool, AnomalyThread, NatsThread, OtlpThread, SpoolThread, per_million,
};
use crate::routing::Routing;
use crate::{samples, view};
use anyhow::Context;
use rauta_core::bus::{AnomalySubscription, Bus, BusConfig, BusStats, Pipeline, Subscriber};
use rauta_core::clock;
use rauta_core::drain::{self, DrainTrigger, Mode};
use rauta_core::readiness::{BlockReady, Readiness};
use rauta_processors::Detection;
use rauta_proxy::Proxy;
use rauta_schemas::Names;
use rauta_sinks::prometheus::{ChangeMetrics, HttpMetrics, Page};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Anomalies that a reader may lag behind.
const ANOMALY_QUEUE: usize = 1024;

/// A running RAUTA.
pub(crate) struct App {
    bus: Bus,
    proxy: Arc<Proxy>,
    drain: DrainTrigger,
    readiness: Readiness,
    routing: Routing,
    admin: Admin,
    pipeline: PipelineThread,
    access_log: Option<AccessLogThread>,
    anomalies: AnomalyThread,
    senders: Senders,
}

impl App {
    /// Builds and starts everything; returns once the first configuration is live.
    pub(crate) async fn start(config: Config, log_level: LogLevel) -> anyhow::Result<Self> {
        Self::start_with(config, log_level, Vec::new()).await
    }

    /// The same, with more subscribers on the pipeline.
    pub(crate) async fn start_with(
        config: Config,
        log_level: LogLevel,
        subscribers: Vec<Box<dyn Subscriber>>,
    ) -> anyhow::Result<Self> {
        let shown = view::config(&config);
        let readiness = Readiness::new();
        let loading = readiness.register("routing");
        let names = Names::default();
        let (bus, mut pipeline) = Bus::new(BusConfig::default());
        let (drain, watch) = drain::channel();

        // Sinks first, so that no event comes before its readers.
        let page = Arc::new(Page::default());
        pipeline.attach(Box::new(HttpMetrics::new(page.registry(), names.clone())?));
        let detection = Detection::new(&config.detection, names.clone(), clock::now().wall_ns, {
            let bus = bus.clone();
            Box::new(move |anomaly| bus.emit(anomaly))
        });
        page.add_source(samples::detection(detection.view()));
        pipeline.attach(Box::new(detection));
        for subscriber in subscribers {
            pipeline.attach(subscriber);
        }
        let access_log = config
            .access_log
            .as_ref()
            .map(|log| AccessLogThread::start(log, &mut pipeline, &names, &page))
            .transpose()?;
        let recent = Arc::new(Recent::default());
        let anomalies = AnomalyThread::start(
            bus.anomalies("log", ANOMALY_QUEUE),
            config.anomaly_log.as_deref(),
            config.producer.clone(),
            Arc::clone(&recent),
            &page,
        )?;
        let senders = Senders::start(&config, &mut pipeline, &bus, &names, &page)?;
        let pipeline = PipelineThread::start(pipeline)?;

        // Then the data plane, and last what gives it routes.
        let proxy = Arc::new(Proxy::start(proxy_config(&config), &bus, watch)?);
        page.add_source(samples::process(Arc::clone(&proxy), bus.clone()));
        let changes = ChangeMetrics::new(page.registry())?;
        let routing = Routing::start(&config, names.clone(), Arc::clone(&proxy), changes).await?;
        page.add_source(samples::routing(routing.view()));
        let admin = Admin::start(
            config.admin,
            State {
                page,
                readiness: readiness.clone(),
                config: shown,
                routes: view::routes(routing.view()),
                endpoints: view::endpoints(routing.view()),
                explain: view::explained(routing.view()),
                recent,
                log_level,
            },
        )?;
        tracing::info!(address = %admin.address(), "admin server listens");
        drop(loading);
        tracing::info!("ready");
        Ok(Self {
            bus,
            proxy,
            drain,
            readiness,
            routing,
            admin,
            pipeline,
            access_log,
            anomalies,
            senders,
        })
    }

    /// Each anomaly from now on.
    pub(crate) fn anomalies(&self, name: &'static str) -> AnomalySubscription {
        self.bus.anomalies(name, ANOMALY_QUEUE)
    }

    /// Where the admin server listens.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Turns unready, waits `pre_stop_wait` so that load balancers look away, drains the data plane
    /// within `deadline`, and lets every event reach its readers.
    pub(crate) async fn stop(
        self,
        pre_stop_wait: Duration,
        deadline: Duration,
    ) -> anyhow::Result<BusStats> {
        let unready: BlockReady = self.readiness.register("draining");
        tracing::info!(
            wait_ms = pre_stop_wait.as_millis() as u64,
            "not ready any more"
        );
        tokio::time::sleep(pre_stop_wait).await;
        self.routing.stop().await;
        self.drain.signal(Mode::Graceful);
        if let Some(proxy) = Arc::into_inner(self.proxy) {
            match proxy.drain(deadline).await.cut {
                0 => tracing::info!("drained"),
                cut => tracing::warn!(
                    connections = cut,
                    "drain deadline passed; cut what was left"
                ),
            }
        }
        self.pipeline.stop()?;
        if let Some(access_log) = self.access_log {
            access_log.stop()?;
        }
        let stats = self.bus.stats();
        drop(self.bus);
        self.anomalies.stop()?;
        self.senders.stop().await?;
        drop(self.admin);
        drop(unready);
        Ok(stats)
    }
}

/// The data plane's configuration, with what its readers want to be told.
fn proxy_config(config: &Config) -> rauta_proxy::Config {
    let mut proxy = config.proxy.clone();
    // Exactly the exchanges that get a line: both sides choose by the exchange's id.
    let log = config.access_log.as_ref();
    proxy.detail_per_million = log.map_or(0, |log| per_million(log.sample));
    if let Some(otlp) = &config.otlp {
        proxy.tracing = otlp.tracing.clone();
    }
    proxy
}

/// What sends out of the process, and the spool between.
struct Senders {
    spool: SpoolThread,
    otlp: Option<OtlpThread>,
    nats: Option<NatsThread>,
}

impl Senders {
    fn start(
        config: &Config,
        pipeline: &mut Pipeline,
        bus: &Bus,
        names: &Names,
        page: &Arc<Page>,
    ) -> anyhow::Result<Self> {
        let mut spool = AnomalySpool::open(config, page)?;
        let logs = spool.logs.take();
        let otlp = OtlpThread::start(config, pipeline, logs, names, page)?;
        let nats = NatsThread::start(config, &mut spool, page)?;
        let spool = spool.start(bus)?;
        Ok(Self { spool, otlp, nats })
    }

    /// Sends what is left, for a while. The bus has ended before.
    async fn stop(self) -> anyhow::Result<()> {
        self.spool.stop()?;
        if let Some(otlp) = self.otlp {
            otlp.stop()?;
        }
        if let Some(nats) = self.nats {
            nats.stop().await?;
        }
        Ok(())
    }
}

/// The thread that reads all lanes.
struct PipelineThread {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl PipelineThread {
    fn start(pipeline: Pipeline) -> anyhow::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("rauta-pipeline".into())
            .spawn(move || pipeline.run(|| asked.load(Ordering::Acquire)))
            .context("the pipeline's thread could not start")?;
        Ok(Self { stop, thread })
    }

    fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.thread
            .join()
            .map_err(|_| anyhow::anyhow!("the pipeline's thread panicked"))
    }
}
