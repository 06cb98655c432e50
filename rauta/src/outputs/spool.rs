//! Anomalies until their sinks have delivered them: one spool, a reader for each sink.

use crate::config::Config;
use anyhow::Context;
use rauta_core::bus::Bus;
use rauta_sinks::prometheus::Page;
use rauta_sinks::spool::{Spool, SpoolReader, SpoolWriter};
use rauta_sinks::totals::{Signal, SinkTotals};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Anomalies that the spool's thread may lag behind: a disk that stalls for a moment.
const SPOOL_QUEUE: usize = 4096;

/// The spool, before its thread. There is none where no sink reads it.
#[derive(Default)]
pub(crate) struct AnomalySpool {
    writer: Option<SpoolWriter>,
    /// For JetStream.
    pub(crate) occurrences: Option<SpoolReader>,
    /// For core NATS.
    pub(crate) observer_events: Option<SpoolReader>,
    /// For a collector.
    pub(crate) logs: Option<SpoolReader>,
}

impl AnomalySpool {
    /// Opens it for the sinks that are configured.
    pub(crate) fn open(config: &Config, page: &Page) -> anyhow::Result<Self> {
        let nats = config.nats.as_ref();
        let has_logs = config
            .otlp
            .as_ref()
            .is_some_and(|otlp| otlp.sink.logs.is_some());
        let wanted = [
            (
                nats.is_some_and(|nats| nats.subject.is_some()),
                "nats",
                "nats",
                Signal::Occurrences,
            ),
            (
                nats.is_some_and(|nats| nats.core_subject.is_some()),
                "nats-core",
                "nats",
                Signal::ObserverEvents,
            ),
            (has_logs, "otlp", "otlp", Signal::Logs),
        ];
        let mut readers = Vec::new();
        for (is_wanted, cursor, sink, signal) in wanted {
            if is_wanted {
                readers.push((cursor, SinkTotals::new(sink, signal)));
            }
        }
        if readers.is_empty() {
            return Ok(Self::default());
        }
        let spool =
            Spool::open(config.spool.clone(), &readers).context("spool.directory (--spool)")?;
        say_where(config, &spool.writer);
        page.add_source(spool.writer.source());
        let totals = readers.iter().map(|(_, totals)| Arc::clone(totals));
        page.add_source(SinkTotals::source(totals.collect()));
        let mut opened = spool.readers.into_iter();
        let mut reader = |is_wanted: bool| if is_wanted { opened.next() } else { None };
        Ok(Self {
            writer: Some(spool.writer),
            occurrences: reader(wanted[0].0),
            observer_events: reader(wanted[1].0),
            logs: reader(wanted[2].0),
        })
    }

    /// Starts taking anomalies in.
    pub(crate) fn start(self, bus: &Bus) -> anyhow::Result<SpoolThread> {
        let Some(writer) = self.writer else {
            return Ok(SpoolThread(None));
        };
        let anomalies = bus.anomalies("spool", SPOOL_QUEUE);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .context("the spool's runtime could not start")?;
        let thread = std::thread::Builder::new()
            .name("rauta-spool".into())
            .spawn(move || runtime.block_on(writer.run(anomalies)))?;
        Ok(SpoolThread(Some(thread)))
    }
}

/// The thread that writes the spool; ends when the bus has ended and its queue is empty.
pub(crate) struct SpoolThread(Option<JoinHandle<()>>);

impl SpoolThread {
    /// Waits for the last anomaly.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let Some(thread) = self.0 else {
            return Ok(());
        };
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the spool's thread panicked"))
    }
}

fn say_where(config: &Config, writer: &SpoolWriter) {
    match &config.spool.directory {
        Some(directory) if writer.holds_directory() => tracing::info!(
            path = %directory.display(),
            "anomalies are on disk until their sinks have delivered them"
        ),
        // The spool has said why it is not there.
        Some(_) => {}
        None => tracing::warn!(
            anomalies = config.spool.memory_max,
            "spool.directory is not set: anomalies that a sink has not delivered are in memory \
             only, bounded, and lost when RAUTA ends"
        ),
    }
}
