//! The process that holds a pod's network, host name and IPC while containers come and go. It is
//! told what to set up, answers `ready`, and ends when the kubelet closes the socket.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::sethostname;

use super::control::Control;
use super::spec::PauseSpec;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    let control = Control::take()?;
    let spec: PauseSpec = control.read()?;
    match set_up(&spec) {
        Ok(()) => control.say("ready")?,
        Err(error) => {
            control.say(&format!("error {error:#}"))?;
            return Err(error);
        }
    }
    control.wait_for_end();
    Ok(ExitCode::SUCCESS)
}

fn set_up(spec: &PauseSpec) -> anyhow::Result<()> {
    let mut namespaces = CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    if spec.own_network {
        namespaces |= CloneFlags::CLONE_NEWNET;
    }
    unshare(namespaces).context("the pod's namespaces cannot be made")?;
    sethostname(&spec.hostname).context("the host name cannot be set")?;
    for (name, value) in &spec.sysctls {
        let path = PathBuf::from(format!("/proc/sys/{}", name.replace('.', "/")));
        std::fs::write(&path, value).with_context(|| format!("sysctl {name}={value}"))?;
    }
    Ok(())
}
