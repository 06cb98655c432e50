//! Puts a volume's files in place so that a reader sees all of the old or all of the new ones.
//!
//! ```text
//! tls.crt ► ..data/tls.crt      ..data ► ..7f3a…      ..7f3a…/tls.crt
//! ```
//!
//! The files lie in a folder of their own; one rename of the link `..data` exchanges them all.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::payload::{File, Files};

const DATA: &str = "..data";
const DATA_NEXT: &str = "..data_tmp";

/// Who may read a volume's files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ownership {
    /// The owner, root if none.
    pub(super) user: Option<u32>,
    /// The pod's `fsGroup`, which may read everything.
    pub(super) group: Option<u32>,
}

/// Makes `files` the content of `volume`; answers whether anything changed.
pub(super) fn write(volume: &Path, files: &Files, ownership: Ownership) -> io::Result<bool> {
    let data = volume.join(DATA);
    let old = fs::read_link(&data).ok().map(|name| volume.join(name));
    if let Some(old) = &old
        && is_same(old, files, ownership)?
    {
        return Ok(false);
    }
    let name = format!("..{:016x}", fastrand::u64(..));
    let new = volume.join(&name);
    for (path, file) in files {
        write_file(&new, path, file, ownership)?;
    }
    fs::create_dir_all(&new)?;
    give(&new, 0o755, ownership)?;
    let next = volume.join(DATA_NEXT);
    symlink(&name, &next)?;
    fs::rename(&next, &data)?;
    link_tops(volume, files)?;
    if let Some(old) = old {
        fs::remove_dir_all(old)?;
    }
    Ok(true)
}

fn write_file(folder: &Path, path: &str, file: &File, ownership: Ownership) -> io::Result<()> {
    let full = folder.join(path);
    let parents = Path::new(path)
        .parent()
        .into_iter()
        .flat_map(Path::ancestors);
    fs::create_dir_all(full.parent().unwrap_or(folder))?;
    for parent in parents.filter(|parent| !parent.as_os_str().is_empty()) {
        give(&folder.join(parent), 0o755, ownership)?;
    }
    fs::write(&full, &file.bytes)?;
    give(&full, mode(file, ownership), ownership)
}

fn mode(file: &File, ownership: Ownership) -> u32 {
    match ownership.group {
        Some(_) => file.mode | 0o440,
        None => file.mode,
    }
}

fn give(path: &Path, mode: u32, ownership: Ownership) -> io::Result<()> {
    if ownership != Ownership::default() {
        chown(path, ownership.user, ownership.group)?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// The first part of each path leads into `..data`; what no path begins with any more is removed.
fn link_tops(volume: &Path, files: &Files) -> io::Result<()> {
    let tops: BTreeSet<&str> = files
        .keys()
        .filter_map(|path| path.split('/').next())
        .collect();
    for top in &tops {
        let link = volume.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(top), link)?;
        }
    }
    for entry in fs::read_dir(volume)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !tops.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_same(folder: &Path, files: &Files, ownership: Ownership) -> io::Result<bool> {
    let mut there = Vec::new();
    list(folder, &mut there)?;
    if there.len() != files.len() {
        return Ok(false);
    }
    for (path, file) in files {
        let full = folder.join(path);
        let Ok(metadata) = fs::metadata(&full) else {
            return Ok(false);
        };
        let same_mode = metadata.permissions().mode() & 0o777 == mode(file, ownership);
        if !same_mode || fs::read(&full)? != file.bytes {
            return Ok(false);
        }
    }
    Ok(true)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(pairs: &[(&str, &str)]) -> Files {
        let file = |text: &str| File {
            bytes: text.as_bytes().to_vec(),
            mode: 0o640,
        };
        pairs
            .iter()
            .map(|(path, text)| ((*path).to_owned(), file(text)))
            .collect()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("readable");
        let names = entries.map(|e| {
            e.expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("..")).collect();
        names.sort();
        names
    }

    #[test]
    fn one_rename_exchanges_all_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let volume = folder.path();
        let read = |path: &str| fs::read_to_string(volume.join(path)).expect("a file");
        let put = |files: &Files| write(volume, files, Ownership::default()).expect("written");

        assert!(put(&files(&[("a", "1"), ("deep/b", "2")])));
        assert_eq!(names(volume), ["a", "deep"]);
        assert_eq!(
            (read("a"), read("deep/b")),
            ("1".to_owned(), "2".to_owned())
        );
        let first = fs::read_link(volume.join(DATA)).expect("a link");

        assert!(!put(&files(&[("a", "1"), ("deep/b", "2")])));
        assert_eq!(fs::read_link(volume.join(DATA)).expect("a link"), first);

        assert!(put(&files(&[("a", "3"), ("c", "4")])));
        assert_eq!(names(volume), ["a", "c"]);
        assert_eq!((read("a"), read("c")), ("3".to_owned(), "4".to_owned()));
        assert!(!volume.join(first).exists());
    }

    #[test]
    fn an_empty_volume_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(write(folder.path(), &Files::new(), Ownership::default()).expect("written"));
        assert!(folder.path().join(DATA).is_dir());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn modes_are_as_written_and_a_group_may_read() {
        let file = &files(&[("a", "")])["a"];
        assert_eq!(mode(file, Ownership::default()), 0o640);
        let ownership = Ownership {
            user: None,
            group: Some(7),
        };
        let private = File {
            mode: 0o400,
            ..file.clone()
        };
        assert_eq!(mode(&private, ownership), 0o440);
    }
}
