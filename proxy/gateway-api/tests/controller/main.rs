//! The controller against manifests: one file per situation.
//!
//! Manifests are read by the real file source, so what is judged here is what an API server would
//! have stored. Nothing is bound and nothing is dialled.

mod attachment;
mod endpoints;
mod fixture;
mod listeners;
mod quick;
mod references;
mod rules;
mod scale;
mod sharing;
mod tls_policy;
