//! Lines of JSON in a file or on stdout: one per anomaly, one per exchange.
//!
//! Whole lines only: a line that a kill tore is cut off at the next start, and a file that was
//! renamed away is opened anew, so that ordinary log rotation works.

mod access;
mod file;
pub(crate) mod redact;

pub use access::{ACCESS_FIELDS, AccessLog, AccessLogConfig};
pub use file::{LineFile, Lines};
