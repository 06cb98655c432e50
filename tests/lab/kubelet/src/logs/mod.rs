//! What containers write to their outputs: files in the form that the kubelet's interface to
//! container runtimes defines, and the reading of them for `kubectl logs`.
//!
//! ```text
//! 2026-11-21T10:00:00.123456789Z stdout F a whole line
//! 2026-11-21T10:00:00.123456789Z stderr P the beginning of a long one
//! ```

pub(crate) mod query; // which part of a log is asked for
pub(crate) mod read; // from file to answer
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

    /// The log of a container's current or previous run, and its growth while it grows.
    pub(crate) fn find(
        &self,
        owner: &Owner<'_>,
        previous: bool,
    ) -> Option<(PathBuf, Option<watch::Receiver<Written>>)> {
        let mut runs = runs(&self.container_folder(owner)).ok()?;
        if previous {
            runs.pop();
        }
        let (_, path) = runs.pop()?;
        let growing = self.lock().get(&path).cloned();
        Some((path, growing))
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
