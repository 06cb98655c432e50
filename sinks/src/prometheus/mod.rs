//! Metrics for a scrape.
//!
//! Two sorts of figures meet here and never mix. *Totals* are exact: they come from the workers'
//! own counters through a [`Source`] that is asked at the scrape. *Dimensions* (route, status,
//! endpoint) come from events on the pipeline thread, in [`HttpMetrics`]; what the bus dropped is
//! counted under `route="_dropped"`, so that the sums agree. Labels come from configuration and
//! closed enums only, never from a request, and the number of series is capped.

mod changes;
mod http;
mod page;
mod series;

pub use changes::ChangeMetrics;
pub use http::HttpMetrics;
pub use page::{Page, Sample, Source};

pub(crate) use ::prometheus as prom;

/// Why metrics could not be set up: a name or label that Prometheus refuses, or one given twice.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be registered: {0}")]
pub struct Error(#[from] prom::Error);
