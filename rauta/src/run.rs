//! `rauta run`: configuration in layers, then the parts until a signal ends them.

use crate::app::App;
use crate::cli::RunArgs;
use crate::config::{Config, Layers, Mistake};
use crate::{EXIT_USAGE, log};
use anyhow::Context;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Runs until SIGTERM (drains after the pre-stop wait) or SIGINT (drains at once); a second
/// signal ends at once.
pub(crate) fn run(arguments: RunArgs) -> anyhow::Result<ExitCode> {
    let config = match configuration(arguments) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in mistakes {
                log::error_line(&mistake.to_string());
            }
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let filter = rust_log().unwrap_or_else(|| config.log_level.clone());
    let log_level = match log::start(&filter, config.log_json) {
        Ok(log_level) => log_level,
        Err(error) => {
            log::error_line(&format!("log_level: {error}"));
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let (wait, deadline) = (config.pre_stop_wait, config.drain_deadline);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the control runtime could not start")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let app = App::start(config, log_level).await?;
        let is_term = signals.first().await;
        let wait = if is_term { wait } else { Duration::ZERO };
        tokio::select! {
            stopped = app.stop(wait, deadline) => drop(stopped?),
            () = signals.next() => tracing::warn!("second signal: ending without draining"),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn configuration(arguments: RunArgs) -> Result<Config, Vec<Mistake>> {
    let mut layers = Layers::default();
    if let Some(path) = &arguments.config {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => layers.file(&name, &text),
            Err(error) => {
                let text = format!("{error}; give a TOML file that can be read");
                return Err(vec![Mistake {
                    field: name,
                    origin: "flag --config".into(),
                    text,
                }]);
            }
        }
    }
    layers.otel(environment);
    layers.environment(environment);
    for (path, flag, value) in flags(arguments) {
        layers.flag(path, flag, value);
    }
    let (raw, origins, mut mistakes) = layers.read();
    match Config::new(raw, &origins) {
        Ok(config) if mistakes.is_empty() => Ok(config),
        Ok(_) => Err(mistakes),
        Err(more) => {
            // A field that could not be read must not be reported a second time as missing.
            let more = more
                .into_iter()
                .filter(|new| mistakes.iter().all(|m| m.field != new.field));
            mistakes.extend(more.collect::<Vec<_>>());
            Err(mistakes)
        }
    }
}

fn flags(arguments: RunArgs) -> Vec<(&'static str, &'static str, Value)> {
    let text = |path, flag, value: Option<String>| value.map(|value| (path, flag, value.into()));
    let mut flags: Vec<(&str, &str, Value)> = [
        text("mode", "--mode", arguments.mode),
        text("gateway_class", "--gateway-class", arguments.gateway_class),
        text("backend_addr", "--backend-addr", arguments.backend_addr),
        text("bind_addr", "--bind-addr", arguments.bind_addr),
        text("admin", "--admin", arguments.admin),
        text("access_log.path", "--access-log", arguments.access_log),
        text("anomaly_log.path", "--anomaly-log", arguments.anomaly_log),
        text("otlp.endpoint", "--otlp", arguments.otlp),
        text("nats.url", "--nats", arguments.nats),
        text("spool.directory", "--spool", arguments.spool),
        text("log_level", "--log-level", arguments.log_level),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(offset) = arguments.port_offset {
        flags.push(("port_offset", "--port-offset", offset.into()));
    }
    if let Some(workers) = arguments.workers {
        flags.push(("proxy.workers", "--workers", workers.into()));
    }
    if !arguments.manifests.is_empty() {
        flags.push(("manifests", "--manifests", arguments.manifests.into()));
    }
    flags
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads configuration variables"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `RUST_LOG`, where it says something.
fn rust_log() -> Option<String> {
    environment("RUST_LOG").filter(|filter| !filter.is_empty())
}

/// SIGTERM and SIGINT.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let term = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
        let int = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
        Ok(Self { term, int })
    }

    /// Waits for the first signal; true for SIGTERM.
    async fn first(&mut self) -> bool {
        tokio::select! {
            _ = self.term.recv() => true,
            _ = self.int.recv() => false,
        }
    }

    async fn next(&mut self) {
        self.first().await;
    }
}
