//! Telemetry by OTLP: traces, metrics and logs to a collector, over gRPC or HTTP.
//!
//! ```text
//! pipeline ─► Spans: which exchanges? ─► queue ─► Traces ──┐
//! Page (what a scrape reads) ───────────────────► Metrics ─┼─► Delivery ─► collector
//! spool ────────────────────────────────────────► Logs ────┘   split, retry, count
//! ```
//!
//! Everything but the choice of exchanges happens on a thread with a runtime of its own. A
//! collector that is down, slow or wrong costs what waits for it: queues are bounded, drops are
//! counted by reason, nothing else notices.

mod attributes; // attributes and nested values
mod batch; // one request, and its halves
mod config; // where to, and which exchanges
mod delivery; // sent until taken in or given up
mod deltas; // what figures grew by since the collector last took them in
mod log; // an anomaly as a log record
mod metric; // a scrape's figures as metrics
mod old_http; // attributes by the names they had before they were stable
mod signals; // a task per signal
mod span; // an exchange as spans
mod spans; // which exchanges get spans
mod speaker; // the resource
mod stop; // the end, with a deadline
mod transport; // gRPC and HTTP, and what their answers mean

pub use config::{Config, Protocol, Signal, Tail, Target, Temporality, TlsFiles};
pub use delivery::Patience;
pub use spans::Spans;
pub use transport::TlsError;

use crate::prometheus::Page;
use crate::spool::SpoolReader;
use crate::totals::{self, SinkTotals};
use batch::Speaker;
use delivery::Way;
use deltas::Deltas;
use rauta_core::clock;
use rauta_schemas::{Names, Producer};
use signals::{Logs, Metrics, Shared, Traces, delivery};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What the sink reads from.
#[derive(Debug)]
pub struct Inputs {
    /// The names behind the ids of events.
    pub names: Names,
    /// The figures that a scrape reads.
    pub page: Arc<Page>,
    /// Anomalies, where logs are sent.
    pub anomalies: Option<SpoolReader>,
    /// Who speaks.
    pub producer: Producer,
}

/// Why the sink cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS cannot be set up.
    #[error("OTLP for {}: {error}", .signal.label())]
    Tls {
        /// For which signal.
        signal: Signal,
        /// Why.
        error: TlsError,
    },
    /// Its thread or runtime cannot start.
    #[error("the OTLP sink cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running sink.
#[derive(Debug)]
pub struct Otlp {
    stopper: stop::Stopper,
    thread: JoinHandle<()>,
    totals: Vec<Arc<SinkTotals>>,
}

impl Otlp {
    /// Starts the sink's thread. Where traces are sent, the subscriber that comes with it has to be
    /// attached to the pipeline.
    ///
    /// # Errors
    /// Where TLS cannot be set up, or the thread cannot start.
    pub fn start(
        config: Config,
        patience: Patience,
        inputs: Inputs,
    ) -> Result<(Self, Option<Spans>), Error> {
        let (stopper, stop) = stop::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut building = Building {
            shared: Shared {
                speaker: Arc::new(Speaker::new(&config, &inputs.producer)),
                patience,
                stop,
            },
            config,
            inputs,
            tasks: JoinSet::new(),
            totals: Vec::new(),
            spans: None,
        };
        {
            // Connections and tasks belong to this runtime.
            let _entered = runtime.enter();
            for signal in Signal::ALL {
                if let Some(target) = building.config.target(signal).cloned() {
                    let way = Way::new(target, signal);
                    let way = way.map_err(|error| Error::Tls { signal, error })?;
                    building.add(signal, way);
                }
            }
        }
        let Building {
            tasks,
            totals,
            spans,
            ..
        } = building;
        let thread = std::thread::Builder::new()
            .name("rauta-otlp".into())
            .spawn(move || {
                runtime.block_on(tasks.join_all());
            })?;
        let otlp = Self {
            stopper,
            thread,
            totals,
        };
        Ok((otlp, spans))
    }

    /// What it sent, failed to send, dropped, and has waiting, of traces and metrics; of logs the
    /// spool's reader has them.
    pub fn totals(&self) -> &[Arc<SinkTotals>] {
        &self.totals
    }

    /// Sends what is left, within a time, and ends. Call it after the pipeline has ended. Blocks.
    ///
    /// # Errors
    /// Where its thread panicked.
    pub fn stop(self, within: Duration) -> std::thread::Result<()> {
        self.stopper.stop(within);
        self.thread.join()
    }
}

/// The sink while it is put together.
struct Building {
    config: Config,
    inputs: Inputs,
    shared: Shared,
    tasks: JoinSet<()>,
    totals: Vec<Arc<SinkTotals>>,
    spans: Option<Spans>,
}

impl Building {
    fn add(&mut self, signal: Signal, way: Way) {
        match signal {
            Signal::Traces => {
                let totals = self.totals(totals::Signal::Traces);
                let (sender, queue) = mpsc::channel(spans::QUEUE);
                let waiting = Arc::new(AtomicU64::new(0));
                self.spans = Some(Spans::new(
                    self.config.tail,
                    sender,
                    Arc::clone(&waiting),
                    Arc::clone(&totals),
                ));
                let traces = Traces {
                    queue,
                    waiting,
                    names: self.inputs.names.clone(),
                    has_old_names: self.config.old_http_attributes,
                    delivery: delivery(way, signal, &self.shared, &totals),
                };
                self.tasks.spawn(traces.run());
            }
            Signal::Metrics => {
                let totals = self.totals(totals::Signal::Metrics);
                let start_ns = clock::now().wall_ns;
                let metrics = Metrics {
                    page: Arc::clone(&self.inputs.page),
                    every: self.config.metrics_interval,
                    start_ns,
                    deltas: Deltas::new(self.config.metrics_temporality, start_ns),
                    delivery: delivery(way, signal, &self.shared, &totals),
                };
                self.tasks.spawn(metrics.run());
            }
            Signal::Logs => {
                let Some(reader) = self.inputs.anomalies.take() else {
                    return;
                };
                let totals = Arc::clone(reader.totals());
                let logs = Logs {
                    reader,
                    producer: self.inputs.producer.clone(),
                    delivery: delivery(way, signal, &self.shared, &totals),
                };
                self.tasks.spawn(logs.run());
            }
        }
    }

    fn totals(&mut self, signal: totals::Signal) -> Arc<SinkTotals> {
        let totals = SinkTotals::new("otlp", signal);
        self.totals.push(Arc::clone(&totals));
        totals
    }
}
