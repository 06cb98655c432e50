//! The launcher's second stage: in the right namespaces it puts the file system together, takes
//! the identity on and becomes the program.

use std::convert::Infallible;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, anyhow};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::stat::{Mode, umask};

use super::control::Control;
use super::spec::{LaunchSpec, ProcessSpec};
use super::{EXIT_NOT_STARTED, identity, root};

/// `launch-inside`: becomes a container's program, as PID 1.
pub(super) fn launch() -> ExitCode {
    told(|control| {
        let spec: LaunchSpec = control.read()?;
        join(spec.sandbox_pid, &[NETWORK, HOST_NAME, IPC])?;
        unshare(CloneFlags::CLONE_NEWNS).context("a mount namespace cannot be made")?;
        root::enter(&spec.root)?;
        become_program(&spec.process)
    })
}

/// `exec-inside PID`: becomes a command beside a container's program.
pub(super) fn exec(pid: &str) -> ExitCode {
    told(|control| {
        let spec: ProcessSpec = control.read()?;
        let pid: u32 = pid.parse().context("exec needs a process id")?;
        join(pid, &[NETWORK, HOST_NAME, IPC, MOUNTS])?;
        become_program(&spec)
    })
}

/// Reports what kept the program from starting; does not return when it started.
fn told(start: impl FnOnce(&Control) -> anyhow::Result<Infallible>) -> ExitCode {
    if let Ok(control) = Control::take()
        && let Err(error) = start(&control)
    {
        // Nobody is left to tell when the kubelet is gone: the exit code says it all the same.
        drop(control.say(&format!("error {error:#}")));
    }
    ExitCode::from(EXIT_NOT_STARTED)
}

const NETWORK: (&str, CloneFlags) = ("net", CloneFlags::CLONE_NEWNET);
const HOST_NAME: (&str, CloneFlags) = ("uts", CloneFlags::CLONE_NEWUTS);
const IPC: (&str, CloneFlags) = ("ipc", CloneFlags::CLONE_NEWIPC);
const MOUNTS: (&str, CloneFlags) = ("mnt", CloneFlags::CLONE_NEWNS);

fn join(pid: u32, namespaces: &[(&str, CloneFlags)]) -> anyhow::Result<()> {
    // All are opened before the first is entered: a new mount namespace hides the paths.
    let mut opened = Vec::new();
    for (name, flag) in namespaces {
        let path = format!("/proc/{pid}/ns/{name}");
        let file = File::open(&path).with_context(|| path.clone())?;
        opened.push((path, file, *flag));
    }
    for (path, file, flag) in opened {
        setns(file, flag).with_context(|| format!("{path} cannot be entered"))?;
    }
    Ok(())
}

fn become_program(process: &ProcessSpec) -> anyhow::Result<Infallible> {
    let (program, arguments) = process
        .command
        .split_first()
        .ok_or_else(|| anyhow!("no command: neither the image nor the container names one"))?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    std::env::set_current_dir(&process.work_dir)
        .with_context(|| format!("working directory {}", process.work_dir))?;
    identity::assume(&process.identity)?;
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(process.env.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(match error.kind() {
        ErrorKind::NotFound if program.contains('/') => {
            anyhow!("exec {program}: no such file or directory")
        }
        ErrorKind::NotFound => anyhow!("exec {program}: executable file not found in $PATH"),
        _ => anyhow!("exec {program}: {error}"),
    })
}
