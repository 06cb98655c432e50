//! Anomalies to NATS.

use super::AnomalySpool;
use crate::config::Config;
use anyhow::Context;
use rauta_sinks::nats::{NatsSink, Stop};
use rauta_sinks::prometheus::Page;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long it may take at the end to deliver what waits.
const LAST_DELIVERY: Duration = Duration::from_secs(2);

/// The thread that delivers to NATS.
pub(crate) struct NatsThread {
    stop: Stop,
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<std::io::Result<u64>>,
}

impl NatsThread {
    /// Starts it, if anything is to be sent, with its readers of the spool.
    pub(crate) fn start(
        config: &Config,
        spool: &mut AnomalySpool,
        page: &Page,
    ) -> anyhow::Result<Option<Self>> {
        let Some(nats) = &config.nats else {
            return Ok(None);
        };
        let producer = config.producer.clone();
        let (occurrences, events) = (spool.occurrences.take(), spool.observer_events.take());
        let sink = NatsSink::new(nats.clone(), producer, occurrences, events);
        page.add_source(sink.source());
        let (stop, stopped) = watch::channel(false);
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("rauta-nats".into())
            .spawn(move || {
                let lost = sink.run(stopped);
                drop(end);
                lost
            })?;
        Ok(Some(Self {
            stop,
            ended,
            thread,
        }))
    }

    /// Lets it deliver what it can in a moment. The spool has ended before.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // It ends by itself when everything is delivered.
        drop(tokio::time::timeout(LAST_DELIVERY, self.ended).await);
        self.stop.send_replace(true);
        let lost = self
            .thread
            .join()
            .map_err(|_| anyhow::anyhow!("the NATS sink's thread panicked"))?
            .context("the NATS sink's runtime could not start")?;
        if lost > 0 {
            tracing::warn!(
                anomalies = lost,
                "NATS was not told of these, and no disk keeps them"
            );
        }
        Ok(())
    }
}
