//! The built program, and a running one.

use crate::disk::Disk;
use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(60);

/// The path of the program, built first if it is not up to date: `cargo test` of one package does
/// not build another's program. It is built as the test was: with `--release` it is the program
/// that users get.
pub fn built() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| build().expect("the program builds"))
        .clone()
}

/// What cargo tells a test about its package. Some build scripts (ring's) read these, so a cargo
/// that inherits them builds all that depends on such a crate anew, and so does the next one that
/// does not.
const ABOUT_PACKAGE: [&str; 8] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_LINKS",
    "CARGO_PKG_NAME",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
    "OUT_DIR",
];

fn build() -> anyhow::Result<PathBuf> {
    let selection: &[&str] = if cfg!(debug_assertions) {
        // As `make test` selects, so that features are chosen alike and nothing is built twice.
        &["--workspace", "--bins", "--tests"]
    } else {
        &["--release", "--package", "rauta"]
    };
    let mut cargo = Command::new(env!("CARGO"));
    ABOUT_PACKAGE.iter().for_each(|name| {
        cargo.env_remove(name);
    });
    let output = cargo
        .args(["build", "--locked", "--message-format", "json"])
        .args(selection)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be started")?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["target"]["name"] == "rauta" && message["profile"]["test"] == false
        })
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.context("cargo built no program")
}

/// A running `rauta run`; killed when dropped.
#[derive(Debug)]
pub struct Rauta {
    child: Child,
    log: Receiver<String>,
    /// What was taken from the log so far.
    said: Vec<String>,
    admin: SocketAddr,
}

impl Rauta {
    /// Starts it with these arguments and variables, its admin server on a free port, and waits
    /// until it says that it is ready.
    ///
    /// # Errors
    /// With everything it said, where it ends or stays silent instead.
    pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_by(Command::new(built()), arguments, variables)
    }

    /// The same where this disk is mounted.
    ///
    /// # Errors
    /// With everything it said, where it ends or stays silent instead.
    pub fn start_on(
        disk: &Disk,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::start_by(disk.command(built()), arguments, variables)
    }

    fn start_by(
        mut command: Command,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut child = command
            .args(["run", "--admin", "127.0.0.1:0"])
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("its stderr was asked for")?;
        let (sender, log) = sync_channel(100_000);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut rauta = Self {
            child,
            log,
            said: Vec::new(),
            admin: SocketAddr::from(([0, 0, 0, 0], 0)),
        };
        let line = rauta.wait_for("admin server listens")?;
        rauta.admin = line["address"].as_str().context("an address")?.parse()?;
        rauta.wait_for("ready")?;
        Ok(rauta)
    }

    /// Where its admin server listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the log line with this message.
    ///
    /// # Errors
    /// With the lines since the last call, where it does not come.
    pub fn wait_for(&mut self, message: &str) -> anyhow::Result<Value> {
        self.next_line(message, |line| {
            let value = serde_json::from_str::<Value>(line).ok()?;
            (value["message"] == message).then_some(value)
        })
    }

    /// The first log line that contains this text, which may have been said already.
    ///
    /// # Errors
    /// With the lines since the last call, where it does not come.
    pub fn wait_for_text(&mut self, text: &str) -> anyhow::Result<String> {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return Ok(line.clone());
        }
        self.next_line(text, |line| line.contains(text).then(|| line.to_owned()))
    }

    /// Every line that it said so far.
    pub fn said(&mut self) -> &[String] {
        self.said.extend(self.log.try_iter());
        &self.said
    }

    fn next_line<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let start = self.said.len();
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else {
                bail!("no line `{what}` in:\n{}", self.said[start..].join("\n"));
            };
            let found = find(&line);
            self.said.push(line);
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where the process cannot be waited for.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            kill_process(pid, signal).ok();
        }
    }
}

impl Drop for Rauta {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
