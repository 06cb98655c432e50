//! Telemetry to a collector.

use crate::config::Config;
use anyhow::Context;
use rauta_core::bus::{Bus, Pipeline};
use rauta_schemas::Names;
use rauta_sinks::otlp::{Inputs, Otlp, Patience};
use rauta_sinks::prometheus::Page;
use rauta_sinks::spool::{Spool, SpoolConfig, SpoolReader};
use rauta_sinks::totals::{Signal, SinkTotals};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// What is left when RAUTA ends may be sent for so long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Anomalies that the spool may lag behind.
const SPOOL_QUEUE: usize = 4096;

/// Sends to a collector; ends when it is told to, after the pipeline and the bus.
pub(crate) struct OtlpThread {
    otlp: Otlp,
    spool: Option<JoinHandle<()>>,
}

impl OtlpThread {
    /// Starts it, if anything is to be sent, and subscribes.
    pub(crate) fn start(
        config: &Config,
        pipeline: &mut Pipeline,
        bus: &Bus,
        names: &Names,
        page: &Arc<Page>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(choice) = &config.otlp else {
            return Ok(None);
        };
        let mut inputs = Inputs {
            names: names.clone(),
            page: Arc::clone(page),
            anomalies: None,
            producer: config.producer.clone(),
        };
        let mut totals = Vec::new();
        let mut spool = None;
        if choice.sink.logs.is_some() {
            let (reader, thread) = spooled(bus)?;
            totals.push(Arc::clone(reader.totals()));
            inputs.anomalies = Some(reader);
            spool = Some(thread);
        }
        let sink = choice.sink.clone();
        let (otlp, spans) = Otlp::start(sink, Patience::default(), inputs).context("otlp")?;
        if let Some(spans) = spans {
            pipeline.attach(Box::new(spans));
        }
        totals.extend(otlp.totals().iter().cloned());
        page.add_source(SinkTotals::source(totals));
        Ok(Some(Self { otlp, spool }))
    }

    /// Sends what is left, for a while.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        if let Some(spool) = self.spool {
            spool
                .join()
                .map_err(|_| anyhow::anyhow!("the spool's thread panicked"))?;
        }
        self.otlp
            .stop(LAST_WORDS)
            .map_err(|_| anyhow::anyhow!("the OTLP sink's thread panicked"))
    }
}

/// A spool for the collector's anomalies, in memory.
fn spooled(bus: &Bus) -> anyhow::Result<(SpoolReader, JoinHandle<()>)> {
    let totals = SinkTotals::new("otlp", Signal::Logs);
    let mut spool = Spool::open(SpoolConfig::default(), &[("otlp", totals)])?;
    let reader = spool.readers.pop().context("the spool has its reader")?;
    let anomalies = bus.anomalies("spool", SPOOL_QUEUE);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("the spool's runtime could not start")?;
    let thread = std::thread::Builder::new()
        .name("rauta-spool".into())
        .spawn(move || runtime.block_on(spool.writer.run(anomalies)))?;
    Ok((reader, thread))
}
