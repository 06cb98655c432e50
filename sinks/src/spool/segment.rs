//! The spool's files. Each is named by the position of its first record and is never written again
//! once a later one was begun.

use super::SpoolError;
use super::record::{FILE_MARK, scan};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

const ENDING: &str = "spool";
const LOCK: &str = "lock";
/// Added to the name of a file that cannot be read.
const ASIDE: &str = "unread";

/// A file with records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The position of its first record.
    pub(super) first: u64,
    /// The position behind its last record.
    pub(super) end: u64,
    pub(super) bytes: u64,
}

/// A directory that this process holds.
#[derive(Debug)]
pub(super) struct Directory {
    /// Locked for as long as it is open.
    _lock: File,
    /// What an earlier run left, oldest first.
    pub(super) segments: Vec<Segment>,
}

/// Why a directory is not held.
#[derive(Debug)]
pub(super) enum NotHeld {
    /// No reason to stop: it cannot be made now, and may be made later.
    NotThere(std::io::Error),
    /// Not without somebody's help.
    Fatal(SpoolError),
}

impl Directory {
    /// Makes the directory where it is missing, takes hold of it, and cuts what a kill left torn.
    pub(super) fn open(path: &Path) -> Result<Self, NotHeld> {
        std::fs::create_dir_all(path).map_err(NotHeld::NotThere)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(NotHeld::NotThere)?;
        let unreadable = |error| {
            let path = path.into();
            NotHeld::Fatal(SpoolError::Unreadable { path, error })
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(NotHeld::Fatal(SpoolError::InUse(path.into())));
            }
            Err(TryLockError::Error(error)) => return Err(unreadable(error)),
        }
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                segments.extend(left_over(path).map_err(unreadable)?);
            }
        }
        segments.sort_by_key(|segment| segment.first);
        Ok(Self {
            _lock: lock,
            segments,
        })
    }
}

/// What a file of an earlier run holds. One without a whole record is removed, a torn end is cut
/// off, and one that this program did not write is kept aside.
fn left_over(path: PathBuf) -> std::io::Result<Option<Segment>> {
    let bytes = std::fs::read(&path)?;
    let found = scan(&bytes);
    let (Some(first), Some(last)) = (found.first(), found.last()) else {
        set_aside_or_remove(&path, &bytes)?;
        return Ok(None);
    };
    let whole = last.payload.end as u64;
    if whole < bytes.len() as u64 {
        OpenOptions::new().write(true).open(&path)?.set_len(whole)?;
    }
    // The name tells of records before the first whole one.
    let named = path
        .file_stem()
        .and_then(|stem| stem.to_str()?.parse().ok());
    Ok(Some(Segment {
        first: first.position.min(named.unwrap_or(u64::MAX)),
        end: last.position + 1,
        bytes: whole,
        path,
    }))
}

/// Nothing can be read from the file; its name is needed for another.
fn set_aside_or_remove(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if FILE_MARK.starts_with(bytes) {
        // Begun, and ended by a kill: nothing was ever in it.
        return std::fs::remove_file(path);
    }
    if bytes.starts_with(&FILE_MARK) {
        tracing::warn!(
            path = %path.display(),
            bytes = bytes.len(),
            "a file of the spool is removed: no anomaly in it is whole"
        );
        return std::fs::remove_file(path);
    }
    let aside = path.with_added_extension(ASIDE);
    tracing::warn!(
        path = %path.display(),
        bytes = bytes.len(),
        aside = %aside.display(),
        "a file of the spool is kept aside and not read: it does not begin with RAUTASP1, so \
         another version wrote it, or it is damaged"
    );
    std::fs::rename(path, aside)
}

/// The file that is written now.
#[derive(Debug)]
pub(super) struct Active {
    file: File,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Active {
    /// Begins the file whose first record has this position.
    pub(super) fn create(directory: &Path, first: u64) -> std::io::Result<Self> {
        let path = directory.join(format!("{first:020}.{ENDING}"));
        let mut file = File::create(&path)?;
        if let Err(error) = file.write_all(&FILE_MARK) {
            std::fs::remove_file(&path).ok();
            return Err(error);
        }
        Ok(Self {
            file,
            path,
            bytes: FILE_MARK.len() as u64,
        })
    }

    /// Has it no record yet?
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == FILE_MARK.len() as u64
    }

    /// Appends whole records. Where that fails none of them stays.
    pub(super) fn append(&mut self, records: &[u8]) -> std::io::Result<()> {
        let result = self.file.write_all(records);
        match result {
            Ok(()) => self.bytes += records.len() as u64,
            // Where not even this works, readers pass over what is torn.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        result
    }
}
