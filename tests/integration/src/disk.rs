//! A small disk of a test's own, which it can fill: a tmpfs in a mount namespace, so that nobody
//! else sees it and nothing of it is left behind.

use anyhow::{Context, ensure};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A disk; it goes when this is dropped and the programs on it have ended.
#[derive(Debug)]
pub struct Disk {
    /// Keeps the mount namespace.
    keeper: Child,
    place: PathBuf,
}

impl Disk {
    /// Mounts one of so many MiB at `place`, for programs started by [`Disk::command`] only. Needs
    /// root.
    ///
    /// # Errors
    /// With what is missing.
    pub fn mount(place: &Path, mebibytes: u32) -> anyhow::Result<Self> {
        let script = "mount -t tmpfs -o size=\"$1\" rauta-test \"$2\" && echo mounted && exec cat";
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .args(["sh", "-c", script, "sh"])
            .arg(format!("{mebibytes}m"))
            .arg(place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("unshare cannot be started (Debian: util-linux)")?;
        let said = child.stdout.take().context("its stdout was asked for")?;
        let disk = Self {
            keeper: child,
            place: place.to_owned(),
        };
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        ensure!(
            line == "mounted\n",
            "a disk of its own needs root: mount said nothing good"
        );
        Ok(disk)
    }

    /// A command that runs the program where this disk is mounted, under the id that it is
    /// started with.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.keeper.id());
        command
            .args([namespace.as_str(), "--"])
            .arg(program.as_ref());
        command
    }

    /// Leaves no room.
    ///
    /// # Errors
    /// Where it cannot be written for another reason.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.ballast()?)?;
        let block = [1; 4096];
        loop {
            match ballast.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// Where it was not taken.
    pub fn free(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.ballast()?)?)
    }

    fn ballast(&self) -> anyhow::Result<PathBuf> {
        let inside = self.place.strip_prefix("/")?.join("ballast");
        Ok(Path::new(&format!("/proc/{}/root", self.keeper.id())).join(inside))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.keeper.kill().ok();
        self.keeper.wait().ok();
    }
}
