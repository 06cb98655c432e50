//! Takes a lab down, and says that it is gone only when it is.

use crate::network;
use crate::record::{Process, Record, labs};
use crate::wait::until;
use crate::witness::{Traces, is_alive};
use anyhow::{Context, ensure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

/// How long a lab may take to end by itself.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How long the kernel may take to clear away.
const CLEAR_LIMIT: Duration = Duration::from_secs(20);

/// Takes down the lab of this name, and what is left of labs that died; says what it does.
///
/// # Errors
/// Where there is no such lab and nothing left of one, or with everything that would not go.
pub async fn down(name: &str, told: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let all = labs()?;
    let is_named = |record: &&Record| record.settings.name == name;
    let is_dead = |record: &Record| record.supervisor.is_some_and(|process| !is_alive(process));
    let mut named = all.iter().filter(is_named).peekable();
    if named.peek().is_none() {
        told(&format!("there is no lab `{name}`"));
    }
    let dead = all
        .iter()
        .filter(|record| !is_named(record) && is_dead(record));
    for record in named.chain(dead) {
        let traces = end(record).await?;
        let name = &record.settings.name;
        told(&format!(
            "the lab `{name}` is gone: {}, checked",
            traces.count()
        ));
    }
    Ok(())
}

/// Ends one lab, waits until nothing of it is left, and forgets it.
pub(crate) async fn end(record: &Record) -> anyhow::Result<Traces> {
    let traces = Traces::of(record)?;
    if let Some(supervisor) = record.supervisor.filter(|&process| is_alive(process)) {
        stop(supervisor).await?;
    }
    network::unlink(&record.link());
    until("the lab's end", CLEAR_LIMIT, async || {
        let left = traces.left()?;
        ensure!(left.is_empty(), "still there: {}", left.join("; "));
        Ok(())
    })
    .await?;
    let folder = record.folder();
    match fs::remove_dir_all(&folder) {
        // Two may take it down at once, one of them because it saw the other's work.
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())
        }
        _ => Ok(traces),
    }
}

/// Asks a process to end, then makes it.
async fn stop(process: Process) -> anyhow::Result<()> {
    let id = Pid::from_raw(process.id).context("a process id is never 0")?;
    let Ok(handle) = pidfd_open(id, PidfdFlags::empty()) else {
        return Ok(());
    };
    for signal in [Signal::TERM, Signal::KILL] {
        // The handle is of the process that has this id now; it has to be the one that is meant.
        if is_alive(process) {
            pidfd_send_signal(&handle, signal).ok();
        }
        let ended = async || {
            ensure!(!is_alive(process), "process {} is there", process.id);
            Ok(())
        };
        if until("the supervisor's end", END_LIMIT, ended)
            .await
            .is_ok()
        {
            break;
        }
    }
    Ok(())
}
