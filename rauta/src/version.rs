//! Which build this is, and completion scripts for shells.

use crate::cli::Cli;
use crate::log::out;
use clap::CommandFactory;
use clap_complete::Shell;
use std::process::ExitCode;

/// The version of this build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `rauta version`
pub(crate) fn run(json: bool) -> anyhow::Result<ExitCode> {
    match json {
        true => out(&serde_json::json!({ "name": "rauta", "version": VERSION }).to_string())?,
        false => out(&format!("rauta {VERSION}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `rauta completions SHELL`
pub(crate) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rauta", &mut script);
    out(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
