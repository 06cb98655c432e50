//! What containers write to their outputs: files in the form that the kubelet's interface to
//! container runtimes defines, and the reading of them for `kubectl logs`.
//!
//! ```text
//! 2026-11-21T10:00:00.123456789Z stdout F a whole line
//! 2026-11-21T10:00:00.123456789Z stderr P the beginning of a long one
//! ```

pub(crate) mod query; // which part of a log is asked for
pub(crate) mod read; // from file to answer
pub(crate) mod which; // of a container's runs
pub(crate) mod write; // from pipe to file

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::sync::watch;

use write::LogFile;

/// Logs of one container that are kept: the current one and the one before.
const KEPT: usize = 2;

/// How much has been written: it changes with each line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// How often the file was begun anew because it had become too long.
    pub(crate) file: u64,
    /// Bytes in it.
    pub(crate) bytes: u64,
}

/// One of a container's runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Newest,
    BeforeNewest,
    /// The newest unless it goes on.
    LastEnded,
}

/// All logs of a node.
#[derive(Debug)]
pub(crate) struct Logs {
    folder: PathBuf,
    /// Those that are being written.
    growing: Mutex<HashMap<PathBuf, watch::Receiver<Written>>>,
}

/// Whose log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner<'a> {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
    pub(crate) container: &'a str,
}

impl<'a> Owner<'a> {
    /// A container of a pod.
    pub(crate) fn of(pod: &Pod, container: &'a str) -> Self {
        Owner {
            namespace: pod.namespace().unwrap_or_default(),
            pod: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            container,
        }
    }
}

impl Logs {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Logs {
            folder,
            growing: Mutex::new(HashMap::new()),
        }
    }

    /// Begins the log of a container's run number `restarts`, and forgets old ones.
    pub(crate) async fn begin(&self, owner: &Owner<'_>, restarts: i32) -> io::Result<LogFile> {
        let folder = self.container_folder(owner);
        fs::create_dir_all(&folder)?;
        let mut runs = runs(&folder)?;
        while runs.len() >= KEPT {
            let (_, oldest) = runs.remove(0);
            self.lock().remove(&oldest);
            let older_part = write::older_part(&oldest);
            fs::remove_file(&oldest)?;
            if older_part.exists() {
                fs::remove_file(older_part)?;
            }
        }
        let path = folder.join(format!("{restarts}.log"));
        let (log, written) = LogFile::create(path.clone()).await?;
        self.lock().insert(path, written);
        Ok(log)
    }

    /// A container's log, and its growth while it grows.
    pub(crate) fn find(
        &self,
        owner: &Owner<'_>,
        run: Run,
    ) -> Option<(PathBuf, Option<watch::Receiver<Written>>)> {
        let mut runs = runs(&self.container_folder(owner)).ok()?;
        let is_meant = match run {
            Run::Newest => true,
            Run::BeforeNewest => false,
            Run::LastEnded => self.growth(&runs.last()?.1).is_none(),
        };
        if !is_meant {
            runs.pop();
        }
        let (_, path) = runs.pop()?;
        let growing = self.growth(&path);
        Some((path, growing))
    }

    /// The growth of a log that is still written.
    fn growth(&self, path: &Path) -> Option<watch::Receiver<Written>> {
        let growth = self.lock().get(path).cloned()?;
        // An error means that nobody writes any more.
        growth.has_changed().is_ok().then_some(growth)
    }

    /// Forgets a pod that is gone.
    pub(crate) fn forget(&self, owner: &Owner<'_>) {
        let folder = self.pod_folder(owner);
        self.lock().retain(|path, _| !path.starts_with(&folder));
        if folder.exists()
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::warn!(error = %error, "a pod's logs were not removed");
        }
    }

    fn pod_folder(&self, owner: &Owner<'_>) -> PathBuf {
        self.folder
            .join(format!("{}_{}_{}", owner.namespace, owner.pod, owner.uid))
    }

    fn container_folder(&self, owner: &Owner<'_>) -> PathBuf {
        self.pod_folder(owner).join(owner.container)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, watch::Receiver<Written>>> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The logs in a container's folder, oldest first.
fn runs(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut runs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| {
            let name = name.to_string_lossy();
            name.strip_suffix(".log")?.parse().ok()
        });
        runs.extend(number.map(|number: u32| (number, path)));
    }
    runs.sort();
    Ok(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_run_that_ended_is_the_newest_one_until_the_next_begins() {
        let folder = tempfile::tempdir().expect("a folder");
        let logs = Logs::new(folder.path().to_owned());
        let owner = Owner {
            namespace: "ns".to_owned(),
            pod: "pod".to_owned(),
            uid: "1".to_owned(),
            container: "web",
        };
        let found = |run: Run| {
            let (path, _) = logs.find(&owner, run)?;
            Some(path.file_name()?.to_string_lossy().into_owned())
        };
        assert_eq!(found(Run::LastEnded), None);
        let first = logs.begin(&owner, 0).await.expect("a log");
        assert_eq!(found(Run::LastEnded), None);
        drop(first);
        assert_eq!(found(Run::LastEnded).as_deref(), Some("0.log"));
        assert_eq!(found(Run::BeforeNewest), None);
        let _second = logs.begin(&owner, 1).await.expect("a log");
        assert_eq!(found(Run::LastEnded).as_deref(), Some("0.log"));
        assert_eq!(found(Run::BeforeNewest).as_deref(), Some("0.log"));
        assert_eq!(found(Run::Newest).as_deref(), Some("1.log"));
    }
}
