//! Detectors: they read the events of the bus and say what went wrong, with evidence.
//!
//! ```text
//! bus ──► Detection ──► SlowResponseProcessor ─┐
//!                  ├──► ErrorRateProcessor ────┼──► findings ──► names resolved ──► ObserverEvent
//!                  └──► HealthCheckProcessor ──┘
//! ```
//! A processor is a synchronous function of events and time with bounded state; it reads no clock,
//! does no I/O and never learns from what it alarms about. A new one is a new module here and a
//! line in the list of [`Detection`].

#![forbid(unsafe_code)]

mod detection; // the subscriber: start reading here
mod processor; // what a detector is

mod error_rate; // routes that fail more often than they did
mod health_check; // failing probes, ejected endpoints
mod slow_response; // routes that answer slower than they did, or not at all

mod backend_time; // which part of an exchange is the backend's
mod baseline; // what is normal
mod chance; // what is likely
mod chunked; // a list that grows by pieces
mod config;
mod evidence; // what is gathered while something looks wrong
mod finding; // an anomaly by ids
mod incident; // found once, repeated once per window, cleared
mod keeper; // baselines over restarts
mod losses; // events that were lost
mod open; // exchanges that wait for their backend
mod recent; // the requests seen last
mod sample; // exchanges as evidence
mod table; // a bounded map
mod tally; // which endpoint is at fault
mod tracks; // what detectors with baselines do alike
mod window; // the last ten seconds

pub use baseline::Pace;
pub use config::{Config, ConfigError, Occurrences};
pub use detection::{Detection, Emit, UsageView};
pub use processor::Usage;
