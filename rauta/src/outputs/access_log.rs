//! The thread that writes a line per exchange.

use super::add_lines;
use crate::config::AccessLog as AccessLogChoice;
use anyhow::Context;
use rauta_core::bus::Pipeline;
use rauta_schemas::{Families, Family, Names};
use rauta_sinks::jsonl::{AccessLog, AccessLogConfig, LineFile};
use rauta_sinks::prometheus::Page;
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
