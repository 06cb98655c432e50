//! Processes that a kubelet before this one left behind: it ends them before it starts any.
//!
//! Each process of a pod has a note, a file named by its id that holds when it started, so that
//! another process with the same id is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A note of a running process; removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Note(Option<PathBuf>);

impl Note {
    /// Notes that process `pid` runs.
    pub(crate) fn write(folder: &Path, pid: u32) -> Self {
        let path = folder.join(pid.to_string());
        let written = started_at(pid).and_then(|at| fs::write(&path, at).ok());
        Note(written.map(|()| path))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::debug!(error = %error, "a process's note was gone");
        }
    }
}

/// Ends all processes that have a note, and removes the notes; answers how many still ran.
pub(crate) fn end_all(folder: &Path) -> std::io::Result<usize> {
    let mut ended = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let noted = fs::read_to_string(&path)?;
        let pid = path
            .file_name()
            .and_then(|name| name.to_string_lossy().parse().ok());
        if let Some(pid) = pid
            && started_at(pid).as_deref() == Some(noted.as_str())
            && kill(pid)
        {
            ended += 1;
        }
        fs::remove_file(&path)?;
    }
    Ok(ended)
}

fn kill(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let handle = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    handle.is_some_and(|handle| pidfd_send_signal(handle, Signal::KILL).is_ok())
}

/// When a process started, in the kernel's ticks; `None` if it does not run.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    start_field(&stat).map(str::to_owned)
}

/// The 22nd field of `/proc/PID/stat`. The second one, the name, may hold anything in brackets.
fn start_field(stat: &str) -> Option<&str> {
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_found_behind_any_name() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(start_field(stat), Some("4711"));
        assert_eq!(start_field(""), None);
    }

    #[test]
    fn a_process_is_ended_only_if_it_is_the_one_that_was_noted() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat runs");
        fs::write(folder.path().join(child.id().to_string()), "1").expect("a note");
        assert_eq!(end_all(folder.path()).expect("readable"), 0);
        let note = Note::write(folder.path(), child.id());
        assert_eq!(end_all(folder.path()).expect("readable"), 1);
        assert!(!child.wait().expect("it ends").success());
        drop(note);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
    }
}
