//! Network namespaces: made, entered, kept as long as their file is open.
//!
//! A namespace belongs to a thread, so each of these works in a thread of its own; a process that
//! such a thread starts is in the namespace that its thread was in.

use anyhow::{Context, anyhow};
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

/// A network namespace.
#[derive(Debug)]
pub(crate) struct NetworkNamespace(File);

impl NetworkNamespace {
    /// A new one, with nothing but its loopback, which is down.
    pub(crate) fn create() -> anyhow::Result<Self> {
        in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(Self(File::open("/proc/thread-self/ns/net")?))
        })
        .context("cannot make a network namespace")
    }

    /// The one that a file under `/proc` stands for.
    pub(crate) fn open(file: &Path) -> anyhow::Result<Self> {
        let opened = File::open(file).with_context(|| file.display().to_string())?;
        Ok(Self(opened))
    }

    /// Does something there.
    pub(crate) fn run<T: Send>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        in_thread(|| {
            self.enter()?;
            work()
        })
    }

    /// Takes this thread there, for good.
    pub(crate) fn enter(&self) -> anyhow::Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")
    }
}

/// Does something in a thread that ends with it.
pub(crate) fn in_thread<T: Send>(
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(work);
        thread
            .join()
            .map_err(|_| anyhow!("a thread has panicked"))?
    })
}

impl AsRawFd for NetworkNamespace {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
