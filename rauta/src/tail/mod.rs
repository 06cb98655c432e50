//! `rauta tail`: the anomalies of a running RAUTA as they come, for people, or a line of JSON each.

mod admin; // from a running RAUTA's admin server
mod describe; // an anomaly in words
mod file; // from an anomaly log
mod lines; // whole lines out of pieces
mod nats; // from a NATS server, of all RAUTAs that publish there

use crate::cli::{Colour, TailArgs};
use crate::log;
use describe::{Style, describe, harmless};
use rauta_schemas::Occurrence;
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::process::ExitCode;

/// Ids remembered, so that an anomaly which a source tells twice is shown once.
const SEEN_MAX: usize = 4096;
/// As much of a document that is not understood is shown.
const UNKNOWN_CHARS_MAX: usize = 500;

/// Shows anomalies until the source ends or the reader of stdout has left.
pub(crate) fn run(arguments: &TailArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let show = Show::new(arguments);
    let ended = runtime.block_on(async {
        match (&arguments.file, &arguments.nats) {
            (Some(path), _) => file::follow(path, arguments, show).await,
            (None, Some(url)) => nats::follow(url, arguments, show).await,
            (None, None) => admin::follow(arguments.admin, arguments, show).await,
        }
    });
    ended.map(|()| ExitCode::SUCCESS)
}

/// Shows documents, each once.
struct Show {
    json: bool,
    style: Style,
    seen: VecDeque<String>,
}

impl Show {
    fn new(arguments: &TailArgs) -> Self {
        let coloured = match arguments.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                std::io::stdout().is_terminal()
                    && arguments.no_color.as_deref().is_none_or(str::is_empty)
            }
        };
        Self {
            json: arguments.json,
            style: Style { coloured },
            seen: VecDeque::new(),
        }
    }

    /// Shows a document as it was received; one that is not understood is said to be so, and the
    /// next ones are shown all the same.
    fn document(&mut self, text: &str) -> anyhow::Result<()> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let occurrence = match serde_json::from_str::<Occurrence>(text) {
            Ok(occurrence) => occurrence,
            Err(error) => {
                let start: String = text.chars().take(UNKNOWN_CHARS_MAX).collect();
                let start = harmless(&start);
                log::error_line(&format!("no anomaly: {error}; it begins with {start}"));
                return Ok(());
            }
        };
        if self.seen.contains(&occurrence.id) {
            return Ok(());
        }
        self.remember(occurrence.id.clone());
        match self.json {
            true => log::out(text)?,
            false => log::out(&describe(&occurrence, self.style))?,
        }
        Ok(())
    }

    /// Counts a document as shown without showing it.
    fn pass_over(&mut self, text: &str) {
        if let Ok(occurrence) = serde_json::from_str::<Occurrence>(text) {
            self.remember(occurrence.id);
        }
    }

    fn remember(&mut self, id: String) {
        if self.seen.len() >= SEEN_MAX {
            self.seen.pop_front();
        }
        self.seen.push_back(id);
    }
}
