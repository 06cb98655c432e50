//! The threads that write: a line per exchange, a line per anomaly.

use crate::admin::Recent;
use crate::config::AccessLog as AccessLogChoice;
use anyhow::Context;
use rauta_core::bus::{AnomalySubscription, Pipeline};
use rauta_schemas::{Families, Family, Names, ObserverEvent, Phase, Producer};
use rauta_sinks::jsonl::{AccessLog, AccessLogConfig, LineFile, Lines};
use rauta_sinks::prometheus::{Page, Sample};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Events that the access log may lag behind.
const ACCESS_QUEUE: usize = 65_536;

/// Writes the access log; ends when the pipeline has ended and its queue is empty.
pub(crate) struct AccessLogThread(JoinHandle<()>);

impl AccessLogThread {
    /// Opens the file and subscribes.
    pub(crate) fn start(
        choice: &AccessLogChoice,
        pipeline: &mut Pipeline,
        names: &Names,
        page: &Page,
    ) -> anyhow::Result<Self> {
        let file = LineFile::open(&choice.path)
            .with_context(|| format!("access_log.path: {} cannot be opened", choice.path))?;
        add_lines(page, "access_log", file.lines());
        let config = AccessLogConfig {
            per_million: per_million(choice.sample),
            fields: choice.fields.clone(),
            redact: choice.redact.clone(),
        };
        let log = AccessLog::new(config, names.clone(), file);
        let families = Families::NONE
            .with(Family::HttpRequest)
            .with(Family::HttpResponse);
        let events = pipeline.subscribe("access_log", families, ACCESS_QUEUE);
        let warn = |error| tracing::warn!(%error, "access log cannot be opened anew");
        let thread = std::thread::Builder::new()
            .name("rauta-access".into())
            .spawn(move || log.run(events, warn))?;
        Ok(Self(thread))
    }

    /// Waits for the last line.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.0
            .join()
            .map_err(|_| anyhow::anyhow!("the access log's thread panicked"))
    }
}

/// Exchanges out of a million.
pub(crate) fn per_million(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 1e6).round() as u32
}

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

fn add_lines(page: &Page, sink: &'static str, lines: Arc<Lines>) {
    page.add_source(Box::new(move || {
        let figures = [("written", lines.written()), ("failed", lines.failed())];
        let sample = |(result, count)| {
            Sample::counter(
                "rauta_lines_total",
                "Lines of JSON, by file and result.",
                count,
            )
            .label("file", sink)
            .label("result", result)
        };
        figures.map(sample).into()
    }));
}
