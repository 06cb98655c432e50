//! RAUTA beside its peers: CPU per request in one interleaved run.
//!
//! Every proxy is pinned to one core; the load (h2load) and the backend share the others. A round
//! runs each proxy once, one after the other, so that a machine that drifts drifts for all; a
//! round whose bare relay is more than 5 % off its median is repeated. What is compared is CPU
//! time of the whole process per answered request, as ratios within a round.

#![forbid(unsafe_code)]

mod backend; // the one backend, and the bare relay: the floor
mod cell; // what is measured: protocol, TLS, body, rate, routes
mod load; // h2load and what it says
mod memory; // what routes with traffic and idle connections hold
mod peer; // each proxy: its configuration and command
mod process; // started, pinned, measured, stopped
mod report; // medians and ratios, for people and for the docs
mod round; // one interleaved run
mod sinks; // what sinks that never answer cost the data path

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Measures CPU per request of RAUTA and its peers.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, print a table, and with --write put it into the docs.
    Run(RunArgs),
    /// Measure what sinks that never answer cost the data path, beside RAUTA without sinks.
    Sinks(SinksArgs),
    /// The backend (started by `run`).
    Backend {
        /// Where to listen.
        address: SocketAddr,
        /// Bytes of each answer's body.
        body: usize,
    },
    /// The bare relay (started by `run`).
    Relay {
        /// Where to listen.
        address: SocketAddr,
        /// Where to relay to.
        backend: SocketAddr,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// The release build of RAUTA.
    #[arg(long)]
    pub(crate) rauta: PathBuf,
    /// Rounds that count, per cell.
    #[arg(long, default_value_t = 10)]
    pub(crate) rounds: usize,
    /// Seconds of load per proxy and round.
    #[arg(long, default_value_t = 3)]
    pub(crate) seconds: u32,
    /// Only these cells, by name, between commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cells: Vec<String>,
    /// Only these proxies, by name, between commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) proxies: Vec<String>,
    /// Write the tables to this file.
    #[arg(long)]
    pub(crate) write: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SinksArgs {
    /// The release build of RAUTA.
    #[arg(long)]
    pub(crate) rauta: PathBuf,
    /// Pairs of runs.
    #[arg(long, default_value_t = 12)]
    pub(crate) pairs: usize,
    /// Seconds of load per run.
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Sinks(arguments) => print(&sinks::measure(&arguments)?),
        Command::Backend { address, body } => backend::serve(address, body),
        Command::Relay { address, backend } => backend::relay(address, backend),
        Command::Run(arguments) => run(&arguments),
    }
}

#[expect(clippy::print_stdout, reason = "a command's answer")]
fn print(text: &str) -> anyhow::Result<()> {
    println!("{text}");
    Ok(())
}

fn run(arguments: &RunArgs) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("a temporary folder for configurations")?;
    let mut tables = Vec::new();
    for cell in cell::CELLS.iter().filter(|cell| {
        arguments.cells.is_empty() || arguments.cells.iter().any(|name| name == cell.name)
    }) {
        let rounds = round::measure(cell, arguments, folder.path())?;
        let table = report::table(cell, &rounds);
        print(&table)?;
        tables.push(table);
    }
    if arguments.cells.is_empty() || arguments.cells.iter().any(|name| name == memory::NAME) {
        let table = memory::measure(arguments, folder.path())?;
        print(&table)?;
        tables.push(table);
    }
    if let Some(path) = &arguments.write {
        let page = report::page(&tables, arguments)?;
        std::fs::write(path, page)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
