//! The threads that write: each sink has its own, so that none waits for another.

mod access_log; // a line per exchange
mod anomalies; // the log, the admin server, a line per anomaly
mod nats; // anomalies to NATS
mod otlp; // traces, metrics and logs to a collector
mod spool; // anomalies until their sinks have delivered them

pub(crate) use access_log::{AccessLogThread, per_million};
pub(crate) use anomalies::AnomalyThread;
pub(crate) use nats::NatsThread;
pub(crate) use otlp::OtlpThread;
pub(crate) use spool::{AnomalySpool, SpoolThread};

use rauta_sinks::jsonl::Lines;
use rauta_sinks::prometheus::{Page, Sample};
use std::sync::Arc;

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
