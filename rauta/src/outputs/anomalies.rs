//! The thread that shows each anomaly: in the log, to the admin server, as a line of a file.

use super::add_lines;
use crate::admin::Recent;
use anyhow::Context;
use rauta_core::bus::AnomalySubscription;
use rauta_schemas::{ObserverEvent, Phase, Producer};
use rauta_sinks::jsonl::LineFile;
use rauta_sinks::prometheus::{Page, Sample};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Shows each anomaly to `/events`, logs it, and writes its line.
pub(crate) struct AnomalyThread(JoinHandle<()>);

impl AnomalyThread {
    /// Opens the file, if there is one, and starts reading; ends when the bus is gone.
    pub(crate) fn start(
        mut anomalies: AnomalySubscription,
        path: Option<&str>,
        producer: Producer,
        recent: Arc<Recent>,
        page: &Page,
    ) -> anyhow::Result<Self> {
        let mut file = path
            .map(|path| {
                LineFile::open(path)
                    .with_context(|| format!("anomaly_log.path: {path} cannot be opened"))
            })
            .transpose()?;
        if let Some(file) = &file {
            add_lines(page, "anomaly_log", file.lines());
        }
        let counts = Arc::new(Counts::default());
        add_counts(page, Arc::clone(&counts));
        let thread = std::thread::Builder::new()
            .name("rauta-anomalies".into())
            .spawn(move || {
                while let Some(anomaly) = anomalies.recv_blocking() {
                    counts.add(&anomaly);
                    let document = crate::view::occurrence(&anomaly, &producer);
                    log(&anomaly);
                    if let Some(file) = &mut file {
                        file.push(document.to_string().as_bytes());
                        file.flush();
                        if let Err(error) = file.follow() {
                            tracing::warn!(error = %error, "anomaly log cannot be opened anew");
                        }
                    }
                    recent.push(document);
                }
            })?;
        Ok(Self(thread))
    }

    /// Waits for the last anomaly.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.0
            .join()
            .map_err(|_| anyhow::anyhow!("the anomalies' thread panicked"))
    }
}

fn log(anomaly: &ObserverEvent) {
    let (kind, key) = (anomaly.kind.label(), &*anomaly.key);
    match anomaly.phase {
        Phase::Firing => tracing::warn!(
            kind,
            key,
            severity = anomaly.severity.label(),
            side = anomaly.side.label(),
            observed = anomaly.observed.value,
            threshold = anomaly.observed.threshold,
            affected = anomaly.observed.affected,
            total = anomaly.observed.total,
            "anomaly"
        ),
        Phase::Cleared => tracing::info!(kind, key, "anomaly is over"),
    }
}

/// Anomalies by kind; firing ones and all-clears apart.
#[derive(Debug, Default)]
struct Counts([[AtomicU64; 2]; rauta_schemas::AnomalyKind::ALL.len()]);

impl Counts {
    fn add(&self, anomaly: &ObserverEvent) {
        let phase = usize::from(anomaly.phase == Phase::Cleared);
        self.0[anomaly.kind as usize][phase].fetch_add(1, Ordering::Relaxed);
    }
}

fn add_counts(page: &Page, counts: Arc<Counts>) {
    page.add_source(Box::new(move || {
        let mut samples = Vec::new();
        for (kind, phases) in rauta_schemas::AnomalyKind::ALL.iter().zip(&counts.0) {
            for (phase, count) in [Phase::Firing, Phase::Cleared].iter().zip(phases) {
                let sample = Sample::counter(
                    "rauta_anomalies_total",
                    "Anomalies found and their all-clears, by kind.",
                    count.load(Ordering::Relaxed),
                );
                samples.push(
                    sample
                        .label("kind", kind.label())
                        .label("phase", phase.label()),
                );
            }
        }
        samples
    }));
}
