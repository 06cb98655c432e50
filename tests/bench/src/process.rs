//! Processes that this program starts: pinned, measured, and stopped by their id.

use anyhow::{Context, bail};
use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Kernel clock ticks per second in `/proc`.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long a process may take until it accepts connections.
const START_TRIES: u32 = 300;

/// A child of this process; killed and reaped when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command` on the given core; its output goes to `log`.
    pub(crate) fn start(
        name: &str,
        core: usize,
        command: &[String],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::create(log)?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(command)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("{name} cannot be started: {}", command.join(" ")))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Waits until something listens at `address`.
    pub(crate) fn wait_for(&mut self, address: SocketAddr, log: &Path) -> anyhow::Result<()> {
        for _ in 0..START_TRIES {
            if TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                bail!("{} ended at its start ({status}): {log}", self.name);
            }
            pause(Duration::from_millis(20));
        }
        bail!("{} did not listen at {address}", self.name)
    }

    /// CPU time of the process and its children so far, seconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        tree(self.child.id()).into_iter().map(cpu_seconds).sum()
    }

    /// Resident memory of the process and its children, KiB.
    pub(crate) fn resident_kib(&self) -> anyhow::Result<u64> {
        tree(self.child.id()).into_iter().map(resident_kib).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let family = tree(self.child.id());
        for pid in family.into_iter().skip(1) {
            if let Some(pid) = i32::try_from(pid)
                .ok()
                .and_then(rustix::process::Pid::from_raw)
            {
                // It may have ended by itself.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "polls a foreign process that cannot be awaited"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// The process and all below it.
fn tree(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut next = 0;
    while next < family.len() {
        let children = format!("/proc/{0}/task/{0}/children", family[next]);
        let children = std::fs::read_to_string(children).unwrap_or_default();
        family.extend(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        next += 1;
    }
    family
}

fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field, the command in parentheses, may hold spaces.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|ticks| ticks.parse::<f64>().ok())
    };
    let (user, system) = ticks(11)
        .zip(ticks(12))
        .context("/proc/PID/stat has other fields")?;
    Ok((user + system) / TICKS_PER_SECOND)
}

fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.context("/proc/PID/status has no VmRSS")
}
