//! Process configuration: what the user wrote becomes what the program may use.
//!
//! Three layers are laid over each other, flag over environment over file, as one JSON value that
//! remembers where each field came from. [`RawConfig`] reads that value, [`Config`] is what passed
//! validation. All mistakes are reported at once. This is the only module that reads the
//! environment or the configuration file; routing configuration (Gateway API objects) is not here.

mod duration;
mod layers;
mod nats;
mod otel;
mod otlp;
mod raw;
#[cfg(test)]
mod reference;
mod validate;

pub(crate) use layers::{Layers, Mistake};
pub(crate) use raw::RawConfig;
pub(crate) use validate::{AccessLog, Config, Input};
