//! Sinks: where events leave RAUTA. One folder per sink.
//!
//! A sink that is slow, full or gone never slows the data plane, the detectors or another sink:
//! each has its own bounded queue, and what it cannot take is dropped and counted.

#![forbid(unsafe_code)]

mod conventions; // names that several sinks take from OpenTelemetry
pub mod jsonl; // a line of JSON per anomaly, a line per exchange
pub mod nats; // anomalies to NATS, core and JetStream
pub mod otlp; // traces, metrics and logs to a collector
pub mod prometheus; // metrics for a scrape
pub mod spool; // anomalies on disk until every sink has delivered them
pub mod totals; // what every sink counts
mod trust; // what TLS says when two sides do not trust each other
