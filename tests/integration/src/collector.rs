//! A real OpenTelemetry Collector, which prints all that it is sent.

use crate::beside::{Beside, free_address};
use crate::module::otelcol;
use anyhow::Context;
use std::net::SocketAddr;
use std::process::Command;
use tempfile::TempDir;

/// A running collector on ports of its own; killed when dropped.
#[derive(Debug)]
pub struct Collector {
    program: Option<Beside>,
    grpc: SocketAddr,
    http: SocketAddr,
    folder: TempDir,
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
        std::fs::write(folder.path().join(CONFIGURATION), configuration(grpc, http))?;
        let mut collector = Self {
            program: None,
            grpc,
            http,
            folder,
        };
        collector.restart()?;
        Ok(collector)
    }

    /// Kills it with SIGKILL, if it runs.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// Starts it again on the same ports, with nothing printed yet; kills it first if it runs.
    ///
    /// # Errors
    /// Where it cannot be built, or with all it said where it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let mut command = Command::new(otelcol()?);
        command.args(["--config", CONFIGURATION]);
        let program = Beside::start(command.current_dir(self.folder.path()))?;
        let program = self.program.insert(program);
        program.wait_for("line that it is ready", |said| {
            said.contains("Everything is ready").then_some(())
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

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.program.as_ref().map(Beside::id)
    }

    /// Waits until `find` finds something in what it printed of whole requests; `what` names that
    /// for the error.
    ///
    /// # Errors
    /// With all it printed, where that does not come; where it was killed.
    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let program = self.program.as_ref().context("it runs")?;
        program.wait_for(what, |printed| find(whole(printed)))
    }
}

/// What it printed of requests up to their end: a line that begins with a tab and says for whom.
fn whole(printed: &str) -> &str {
    let last = printed.rfind("\n\t{").map_or(0, |at| at + 1);
    let end = printed[last..].find('\n').map_or(0, |at| last + at + 1);
    match last {
        0 => "",
        _ => &printed[..end],
    }
}

/// Its configuration, in its folder.
const CONFIGURATION: &str = "collector.yaml";

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
