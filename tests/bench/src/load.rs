//! h2load, which speaks HTTP/1.1 and HTTP/2, with and without TLS.

use crate::cell::{Cell, Protocol};
use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// What one load saw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Requests answered 2xx.
    pub(crate) requests: u64,
    /// Requests that failed or were answered otherwise.
    pub(crate) failed: u64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Mean time of a request, microseconds.
    pub(crate) mean_us: f64,
    /// The slowest request, microseconds.
    pub(crate) max_us: f64,
}

/// Seconds after which h2load, which at times waits for ever at its end, is ended.
const PATIENCE_SECONDS: u32 = 10;
/// How often a load that hung is made again.
const TRIES: u32 = 5;

/// Loads `address` on the given core for `seconds`.
pub(crate) fn run(
    cell: &Cell,
    address: SocketAddr,
    core: usize,
    seconds: u32,
) -> anyhow::Result<Load> {
    for _ in 1..TRIES {
        if let Ok(load) = attempt(cell, address, core, seconds, None) {
            return Ok(load);
        }
    }
    attempt(cell, address, core, seconds, None)
}

/// The same, once, and the time of each request in order of length, microseconds; h2load keeps
/// them in `log` meanwhile.
pub(crate) fn timed(
    cell: &Cell,
    address: SocketAddr,
    core: usize,
    seconds: u32,
    log: &Path,
) -> anyhow::Result<(Load, Vec<u64>)> {
    let load = attempt(cell, address, core, seconds, Some(log))?;
    let text = std::fs::read_to_string(log)?;
    std::fs::remove_file(log)?;
    let mut times: Vec<u64> = text.lines().filter_map(logged).collect();
    times.sort_unstable();
    Ok((load, times))
}

/// The time of a request, from its line: start, status, microseconds.
fn logged(line: &str) -> Option<u64> {
    line.split('\t').nth(2)?.trim().parse().ok()
}

fn attempt(
    cell: &Cell,
    address: SocketAddr,
    core: usize,
    seconds: u32,
    log: Option<&Path>,
) -> anyhow::Result<Load> {
    let scheme = if cell.tls { "https" } else { "http" };
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]);
    command.args(["timeout", &(seconds + PATIENCE_SECONDS).to_string()]);
    command.args(["h2load", "-t", "1"]);
    command.args([
        "-c",
        &cell.connections.to_string(),
        "-m",
        &cell.streams.to_string(),
    ]);
    command.args(["-D", &seconds.to_string()]);
    if cell.protocol == Protocol::Http1 {
        command.arg("--h1");
    }
    if let Some(rate) = cell.rate {
        command.args(["--rps", &(rate / cell.connections).to_string()]);
    }
    if let Some(log) = log {
        command.arg(format!("--log-file={}", log.display()));
    }
    command.arg(format!("{scheme}://{address}/r{}/item", cell.routes / 2));
    let output = command
        .output()
        .context("h2load cannot be started; install nghttp2-client")?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).with_context(|| {
        format!(
            "h2load said: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

fn parse(text: &str) -> anyhow::Result<Load> {
    let line = |start: &str| {
        text.lines()
            .find_map(|line| line.trim().strip_prefix(start))
    };
    let Some(codes) = line("status codes:") else {
        bail!("no line of status codes")
    };
    let count = |name: &str| {
        codes
            .split(',')
            .find_map(|part| part.trim().strip_suffix(name)?.trim().parse::<u64>().ok())
    };
    let requests = count("2xx").context("no count of 2xx")?;
    let others = ["3xx", "4xx", "5xx"]
        .iter()
        .filter_map(|name| count(name))
        .sum::<u64>();
    let broken = line("requests:").and_then(|line| {
        line.split(',').find_map(|part| {
            part.trim()
                .strip_suffix("errored")?
                .trim()
                .parse::<u64>()
                .ok()
        })
    });
    let rate = line("finished in").and_then(|line| {
        line.split(',').find_map(|part| {
            part.trim()
                .strip_suffix("req/s")?
                .trim()
                .parse::<f64>()
                .ok()
        })
    });
    let times: Vec<f64> = line("time for request:")
        .context("no times")?
        .split_whitespace()
        .filter_map(micros)
        .collect();
    let [_min, max_us, mean_us, ..] = times[..] else {
        bail!("no times: {times:?}")
    };
    Ok(Load {
        requests,
        failed: others + broken.unwrap_or(0),
        rate: rate.context("no rate")?,
        mean_us,
        max_us,
    })
}

/// `123us`, `1.23ms` or `1.23s`, in microseconds.
fn micros(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return number.parse::<f64>().ok().map(|number| number * factor);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_h2load_prints_is_read() {
        let text = "\
finished in 3.00s, 26450.33 req/s, 27.70MB/s
requests: 79351 total, 79415 started, 79351 done, 79351 succeeded, 0 failed, 2 errored, 0 timeout
status codes: 79351 2xx, 0 3xx, 3 4xx, 0 5xx
traffic: 83.10MB (87137798) total, 2.72MB (2856636) headers (space savings 0.00%), 77.49MB (81255424) data
                     min         max         mean         sd        +/- sd
time for request:      155us     24.60ms      2.38ms       541us    94.76%
time for connect:      110us      3.37ms      1.68ms       995us    57.81%";
        let load = parse(text).expect("reads");
        assert_eq!((load.requests, load.failed), (79351, 5));
        assert!((load.rate - 26450.33).abs() < 0.01);
        assert_eq!(logged("1790000000000000\t200\t412"), Some(412));
        assert!((load.mean_us - 2380.0).abs() < 0.1 && (load.max_us - 24_600.0).abs() < 0.1);
    }
}
