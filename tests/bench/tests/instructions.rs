//! What a lookup and a whole exchange cost, in instructions: the same on a busy machine as on an
//! idle one. More than 2 % above what is written down fails; `make instructions` writes it anew.

#![forbid(unsafe_code)]

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How far above what is written down a count may be.
const TOLERANCE: f64 = 1.02;

/// How often one of them is counted at most.
const COUNTS_MAX: usize = 3;

/// An example of a crate, run with two counts that differ by `more`.
struct Measured {
    name: &'static str,
    package: &'static str,
    example: &'static str,
    /// What follows the count on its command line.
    argument: &'static str,
    counts: [u64; 2],
    /// How many of what is measured one count makes.
    each: u64,
}

const fn lookup(name: &'static str, argument: &'static str) -> Measured {
    Measured {
        name,
        package: "rauta-routing",
        example: "lookup",
        argument,
        // Building a table costs a little more or less each time: many lookups outweigh that.
        counts: [1, 81],
        each: 1_000,
    }
}

const fn exchange(name: &'static str, argument: &'static str) -> Measured {
    Measured {
        name,
        package: "rauta-proxy",
        example: "exchange",
        argument,
        counts: [200, 1_200],
        each: 1,
    }
}

const MEASURED: [Measured; 5] = [
    lookup("lookup among 10,000 hosts", "10,000 hosts"),
    lookup("lookup among 10,000 paths", "10,000 paths"),
    lookup("lookup among 100 expressions", "100 expressions"),
    exchange("exchange over HTTP/1", "http1"),
    exchange("exchange from HTTP/2 to HTTP/1", "http2"),
];

/// What is written down: the compiler that made the programs, and instructions by what they do.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Written {
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

fn run(command: &mut Command) -> anyhow::Result<(String, String)> {
    let output = command
        .output()
        .with_context(|| format!("{command:?} cannot be started"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{command:?}: {stdout}{stderr}");
    Ok((stdout, stderr))
}

/// Builds the example as it is released, and tells where it is.
fn build(measured: &Measured) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--locked", "--release", "--message-format", "json"])
        .args(["--package", measured.package, "--example", measured.example])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let (messages, _) = run(&mut cargo)?;
    let wanted = format!("\"name\":\"{}\"", measured.example);
    let program = messages
        .lines()
        .filter(|line| line.contains(&wanted))
        .find_map(|line| {
            let (_, after) = line.split_once("\"executable\":\"")?;
            after.split_once('"').map(|(path, _)| PathBuf::from(path))
        });
    program.with_context(|| format!("cargo built no {}", measured.example))
}

/// Instructions of a whole run, as callgrind counts them.
fn count(program: &Path, count: u64, argument: &str) -> anyhow::Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([&count.to_string(), argument]);
    let (stdout, stderr) = run(&mut valgrind).context("install valgrind (Debian: valgrind)")?;
    ensure!(
        !stdout.trim().is_empty(),
        "{argument}: nothing was measured"
    );
    let collected = stderr
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.with_context(|| format!("valgrind counted nothing: {stderr}"))
}

/// Instructions for one of what is measured. A machine that is busy can only add some (threads meet
/// at other moments, timers fire more often), so the least of several counts is taken, and the
/// first that is not above `enough` will do.
fn per_one(measured: &Measured, enough: f64) -> anyhow::Result<u64> {
    let program = build(measured)?;
    let [few, many] = measured.counts;
    let mut least = u64::MAX;
    for _ in 0..COUNTS_MAX {
        let before = count(&program, few, measured.argument)?;
        let after = count(&program, many, measured.argument)?;
        least = least.min(after.saturating_sub(before) / ((many - few) * measured.each));
        if least as f64 <= enough {
            break;
        }
    }
    Ok(least)
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch that every written-down file has"
)]
fn nothing_takes_more_instructions_than_is_written_down() -> anyhow::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml");
    let (compiler, _) = run(Command::new("rustc").arg("--version"))?;
    let compiler = compiler.trim().to_owned();
    let is_written_anew = std::env::var_os("RAUTA_REGENERATE").is_some();
    let written: Written = match is_written_anew {
        true => Written::default(),
        false => toml::from_str(&std::fs::read_to_string(&file)?)?,
    };
    let mut now = BTreeMap::new();
    let mut worse = Vec::new();
    for measured in &MEASURED {
        let before = written.instructions.get(measured.name).copied();
        let limit = before.unwrap_or(0) as f64 * TOLERANCE;
        let count = per_one(measured, limit)?;
        if count as f64 > limit {
            worse.push(format!("{}: {before:?} before, {count} now", measured.name));
        }
        now.insert(measured.name.to_owned(), count);
    }
    if is_written_anew {
        let written = Written {
            compiler,
            instructions: now,
        };
        std::fs::write(&file, toml::to_string(&written)?)?;
        return Ok(());
    }
    ensure!(
        worse.is_empty(),
        "more instructions than before; if that is worth it, `make instructions` and say why \
         (written down with {}, now {compiler}):\n{}",
        written.compiler,
        worse.join("\n")
    );
    Ok(())
}
