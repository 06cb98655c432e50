//! Telemetry to a collector.

use crate::config::Config;
use anyhow::Context;
use rauta_core::bus::Pipeline;
use rauta_schemas::Names;
use rauta_sinks::otlp::{Inputs, Otlp, Patience};
use rauta_sinks::prometheus::Page;
use rauta_sinks::spool::SpoolReader;
use rauta_sinks::totals::SinkTotals;
use std::sync::Arc;
use std::time::Duration;

/// What is left when RAUTA ends may be sent for so long.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Sends to a collector; ends when it is told to, after the pipeline and the bus.
pub(crate) struct OtlpThread {
    otlp: Otlp,
}

impl OtlpThread {
    /// Starts it, if anything is to be sent, and subscribes.
    pub(crate) fn start(
        config: &Config,
        pipeline: &mut Pipeline,
        anomalies: Option<SpoolReader>,
        names: &Names,
        page: &Arc<Page>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(choice) = &config.otlp else {
            return Ok(None);
        };
        let inputs = Inputs {
            names: names.clone(),
            page: Arc::clone(page),
            anomalies,
            producer: config.producer.clone(),
        };
        let sink = choice.sink.clone();
        let (otlp, spans) = Otlp::start(sink, Patience::default(), inputs).context("otlp")?;
        if let Some(spans) = spans {
            pipeline.attach(Box::new(spans));
        }
        page.add_source(SinkTotals::source(otlp.totals().to_vec()));
        Ok(Some(Self { otlp }))
    }

    /// Sends what is left, for a while.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.otlp
            .stop(LAST_WORDS)
            .map_err(|_| anyhow::anyhow!("the OTLP sink's thread panicked"))
    }
}
