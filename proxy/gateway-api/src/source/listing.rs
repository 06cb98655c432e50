//! Which files there are, and whether a file is the one that was read before.
//!
//! Directories are read without their subdirectories; symbolic links are followed, so that the
//! volumes of a ConfigMap (files linked through `..data`) read as plain files. Hidden files,
//! among them the swap files of editors, are left out.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const EXTENSIONS: [&str; 3] = ["json", "yaml", "yml"];

/// Two writes within this time may carry the same time stamp.
const STAMP_GRAIN: Duration = Duration::from_millis(50);

/// One listing of all given paths.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The files, in order of the given paths and by name within a directory.
    pub(super) files: Vec<PathBuf>,
    names: HashSet<PathBuf>,
    /// Paths that could not be listed; what was read from below them is still as good as any.
    pub(super) failed: Vec<(PathBuf, io::Error)>,
}

impl Listing {
    /// Whether the absence of `file` says that it is gone.
    pub(super) fn misses(&self, file: &Path) -> bool {
        !self.names.contains(file) && !self.failed.iter().any(|(path, _)| file.starts_with(path))
    }
}

/// Lists the files that `paths` name.
pub(super) fn list(paths: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => match list_directory(path) {
                Ok(files) => listing.files.extend(files),
                Err(error) => listing.failed.push((path.clone(), error)),
            },
            Ok(_) => listing.files.push(path.clone()),
            // A file that was named itself and is gone was removed; a directory that is gone is
            // more likely not mounted. Which of the two it was, the caller knows.
            Err(error) => listing.failed.push((path.clone(), error)),
        }
    }
    let names = &mut listing.names;
    listing.files.retain(|file| names.insert(file.clone()));
    listing
}

fn list_directory(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().and_then(|extension| extension.to_str());
        if hidden || !extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            continue;
        }
        // A dangling link stays listed: that its target is gone is told when it is read.
        if fs::metadata(&path).map_or(true, |metadata| metadata.is_file()) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What tells whether a file has changed without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether both are the same file, whatever it holds. A file renamed over another, or linked
    /// to anew, is not: it was complete before it took the name.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether a further write could still leave this very stamp.
    pub(super) fn is_fresh(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.modified;
        let since_epoch = Duration::new(seconds.unsigned_abs(), nanoseconds.unsigned_abs() as u32);
        now.duration_since(SystemTime::UNIX_EPOCH + since_epoch)
            .map_or(true, |age| age < STAMP_GRAIN)
    }
}
