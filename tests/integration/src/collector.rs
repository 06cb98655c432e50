//! A real OpenTelemetry Collector, which prints all that it is sent.

use crate::beside::{Beside, free_address};
use crate::module::otelcol;
use std::net::SocketAddr;
use std::process::Command;
use tempfile::TempDir;

/// A running collector on ports of its own; killed when dropped.
#[derive(Debug)]
pub struct Collector {
    program: Beside,
    grpc: SocketAddr,
    http: SocketAddr,
    _folder: TempDir,
}

impl Collector {
    /// Starts one (the first time ever it is built, which takes minutes) and waits until it
    /// listens.
    ///
    /// # Errors
    /// Where it cannot be built, or with all it said where it does not start.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (grpc, http) = (free_address()?, free_address()?);
        let config = folder.path().join("collector.yaml");
        std::fs::write(&config, configuration(grpc, http))?;
        let program = Beside::start(
            Command::new(otelcol()?)
                .arg("--config")
                .arg(&config)
                .current_dir(folder.path()),
        )?;
        program.wait_for("line that it is ready", |said| {
            said.contains("Everything is ready").then_some(())
        })?;
        Ok(Self {
            program,
            grpc,
            http,
            _folder: folder,
        })
    }

    /// Where it takes OTLP over gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// Where it takes OTLP over HTTP.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Waits until `find` finds something in what it printed; `what` names that for the error.
    ///
    /// # Errors
    /// With all it printed, where that does not come.
    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        self.program.wait_for(what, find)
    }
}

fn configuration(grpc: SocketAddr, http: SocketAddr) -> String {
    let pipelines: String = ["traces", "metrics", "logs"]
        .map(|signal| format!("    {signal}: {{receivers: [otlp], exporters: [debug]}}\n"))
        .concat();
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: \"{grpc}\"}}\n      \
         http: {{endpoint: \"{http}\"}}\n\
         exporters:\n  debug: {{verbosity: detailed}}\n\
         service:\n  telemetry:\n    metrics: {{level: none}}\n  pipelines:\n{pipelines}"
    )
}
