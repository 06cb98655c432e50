//! Takes a lab down, and says that it is gone only when it is.

use crate::network;
use crate::record::{Process, Record, door, labs};
use crate::wait::until;
use crate::witness::{Traces, is_alive};
use anyhow::{Context, ensure};
use nix::fcntl::{Flock, FlockArg};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// How long a lab may take to end by itself.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How long the kernel may take to clear away.
const CLEAR_LIMIT: Duration = Duration::from_secs(20);

/// Takes down the lab of this name, and what is left of labs that died or whose owner has; says
/// what it does, and which others stand.
///
/// # Errors
/// Where there is no such lab and nothing left of one, or with everything that would not go.
pub async fn down(name: &str, told: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let all = labs()?;
    let is_named = |record: &&Record| record.settings.name == name;
    let has_ended = |process: Option<Process>| process.is_some_and(|process| !is_alive(process));
    let is_dead =
        |record: &Record| has_ended(record.supervisor) || has_ended(record.settings.owner);
    let mut named = all.iter().filter(is_named).peekable();
    if named.peek().is_none() {
        told(&format!("there is no lab `{name}`"));
    }
    let others = all.iter().filter(|record| !is_named(record));
    let (dead, standing): (Vec<_>, Vec<_>) = others.partition(|record| is_dead(record));
    for record in named.chain(dead) {
        let name = &record.settings.name;
        let how = match end(record).await? {
            Some(traces) => format!("{}, checked", traces.count()),
            None => "another lab-down took it down".to_owned(),
        };
        told(&format!("the lab `{name}` is gone: {how}"));
    }
    for record in standing {
        let name = &record.settings.name;
        told(&format!(
            "the lab `{name}` stands: {} ends it",
            door("down", name)
        ));
    }
    Ok(())
}

/// Ends one lab, waits until nothing of it is left, and forgets it. Nothing if somebody else has
/// done so meanwhile: its name and its link may be another lab's by now.
pub(crate) async fn end(record: &Record) -> anyhow::Result<Option<Traces>> {
    let Some(_alone) = alone(record).await? else {
        return Ok(None);
    };
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
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(Some(traces))
}

/// Keeps all others from taking the same lab down at the same time; nothing if it is gone.
async fn alone(record: &Record) -> anyhow::Result<Option<Flock<File>>> {
    let place = record.folder();
    let folder = match File::open(&place) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| place.display().to_string())?,
    };
    let held = until("another lab-down", CLEAR_LIMIT, async || {
        let locked = Flock::lock(folder.try_clone()?, FlockArg::LockExclusiveNonblock);
        locked.map_err(|(_, error)| error.into())
    })
    .await?;
    // Who waited finds nothing, or another lab of the name.
    let is_there = fs::metadata(&place).is_ok_and(|now| {
        let locked = folder.metadata().map(|locked| locked.ino());
        locked.is_ok_and(|locked| locked == now.ino())
    });
    let known = Record::find(&record.settings.name)?.and_then(|now| now.supervisor);
    let is_it = is_there && (known.is_none() || known == record.supervisor);
    Ok(Some(held).filter(|_| is_it))
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
