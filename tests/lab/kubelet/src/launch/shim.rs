//! The launcher's first stage: chooses the PID namespace, starts the second stage in it, waits for
//! it and ends with its exit code. It is the parent that lets the program be PID 1.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};

use anyhow::Context;
use nix::sched::{CloneFlags, setns, unshare};

use super::control::Control;

/// `launch`: a new PID namespace for a container.
pub(super) fn launch() -> anyhow::Result<ExitCode> {
    let control = Control::take()?;
    let made = unshare(CloneFlags::CLONE_NEWPID).context("a PID namespace cannot be made");
    run(control, made, &["launch-inside"])
}

/// `exec PID`: the PID namespace of a container's program.
pub(super) fn exec(pid: &str) -> anyhow::Result<ExitCode> {
    let control = Control::take()?;
    let joined = join_pid_namespace(pid);
    run(control, joined, &["exec-inside", pid])
}

fn join_pid_namespace(pid: &str) -> anyhow::Result<()> {
    let path = format!("/proc/{pid}/ns/pid");
    let namespace = File::open(&path).with_context(|| path.clone())?;
    setns(namespace, CloneFlags::CLONE_NEWPID).with_context(|| path.clone())
}

fn run(control: Control, ready: anyhow::Result<()>, words: &[&str]) -> anyhow::Result<ExitCode> {
    let started = ready.and_then(|()| start(&control, words));
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            control.say(&format!("error {error:#}"))?;
            return Err(error);
        }
    };
    control.say(&format!("pid {}", child.id()))?;
    // From here on only the second stage holds the socket: its end says that the program runs.
    drop(control);
    let status = child.wait().context("the program cannot be waited for")?;
    Ok(exit_code(status))
}

fn start(control: &Control, words: &[&str]) -> anyhow::Result<Child> {
    Command::new("/proc/self/exe")
        .args(words)
        .stdin(Stdio::from(control.share()?))
        .spawn()
        .context("the launcher cannot start itself")
}

/// As container runtimes tell it: the code, or 128 and the signal's number.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(u8::MAX))
}
