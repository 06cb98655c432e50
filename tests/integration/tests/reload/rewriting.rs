//! The ways in which a file of manifests changes: as editors, deployments and ConfigMap volumes
//! do it.

use crate::pace;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The file's name.
const FILE: &str = "manifests.yaml";

/// A file in a folder; at first a link into a volume, as Kubernetes mounts a ConfigMap.
#[derive(Debug)]
pub(crate) struct Rewritten {
    folder: PathBuf,
    count: usize,
}

impl Rewritten {
    pub(crate) fn new(folder: &Path, text: &str) -> io::Result<Self> {
        let mut new = Self {
            folder: folder.to_owned(),
            count: 0,
        };
        new.swap_volume(text)?;
        new.link()?;
        Ok(new)
    }

    /// Writes another text, each time in another way. Returns the moment before the file was
    /// closed or took its name.
    pub(crate) fn rewrite(&mut self, text: &str) -> io::Result<Instant> {
        match self.count % 4 {
            1 => self.in_place(text),
            2 => self.swap_volume(text),
            3 => self.rename_over(text),
            _ => {
                self.swap_volume(text)?;
                self.link()
            }
        }
    }

    /// Puts a file under its name as a whole.
    pub(crate) fn rename_over(&mut self, text: &str) -> io::Result<Instant> {
        self.count += 1;
        let new = self.folder.join("new");
        fs::write(&new, text)?;
        self.rename(&new, FILE)
    }

    fn in_place(&mut self, text: &str) -> io::Result<Instant> {
        self.count += 1;
        let mut file = File::create(self.folder.join(FILE))?;
        file.write_all(text.as_bytes())?;
        let closed = pace::now();
        drop(file);
        Ok(closed)
    }

    /// Exchanges the folder that the file's link leads through.
    fn swap_volume(&mut self, text: &str) -> io::Result<Instant> {
        self.count += 1;
        let version = format!("..version-{}", self.count);
        fs::create_dir(self.folder.join(&version))?;
        fs::write(self.folder.join(&version).join(FILE), text)?;
        let new = self.folder.join("..new");
        symlink(version, &new)?;
        self.rename(&new, "..data")
    }

    /// Makes the file a link into the volume.
    fn link(&self) -> io::Result<Instant> {
        let new = self.folder.join("new");
        symlink(Path::new("..data").join(FILE), &new)?;
        self.rename(&new, FILE)
    }

    fn rename(&self, from: &Path, to: &str) -> io::Result<Instant> {
        let renamed = pace::now();
        fs::rename(from, self.folder.join(to))?;
        Ok(renamed)
    }
}
