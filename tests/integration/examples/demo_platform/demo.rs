//! `rauta demo`, watched: its progress is passed on, its report read.

use crate::say;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A running demo; killed when dropped.
#[derive(Debug)]
pub(crate) struct Demo {
    child: Child,
    progress: Lines<BufReader<ChildStderr>>,
}

impl Demo {
    /// Starts it with these sinks.
    pub(crate) fn start(
        rauta: &Path,
        nats: &str,
        otlp: &str,
        more: &[String],
    ) -> anyhow::Result<Self> {
        let mut child = Command::new(rauta)
            .args(["demo", "--json", "--nats", nats, "--otlp", otlp])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", rauta.display()))?;
        let stderr = child.stderr.take().context("its stderr was asked for")?;
        Ok(Self {
            child,
            progress: BufReader::new(stderr).lines(),
        })
    }

    /// Where its metrics are, as its progress tells.
    pub(crate) fn metrics(&mut self) -> anyhow::Result<SocketAddr> {
        for line in self.progress.by_ref() {
            let line = line?;
            say(&line);
            let address = line
                .split_once("metrics http://")
                .and_then(|(_, rest)| rest.split_once("/metrics"));
            if let Some((address, _)) = address {
                return Ok(address.parse()?);
            }
        }
        anyhow::bail!("the demo ended before it told where its metrics are")
    }

    /// Passes progress on until it ends, and gives its report.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Value> {
        for line in self.progress.by_ref() {
            say(&line?);
        }
        let mut report = String::new();
        let stdout = self.child.stdout.as_mut();
        stdout
            .context("its stdout was asked for")?
            .read_to_string(&mut report)?;
        let status = self.child.wait()?;
        ensure!(
            !report.is_empty(),
            "the demo ended with {status} and no report"
        );
        serde_json::from_str(&report).context("the demo's report")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
