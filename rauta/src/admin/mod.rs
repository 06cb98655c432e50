//! The admin server: what operators, probes and scrapes ask a running process.
//!
//! - `/metrics`: figures in Prometheus' text format
//! - `/livez`: the process turns; `/readyz`, `/healthz`: it may be given traffic
//! - `/config`: the configuration in force, without secrets
//! - `/routes`, `/endpoints`: routing as every worker serves it
//! - `/explain?url=…&method=…&header=…`: what answers a request
//! - `/events`: the last anomalies; with `Accept: text/event-stream` also each new one, live
//! - `/log-level`: the log filter; PUT changes it
//!
//! It runs on its own thread, so that a scrape never waits for traffic or delays it. Requests
//! whose `Host` is a foreign name are refused (a web page must not reach it through DNS), and
//! only PUT changes anything.

mod answer;
pub(crate) mod client;
mod recent;
mod server;

pub(crate) use recent::Recent;
pub(crate) use server::Admin;

use crate::log::LogLevel;
use rauta_core::readiness::Readiness;
use rauta_sinks::prometheus::Page;
use serde_json::Value;
use std::sync::Arc;

/// Asked for its value at each request.
pub(crate) type View = Box<dyn Fn() -> Value + Send + Sync>;

/// Asked about one request: method, URL, headers.
pub(crate) type ExplainView =
    Box<dyn Fn(&str, &str, &[(String, String)]) -> Result<Value, String> + Send + Sync>;

/// What the server shows.
pub(crate) struct State {
    /// `/metrics`
    pub(crate) page: Arc<Page>,
    /// `/readyz`, `/healthz`
    pub(crate) readiness: Readiness,
    /// `/config`
    pub(crate) config: Value,
    /// `/routes`
    pub(crate) routes: View,
    /// `/endpoints`
    pub(crate) endpoints: View,
    /// `/explain`
    pub(crate) explain: ExplainView,
    /// `/events`
    pub(crate) recent: Arc<Recent>,
    /// `/log-level`
    pub(crate) log_level: LogLevel,
}
