//! What several sinks state by OpenTelemetry's semantic conventions (v1.44).

use rauta_schemas::{HttpResponseEvent, Reason};

/// The schema that names of attributes follow.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// `error.type`: the reason, or the status where a backend answered with a server error.
pub(crate) fn error_type(event: &HttpResponseEvent) -> String {
    match (event.reason, event.status) {
        (Reason::None, status @ 500..) => status.to_string(),
        (Reason::None | Reason::Filter, _) => String::new(),
        (reason, _) => reason.label().to_owned(),
    }
}

/// Host and port of `ip:port` or `[ip]:port`; the port is 0 where there is none.
pub(crate) fn host_and_port(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_matches(['[', ']']), port.parse().unwrap_or(0))
}
