//! Log lines: text on a terminal, JSON elsewhere; and the two streams of a command's own answers.

use std::io::{self, IsTerminal, Write};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Changes the log filter while the process runs.
#[derive(Clone, Debug)]
pub(crate) struct LogLevel {
    handle: reload::Handle<EnvFilter, Registry>,
}

impl LogLevel {
    /// The filter in force, as text.
    pub(crate) fn current(&self) -> String {
        let filter = self.handle.with_current(ToString::to_string);
        let filter = filter.unwrap_or_default();
        let directives = filter.split(',').filter(|directive| *directive != QUIET);
        directives.collect::<Vec<_>>().join(",")
    }

    /// Puts another filter in force; the error says what is wrong with it.
    pub(crate) fn set(&self, filter: &str) -> Result<(), String> {
        let filter = parse(filter)?;
        self.handle
            .reload(filter)
            .map_err(|error| error.to_string())
    }
}

/// Starts logging to stderr. `json`: `None` chooses by whether stdout is a terminal.
pub(crate) fn start(filter: &str, json: Option<bool>) -> Result<LogLevel, String> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let json = json.unwrap_or_else(|| !io::stdout().is_terminal());
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = match json {
        true => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
        false => lines
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|error| error.to_string())?;
    Ok(LogLevel { handle })
}

/// The NATS client says at each try what the sink says once, with what to do. Who wants to hear it
/// names it in the filter.
const QUIET: &str = "async_nats=off";

fn parse(filter: &str) -> Result<EnvFilter, String> {
    let parsed = match filter.contains("async_nats") {
        true => EnvFilter::try_new(filter),
        false => EnvFilter::try_new(format!("{QUIET},{filter}")),
    };
    parsed.map_err(|error| {
        format!("`{filter}` is no log filter: {error}; use error, warn, info, debug or trace")
    })
}

/// One line of a command's answer on stdout.
pub(crate) fn out(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    if !line.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// One line about a mistake or a failure on stderr. A closed stderr is nobody to tell.
pub(crate) fn error_line(line: &str) {
    drop(writeln!(io::stderr().lock(), "rauta: {line}"));
}
