//! Single mounts, each with its words for a failure.

use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use nix::mount::{MsFlags, mount};

const NOTHING: Option<&str> = None;

/// Keeps later mounts from reaching the namespace that this one was copied from.
pub(crate) fn make_private() -> anyhow::Result<()> {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NOTHING, "/", NOTHING, flags, NOTHING).context("mounts cannot be made private")
}

/// A file system in memory.
pub(crate) fn memory(target: &Path, options: &str, flags: MsFlags) -> anyhow::Result<()> {
    mount(Some("tmpfs"), target, Some("tmpfs"), flags, Some(options))
        .with_context(|| format!("tmpfs cannot be mounted on {}", target.display()))
}

/// A file system of the kernel's: `proc`, `sysfs`, `devpts`.
pub(crate) fn kernel(
    kind: &str,
    target: &Path,
    flags: MsFlags,
    options: Option<&str>,
) -> anyhow::Result<()> {
    mount(Some(kind), target, Some(kind), flags, options)
        .with_context(|| format!("{kind} cannot be mounted on {}", target.display()))
}

/// What is at `source` also at `target`, which is made to fit it.
pub(crate) fn bind(source: &Path, target: &Path, read_only: bool) -> anyhow::Result<()> {
    let said = || {
        format!(
            "{} cannot be mounted on {}",
            source.display(),
            target.display()
        )
    };
    let kind = fs::metadata(source).with_context(said)?;
    if kind.is_dir() {
        make_folder(target).with_context(said)?;
    } else {
        make_file(target).with_context(said)?;
    }
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(source), target, NOTHING, flags, NOTHING).with_context(said)?;
    if read_only {
        make_read_only(target)?;
    }
    Ok(())
}

/// Makes the mount at `target` read-only, whatever others may do to the same file system.
pub(crate) fn make_read_only(target: &Path) -> anyhow::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(NOTHING, target, NOTHING, flags, NOTHING)
        .with_context(|| format!("{} cannot be made read-only", target.display()))
}

/// A folder and its parents, open for all to enter.
pub(crate) fn make_folder(path: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
}

/// An empty file to mount on, unless something is there already.
fn make_file(path: &Path) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    if fs::symlink_metadata(path).is_err() {
        File::create(path)?.set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
