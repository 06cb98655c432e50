//! The lab's processes: started with a log each, reaped, started again when they end.

use crate::control_plane::Launch;
use crate::namespace::NetworkNamespace;
use crate::record::Record;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Before a part that ended starts again.
const PAUSE: Duration = Duration::from_secs(1);

/// What programs find the lab's own programs and the system's with.
const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A part to start.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) launch: Launch,
    /// In which node's network, from 0; without one, in the lab's.
    pub(crate) node: Option<usize>,
}

struct Part {
    start: Start,
    running: Option<Pid>,
    /// When it starts again.
    due: Option<Instant>,
}

/// All parts of a lab.
pub(crate) struct Parts<'a> {
    record: &'a Record,
    namespaces: Vec<NetworkNamespace>,
    parts: Vec<Part>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(record: &'a Record, namespaces: Vec<NetworkNamespace>) -> Self {
        Self {
            record,
            namespaces,
            parts: Vec::new(),
        }
    }

    /// Starts one more.
    pub(crate) fn start(&mut self, start: Start) -> anyhow::Result<()> {
        let running = Some(self.spawn(&start)?);
        self.parts.push(Part {
            start,
            running,
            due: None,
        });
        Ok(())
    }

    fn spawn(&self, Start { launch, node }: &Start) -> anyhow::Result<Pid> {
        let file = self.record.log(&launch.name);
        let log = OpenOptions::new().append(true).create(true).open(&file);
        let log = log.with_context(|| file.display().to_string())?;
        let spawn = || {
            let child = Command::new(&launch.program)
                .args(&launch.arguments)
                .env_clear()
                .env("PATH", SEARCH)
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn();
            let child = child.with_context(|| format!("cannot start {}", launch.program.display()));
            Ok(Pid::from_raw(i32::try_from(child?.id())?))
        };
        match node.and_then(|node| self.namespaces.get(node)) {
            Some(namespace) => namespace.run(spawn),
            None => spawn(),
        }
    }

    /// Reaps while the lab comes up: no part may have ended.
    pub(crate) fn reap_none(&mut self) -> anyhow::Result<()> {
        self.reap();
        let Some(ended) = self.parts.iter().find(|part| part.running.is_none()) else {
            return Ok(());
        };
        let name = &ended.start.launch.name;
        let log = fs::read_to_string(self.record.log(name)).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!("{name} ended; its log ends with\n{}", last.join("\n"))
    }

    /// Reaps whatever has ended: parts, and orphans of theirs.
    pub(crate) fn reap(&mut self) {
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            let Some(id) = status.pid().filter(|_| status != WaitStatus::StillAlive) else {
                return;
            };
            let its = |part: &&mut Part| part.running == Some(id);
            if let Some(part) = self.parts.iter_mut().find(its) {
                part.running = None;
                part.due = Some(Instant::now() + PAUSE);
                let name = &part.start.launch.name;
                writeln!(std::io::stderr(), "{name} ended: {status:?}").ok();
            }
        }
    }

    /// Waits until a part that ended may start again.
    pub(crate) async fn due(&self) {
        match self.parts.iter().filter_map(|part| part.due).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Starts again what is due.
    pub(crate) fn start_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        for at in 0..self.parts.len() {
            if self.parts[at].due.is_some_and(|due| due <= now) {
                let running = self.spawn(&self.parts[at].start)?;
                self.parts[at].running = Some(running);
                self.parts[at].due = None;
            }
        }
        Ok(())
    }

    /// Tells the kubelets to end, and starts nothing again.
    pub(crate) fn stop_nodes(&mut self) {
        for part in &mut self.parts {
            part.due = None;
            if part.start.node.is_some()
                && let Some(id) = part.running
            {
                kill(id, Signal::SIGTERM).ok();
            }
        }
    }

    /// Whether a kubelet runs.
    pub(crate) fn has_nodes(&self) -> bool {
        let is_node = |part: &Part| part.start.node.is_some() && part.running.is_some();
        self.parts.iter().any(is_node)
    }
}
