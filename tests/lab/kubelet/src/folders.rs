//! Where a node keeps what it makes, under its `--root`.

use std::path::{Path, PathBuf};

/// Where a node keeps what it makes.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(crate) fn new(root: &Path) -> Self {
        Folders {
            root: root.to_owned(),
        }
    }

    /// In memory, and gone with the kubelet: volumes, files of pods, roots of containers.
    pub(crate) fn memory(&self) -> PathBuf {
        self.root.join("memory")
    }

    /// One pod's part of it.
    pub(crate) fn pod(&self, uid: &str) -> PathBuf {
        self.memory().join(uid)
    }

    /// What containers wrote to their outputs; stays.
    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Which processes run, for a kubelet after this one.
    pub(crate) fn notes(&self) -> PathBuf {
        self.root.join("processes")
    }
}
