//! Puts a container's file system together and makes it the root.
//!
//! The root is a tmpfs of the container's own, thrown away with it. In it: the machine's programs
//! and libraries (`/usr` and what belongs to it, read-only), the image's files, the pod's files in
//! `/etc`, the volumes, and the kernel's file systems as container runtimes show them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::unistd::pivot_root;

use super::mounts;
use super::spec::RootSpec;

/// What a container's root may hold, so that a runaway program cannot fill the machine.
const ROOT_OPTIONS: &str = "mode=755,size=256m";
/// Of the machine: programs and libraries. Links stay links.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Of the machine: what those need of `/etc`.
const SYSTEM_ETC: &[&str] = &["/etc/ssl/certs", "/etc/alternatives", "/etc/ld.so.cache"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];
const PROC_READ_ONLY: &[&str] = &["bus", "fs", "irq", "sys", "sysrq-trigger"];
const PROC_HIDDEN: &[&str] = &["kcore", "keys", "timer_list", "sched_debug"];

/// Makes the file system that `spec` describes the root of this mount namespace, which must be new.
pub(super) fn enter(spec: &RootSpec) -> anyhow::Result<()> {
    mounts::make_private()?;
    let root = spec.folder.as_path();
    mounts::memory(root, ROOT_OPTIONS, MsFlags::empty())?;
    mount_system(root)?;
    write_texts(root, &spec.texts)?;
    mount_kernel(root, spec.privileged)?;
    for bind in &spec.binds {
        mounts::bind(&bind.source, &inside(root, &bind.target), bind.read_only)?;
    }
    for folder in &spec.folders {
        mounts::make_folder(&inside(root, folder)).with_context(|| folder.clone())?;
    }
    let flags = MntFlags::MNT_DETACH;
    std::env::set_current_dir(root).context("the new root cannot be entered")?;
    pivot_root(".", ".").context("the root cannot be changed")?;
    umount2(".", flags).context("the old root cannot be left")?;
    std::env::set_current_dir("/").context("the new root cannot be entered")?;
    if spec.read_only {
        mounts::make_read_only(Path::new("/"))?;
    }
    Ok(())
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn mount_system(root: &Path) -> anyhow::Result<()> {
    for folder in ["etc", "run", "var"] {
        mounts::make_folder(&root.join(folder)).with_context(|| folder.to_owned())?;
    }
    symlink("../run", root.join("var/run")).context("/var/run")?;
    for folder in ["tmp", "var/tmp"] {
        let path = root.join(folder);
        mounts::make_folder(&path).with_context(|| folder.to_owned())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777))?;
    }
    for path in SYSTEM.iter().chain(SYSTEM_ETC) {
        let here = Path::new(path);
        let Ok(metadata) = fs::symlink_metadata(here) else {
            continue;
        };
        if metadata.is_symlink() {
            symlink(fs::read_link(here)?, inside(root, path))?;
        } else {
            mounts::bind(here, &inside(root, path), true)?;
        }
    }
    Ok(())
}

fn write_texts(root: &Path, texts: &[(String, String)]) -> anyhow::Result<()> {
    for (path, text) in texts {
        fs::write(inside(root, path), text).with_context(|| path.clone())?;
    }
    Ok(())
}

fn mount_kernel(root: &Path, privileged: bool) -> anyhow::Result<()> {
    for folder in ["proc", "sys", "dev"] {
        mounts::make_folder(&root.join(folder)).with_context(|| folder.to_owned())?;
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mounts::kernel("proc", &root.join("proc"), quiet, None)?;
    let reading = if privileged {
        MsFlags::empty()
    } else {
        MsFlags::MS_RDONLY
    };
    mounts::kernel("sysfs", &root.join("sys"), quiet | reading, None)?;
    if privileged {
        return mounts::bind(Path::new("/dev"), &root.join("dev"), false);
    }
    limit_proc(&root.join("proc"))?;
    mount_devices(&root.join("dev"))
}

fn limit_proc(proc: &Path) -> anyhow::Result<()> {
    for name in PROC_READ_ONLY {
        let path = proc.join(name);
        if path.exists() {
            mounts::bind(&path, &path, true)?;
        }
    }
    for name in PROC_HIDDEN {
        let path = proc.join(name);
        if path.exists() {
            mounts::bind(Path::new("/dev/null"), &path, false)?;
        }
    }
    Ok(())
}

fn mount_devices(dev: &Path) -> anyhow::Result<()> {
    mounts::memory(dev, "mode=755,size=64k", MsFlags::MS_NOSUID)?;
    for name in DEVICES {
        mounts::bind(&Path::new("/dev").join(name), &dev.join(name), false)?;
    }
    for (target, name) in DEVICE_LINKS {
        symlink(target, dev.join(name)).with_context(|| format!("/dev/{name}"))?;
    }
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let shm = dev.join("shm");
    mounts::make_folder(&shm).context("/dev/shm")?;
    mounts::memory(&shm, "mode=1777,size=64m", quiet)?;
    let pts = dev.join("pts");
    mounts::make_folder(&pts).context("/dev/pts")?;
    let terminal = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mounts::kernel(
        "devpts",
        &pts,
        terminal,
        Some("newinstance,ptmxmode=0666,mode=0620"),
    )
}
