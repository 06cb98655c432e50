//! Starts launchers, talks to them, and holds on to what they started.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, anyhow};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use crate::launch::EXIT_NOT_STARTED;
use crate::leftovers::Note;

/// Where the program of this process is.
const SELF: &str = "/proc/self/exe";

/// A program that a launcher has become, or that runs under it.
#[derive(Debug)]
pub(crate) struct Process {
    launcher: Child,
    /// The program's process id in the kubelet's namespace.
    pub(crate) pid: u32,
    handle: Option<OwnedFd>,
    /// Standard output, until it is taken.
    pub(crate) stdout: Option<ChildStdout>,
    /// Standard error, until it is taken.
    pub(crate) stderr: Option<ChildStderr>,
    _notes: [Note; 2],
}

impl Process {
    /// Starts `words` of this program with `spec`, and answers when the program runs. `notes` is
    /// the folder that remembers its processes for a kubelet after this one.
    pub(crate) async fn start(
        words: &[&str],
        spec: &impl Serialize,
        notes: &Path,
    ) -> anyhow::Result<Self> {
        let (mut launcher, mut lines) = launch(words, spec).await?;
        let launcher_note = Note::write(notes, launcher.id().unwrap_or_default());
        let mut pid = None;
        while let Some(line) = lines.next_line().await.context("the launcher hung up")? {
            match line.split_once(' ') {
                Some(("pid", number)) => pid = number.parse().ok(),
                Some(("error", text)) => return Err(anyhow!(text.to_owned())),
                _ => return Err(anyhow!("the launcher said {line:?}")),
            }
        }
        let pid: u32 = pid.ok_or_else(|| anyhow!("the launcher ended without a word"))?;
        Ok(Process {
            handle: handle(pid),
            stdout: launcher.stdout.take(),
            stderr: launcher.stderr.take(),
            _notes: [launcher_note, Note::write(notes, pid)],
            launcher,
            pid,
        })
    }

    /// Sends a signal to the program, if it is still there.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(handle) = &self.handle
            && let Err(error) = pidfd_send_signal(handle, signal)
        {
            tracing::debug!(pid = self.pid, error = %error, "the program has ended already");
        }
    }

    /// Waits for the program's end: its exit code, or 128 and the number of the signal.
    pub(crate) async fn wait(&mut self) -> i32 {
        let not_started = i32::from(EXIT_NOT_STARTED);
        let status = self.launcher.wait().await.ok();
        status
            .and_then(|status| status.code())
            .unwrap_or(not_started)
    }
}

impl Drop for Process {
    /// A program whose owner gave up does not stay: with PID 1 all of its namespace ends.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn handle(pid: u32) -> Option<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

async fn launch(
    words: &[&str],
    spec: &impl Serialize,
) -> anyhow::Result<(Child, Lines<BufReader<UnixStream>>)> {
    let (mut ours, theirs) = UnixStream::pair().context("control socket")?;
    let theirs = theirs.into_std().context("control socket")?;
    theirs.set_nonblocking(false).context("control socket")?;
    let launcher = Command::new(SELF)
        .args(words)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .context("the launcher cannot be started")?;
    let mut line = serde_json::to_vec(spec).context("the specification")?;
    line.push(b'\n');
    ours.write_all(&line)
        .await
        .context("the launcher hung up")?;
    Ok((launcher, BufReader::new(ours).lines()))
}

/// The process that holds a pod's namespaces. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pause {
    process: Child,
    _control: Lines<BufReader<UnixStream>>,
    /// Its process id in the kubelet's namespace.
    pub(crate) pid: u32,
}

impl Pause {
    /// Starts it; its namespaces are there when this answers.
    pub(crate) async fn start(spec: &impl Serialize) -> anyhow::Result<Self> {
        let (process, mut lines) = launch(&["pause"], spec).await?;
        let answer = lines.next_line().await.context("the launcher hung up")?;
        let pid = process.id();
        match (answer.as_deref(), pid) {
            (Some("ready"), Some(pid)) => Ok(Pause {
                process,
                _control: lines,
                pid,
            }),
            (Some(line), _) => {
                let text = line.strip_prefix("error ").unwrap_or(line);
                Err(anyhow!(text.to_owned()))
            }
            (None, _) => Err(anyhow!("the launcher ended without a word")),
        }
    }

    /// Ends it and waits until it is gone.
    pub(crate) async fn end(mut self) {
        if let Err(error) = self.process.kill().await {
            tracing::warn!(pid = self.pid, error = %error, "a sandbox did not end");
        }
    }
}
