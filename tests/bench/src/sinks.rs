//! Sinks that never answer: RAUTA whose NATS server and collector take bytes and say nothing,
//! beside RAUTA without sinks, in pairs of runs at 70 % of what it can carry.

use crate::SinksArgs;
use crate::cell::{Cell, H1};
use crate::load::{self, Load};
use crate::peer::{Bench, Peer};
use crate::process::Process;
use crate::report::median;
use crate::round::{CORES, say};
use anyhow::{Context, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Of what it can carry, in hundredths.
const LOAD_PERCENT: f64 = 70.0;
/// Seconds that find out what it can carry, and that warm each run up.
const WARM_UP_SECONDS: u32 = 2;
/// Connections to sinks that are held open.
const HELD_MAX: usize = 64;
const ADMIN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 20, 1)), 18_090);

/// One run.
#[derive(Clone, Copy, Debug)]
struct Run {
    p50_us: f64,
    p99_us: f64,
    cpu_us: f64,
    failed: u64,
    resident_kib: u64,
    dropped: u64,
}

/// Runs the pairs, and gives a table.
pub(crate) fn measure(arguments: &SinksArgs) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().context("a temporary folder for configurations")?;
    let folder = folder.path();
    let bench = Bench::new(folder, &arguments.rauta, 1)?;
    let _origin = bench.origin(&H1)?;

    let nats = format!("nats://{}", black_hole()?);
    let otlp = format!("http://{}", black_hole()?);
    let with = ["--nats", &nats, "--otlp", &otlp]
        .map(str::to_owned)
        .to_vec();
    let rate = {
        let (_rauta, load) = started(&bench, &[], H1)?;
        (load.rate * LOAD_PERCENT / 100.0) as u32
    };
    let cell = Cell {
        rate: Some(rate),
        ..H1
    };
    let mut pairs = Vec::new();
    for number in 1..=arguments.pairs {
        let one = |sinks: &[String]| run(&bench, sinks, cell, arguments.seconds);
        // They take turns in being the first.
        let pair = match number % 2 {
            0 => {
                let holed = one(&with)?;
                (one(&[])?, holed)
            }
            _ => (one(&[])?, one(&with)?),
        };
        say(&format!("pair {number} of {}: {pair:?}", arguments.pairs));
        pairs.push(pair);
    }
    Ok(table(&pairs, rate, arguments))
}

/// RAUTA, warm, and what its warming up said.
fn started(bench: &Bench<'_>, sinks: &[String], cell: Cell) -> anyhow::Result<(Process, Load)> {
    let mut command = Peer::Rauta.command(&cell, bench)?.unwrap_or_default();
    command.extend_from_slice(sinks);
    let log = bench.folder.join("rauta.log");
    let mut rauta = Process::start("rauta", CORES.0, &command, &log)?;
    rauta.wait_for(Peer::Rauta.address(), &log)?;
    let load = load::run(&cell, Peer::Rauta.address(), CORES.1, WARM_UP_SECONDS)?;
    Ok((rauta, load))
}

fn run(bench: &Bench<'_>, sinks: &[String], cell: Cell, seconds: u32) -> anyhow::Result<Run> {
    let (rauta, _) = started(bench, sinks, cell)?;
    let before = rauta.cpu_seconds()?;
    let log = bench.folder.join("requests.log");
    let (load, times) = load::timed(&cell, Peer::Rauta.address(), CORES.1, seconds, &log)?;
    let cpu = rauta.cpu_seconds()? - before;
    ensure!(!times.is_empty(), "no request was timed");
    Ok(Run {
        p50_us: part(&times, 50),
        p99_us: part(&times, 99),
        cpu_us: cpu * 1e6 / load.requests.max(1) as f64,
        failed: load.failed,
        resident_kib: rauta.resident_kib()?,
        dropped: dropped()?,
    })
}

/// The time that so many of a hundred stay within, microseconds.
fn part(times: &[u64], percent: usize) -> f64 {
    let place = (times.len() * percent).div_ceil(100).max(1) - 1;
    times.get(place).copied().unwrap_or_default() as f64
}

/// A listener that takes connections and bytes and never answers.
fn black_hole() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new()
        .name("black-hole".into())
        .spawn(move || {
            let mut held = std::collections::VecDeque::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if held.len() == HELD_MAX {
                    held.pop_front();
                }
                held.push_back(stream);
            }
        })?;
    Ok(address)
}

/// What RAUTA itself says that its sinks have dropped.
fn dropped() -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(ADMIN).context("the admin server")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {ADMIN}\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(sum(&page, "rauta_sink_dropped_total"))
}

fn sum(page: &str, name: &str) -> u64 {
    let lines = page.lines().filter(|line| line.starts_with(name));
    let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    counts.sum::<f64>() as u64
}

fn table(pairs: &[(Run, Run)], rate: u32, arguments: &SinksArgs) -> String {
    let ratio = |figure: fn(&Run) -> f64| {
        let ratios: Vec<f64> = pairs
            .iter()
            .map(|(without, with)| figure(with) / figure(without))
            .collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        (median(ratios), least, most)
    };
    let middle = |of: fn(&(Run, Run)) -> f64| median(pairs.iter().map(of).collect());
    let mut table = format!(
        "### sinks that never answer\n\nHTTP/1.1 at {rate} requests/s ({LOAD_PERCENT} % of what it \
         carries), {} pairs of {} s: without sinks, and with a NATS server and a collector that take \
         bytes and say nothing.\n\n\
         | figure | without | never answering | ratio (min–max) | goal |\n|---|---|---|---|---|\n",
        pairs.len(),
        arguments.seconds,
    );
    for (name, figure, goal) in [
        ("p50, µs", (|run| run.p50_us) as fn(&Run) -> f64, "≤ 1.05"),
        ("p99, µs", |run| run.p99_us, "≤ 1.15"),
        ("CPU, µs/request", |run| run.cpu_us, "≤ 1.03"),
    ] {
        let (ratio, least, most) = ratio(figure);
        let without = median(pairs.iter().map(|(without, _)| figure(without)).collect());
        let with = median(pairs.iter().map(|(_, with)| figure(with)).collect());
        table.push_str(&format!(
            "| {name} | {without:.1} | {with:.1} | {ratio:.3} ({least:.3}–{most:.3}) | {goal} |\n"
        ));
    }
    let failed: u64 = pairs.iter().map(|(a, b)| a.failed + b.failed).sum();
    table.push_str(&format!(
        "| resident, MiB | {:.1} | {:.1} | +{:.1} MiB | ≤ +64 MiB |\n\n\
         Failed requests: {failed}. Dropped by the sinks and counted, per run: {:.0}.\n",
        middle(|(without, _)| without.resident_kib as f64 / 1024.0),
        middle(|(_, with)| with.resident_kib as f64 / 1024.0),
        middle(|(without, with)| (with.resident_kib as f64 - without.resident_kib as f64) / 1024.0),
        middle(|(_, with)| with.dropped as f64),
    ));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_of_all_reasons_are_added_up() {
        let page = "# TYPE rauta_sink_dropped_total counter\n\
                    rauta_sink_dropped_total{sink=\"otlp\"} 3\nrauta_sink_dropped_total{sink=\"a\"} 4\n";
        assert_eq!(sum(page, "rauta_sink_dropped_total"), 7);
    }

    #[test]
    fn parts_are_places_in_order() {
        let times: Vec<u64> = (1..=100).collect();
        assert!((part(&times, 50) - 50.0).abs() < f64::EPSILON);
        assert!((part(&times, 99) - 99.0).abs() < f64::EPSILON);
    }
}
