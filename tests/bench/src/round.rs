//! One interleaved run of a cell: all proxies in turn, round after round.

use crate::RunArgs;
use crate::cell::Cell;
use crate::load::{self, Load};
use crate::peer::{Bench, Peer};
use crate::process::Process;
use crate::report::median;
use anyhow::{Context, ensure};
use std::io::Write;
use std::path::Path;

/// The proxies' core and the core of load and backend.
pub(crate) const CORES: (usize, usize) = (0, 1);
/// Seconds of load that warm a proxy up.
const WARM_UP_SECONDS: u32 = 1;
/// A relay this far off its median says that the machine was disturbed.
const RELAY_DRIFT_MAX: f64 = 0.05;
/// Rounds that may be repeated per round that counts.
const REPEATS_MAX: usize = 2;

/// One proxy's figures in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) peer: Peer,
    /// CPU time of the whole process per answered request, microseconds.
    pub(crate) cpu_us: f64,
    pub(crate) load: Load,
    pub(crate) resident_kib: u64,
}

/// All proxies of one round.
pub(crate) type Round = Vec<Figure>;

/// Runs a cell: as many rounds as asked for, disturbed ones repeated.
pub(crate) fn measure(
    cell: &Cell,
    arguments: &RunArgs,
    folder: &Path,
) -> anyhow::Result<Vec<Round>> {
    let bench = Bench::new(folder, &arguments.rauta, 1)?;
    let _origin = bench.origin(cell)?;

    let mut proxies = Vec::new();
    for peer in Peer::ALL.into_iter().filter(|peer| {
        let asked =
            arguments.proxies.is_empty() || arguments.proxies.iter().any(|p| p == peer.name());
        asked && peer.plays(cell)
    }) {
        let Some(command) = peer.command(cell, &bench)? else {
            say(&format!(
                "{}: {} is not installed, left out",
                cell.name,
                peer.name()
            ));
            continue;
        };
        let log = folder.join(format!("{}.log", peer.name()));
        let mut process = Process::start(peer.name(), CORES.0, &command, &log)?;
        process.wait_for(peer.address(), &log)?;
        load::run(cell, peer.address(), CORES.1, WARM_UP_SECONDS)?;
        proxies.push((peer, process));
    }
    let mut rounds = Vec::new();
    for number in 1..=arguments.rounds * (1 + REPEATS_MAX) {
        rounds.push(round(cell, arguments.seconds, &proxies)?);
        let good = undisturbed(&rounds);
        say(&format!(
            "{}: round {number}, {} of {} count",
            cell.name,
            good.len(),
            arguments.rounds
        ));
        if good.len() >= arguments.rounds {
            return Ok(good);
        }
    }
    Ok(undisturbed(&rounds))
}

fn round(cell: &Cell, seconds: u32, proxies: &[(Peer, Process)]) -> anyhow::Result<Round> {
    let mut round = Vec::new();
    for (peer, process) in proxies {
        let before = process.cpu_seconds()?;
        let load = load::run(cell, peer.address(), CORES.1, seconds)
            .with_context(|| format!("{} in {}", peer.name(), cell.name))?;
        let cpu = process.cpu_seconds()? - before;
        ensure!(
            load.requests > 0,
            "{} answered nothing in {}",
            peer.name(),
            cell.name
        );
        round.push(Figure {
            peer: *peer,
            cpu_us: cpu * 1e6 / load.requests as f64,
            load,
            resident_kib: process.resident_kib()?,
        });
    }
    Ok(round)
}

/// The rounds whose relay is near the relay's median; all of them where no relay runs.
fn undisturbed(rounds: &[Round]) -> Vec<Round> {
    let relay = |round: &Round| {
        round
            .iter()
            .find(|figure| figure.peer == Peer::Relay)
            .map(|figure| figure.cpu_us)
    };
    let middle = median(rounds.iter().filter_map(relay).collect());
    rounds
        .iter()
        .filter(|round| {
            relay(round).is_none_or(|cpu| (cpu / middle - 1.0).abs() <= RELAY_DRIFT_MAX)
        })
        .cloned()
        .collect()
}

/// Progress.
pub(crate) fn say(line: &str) {
    // A closed stderr is nobody to tell.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
