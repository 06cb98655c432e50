//! Starts the real program for tests, over loopback, and stops it by its id.

#![forbid(unsafe_code)]

mod beside; // programs that run beside a test
mod collector; // an OpenTelemetry Collector
mod disk; // a small disk that a test can fill
mod http; // a byte-exact client of few lines
mod manifests; // folders of manifests
mod module; // the Gateway API's published examples, grpcurl, the NATS server
mod nats; // a NATS server of a test's own
mod overlay; // what these examples refer to
mod program; // the built program and a running one
mod prometheus; // Prometheus, and promtool
mod scale; // how large the long proofs are

pub use collector::Collector;
pub use disk::Disk;
pub use http::{Answer, get, request};
pub use manifests::{Manifests, route, service};
pub use module::{gateway_api, grpcurl, nats_server};
pub use nats::NatsServer;
pub use overlay::Overlay;
pub use program::{Rauta, built};
pub use prometheus::{Prometheus, check_metrics};
pub use scale::scaled;
