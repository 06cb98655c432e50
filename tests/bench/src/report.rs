//! Medians and ratios, for people and for the docs.

use crate::RunArgs;
use crate::cell::Cell;
use crate::peer::Peer;
use crate::round::{Figure, Round};

/// The middle value; 0 for none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

/// A cell's table: CPU per request, its ratio to HAProxy's round by round, times, failures.
pub(crate) fn table(cell: &Cell, rounds: &[Round]) -> String {
    let mut table = format!(
        "### {}\n\n{}; {} rounds.\n\n\
         | proxy | CPU µs/request | × HAProxy (min–max) | × relay | requests/s | mean µs | max µs | failed | resident MiB |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        cell.name,
        cell.about,
        rounds.len(),
    );
    for peer in Peer::ALL {
        let figures: Vec<&Figure> = rounds
            .iter()
            .filter_map(|round| find(round, peer))
            .collect();
        if figures.is_empty() {
            continue;
        }
        let middle = |value: fn(&Figure) -> f64| median(figures.iter().map(|f| value(f)).collect());
        table.push_str(&format!(
            "| {} | {:.2} | {} | {} | {:.0} | {:.0} | {:.0} | {} | {:.1} |\n",
            peer.name(),
            middle(|figure| figure.cpu_us),
            ratio(rounds, peer, Peer::Haproxy),
            ratio(rounds, peer, Peer::Relay),
            middle(|figure| figure.load.rate),
            middle(|figure| figure.load.mean_us),
            middle(|figure| figure.load.max_us),
            figures.iter().map(|figure| figure.load.failed).sum::<u64>(),
            middle(|figure| figure.resident_kib as f64 / 1024.0),
        ));
    }
    table
}

fn find(round: &Round, peer: Peer) -> Option<&Figure> {
    round.iter().find(|figure| figure.peer == peer)
}

/// Median, least and greatest of the ratios within each round.
fn ratio(rounds: &[Round], peer: Peer, to: Peer) -> String {
    let mut ratios: Vec<f64> = rounds
        .iter()
        .filter_map(|round| Some(find(round, peer)?.cpu_us / find(round, to)?.cpu_us))
        .collect();
    ratios.sort_by(f64::total_cmp);
    match (ratios.first(), ratios.last()) {
        (Some(least), Some(most)) => {
            format!("{:.2} ({least:.2}–{most:.2})", median(ratios.clone()))
        }
        _ => "–".to_owned(),
    }
}

/// The whole page, with machine, date and command.
pub(crate) fn page(tables: &[String], arguments: &RunArgs) -> anyhow::Result<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let date = std::process::Command::new("date")
        .arg("+%Y-%m-%d")
        .output()?;
    Ok(format!(
        "# Performance\n\n\
         Written by `make bench` ({} rounds of {} s per proxy) on {}, {} cores of {}, Linux {}.\n\n\
         Every proxy is pinned to one core, load (h2load) and backend share the others; within a \
         round the proxies take turns, and ratios are taken round by round. CPU is that of the \
         whole process: RAUTA runs with its pipeline, metrics and detectors on. The relay copies \
         bytes and is the floor.\n\n{}",
        arguments.rounds,
        arguments.seconds,
        String::from_utf8_lossy(&date.stdout).trim(),
        std::thread::available_parallelism()?,
        model.map_or("unknown", |(_, name)| name.trim()),
        kernel.trim(),
        tables.join("\n"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).abs() < f64::EPSILON);
    }
}
