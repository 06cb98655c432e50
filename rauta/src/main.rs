//! The program: reads the command line, runs what it asks for, and ends with an exit code that
//! says how it went. All wiring is in `app`.

#![forbid(unsafe_code)]

mod admin; // what operators and scrapes ask a running process
mod app; // the parts and how they meet
mod check; // which objects are accepted, and why not
mod cli; // what can be asked for
mod config; // what the user wrote, validated
mod demo; // real traffic, four faults, what RAUTA says of them
mod explain; // what answers a request, and why
mod log; // log lines for people and machines
mod outputs; // the threads that write lines
mod routing; // the control thread: manifests to snapshots
mod run; // `rauta run`: configuration, signals, drain
mod samples; // exact figures for a scrape
mod schema; // the forms of what leaves RAUTA
mod tail; // anomalies as they come
mod verdicts; // what the log says of objects
mod version; // which build this is
mod view; // what runs, as data

use clap::Parser;
use cli::{Cli, Command};
use std::fmt;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The answer is no: a rejected object, a missed detection, no route.
pub(crate) const EXIT_NO: u8 = 1;
/// The command line or the configuration is wrong.
pub(crate) const EXIT_USAGE: u8 = 64;
/// RAUTA itself failed.
pub(crate) const EXIT_FAILED: u8 = 70;

/// What was asked for cannot be: the asker's mistake, not RAUTA's.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a mistake on the command line.
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(EXIT_FAILED),
            };
        }
    };
    let result = match cli.command {
        Command::Run(arguments) => run::run(*arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Tail(arguments) => tail::run(&arguments),
        Command::Schema { name } => schema::run(name.as_deref()),
        Command::Version { json } => version::run(json),
        Command::Completions { shell } => version::completions(shell),
    };
    match result {
        Ok(code) => code,
        // Whoever reads the answer has seen enough of it.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            log::error_line(&format!("{error:#}"));
            let is_misuse = error.is::<Misuse>();
            ExitCode::from(if is_misuse { EXIT_USAGE } else { EXIT_FAILED })
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
