//! A directory that becomes usable only after the start keeps the law like one that was there.

use super::*;

/// A place for a spool with a file in the way, and what frees it.
pub(super) struct Blocked {
    folder: tempfile::TempDir,
}

impl Blocked {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("disk"), "not a folder").expect("writes");
        Self { folder }
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.folder.path().join("disk").join("spool")
    }

    pub(super) fn free(&self) {
        std::fs::remove_file(self.folder.path().join("disk")).expect("removed");
    }
}

/// Takes what is there and confirms these positions.
fn confirm(reader: &mut SpoolReader, positions: &[u64]) {
    while reader.try_next().expect("reads").is_some() {}
    positions.iter().for_each(|at| reader.confirm(*at));
}

#[test]
fn a_kill_after_the_directory_came_late_loses_nothing() {
    let place = Blocked::new();
    let (mut writer, mut readers) = open(config(Some(&place.directory())), &["a", "b", "c"]);
    append(&mut writer, 0..6);
    confirm(&mut readers[0], &[0, 1, 2]);
    confirm(&mut readers[1], &[0]);
    place.free();
    writer.recover_now();
    assert_eq!(files(&place.directory()), 1, "the disk is back");

    // Killed at once: each reader goes on behind what it had confirmed.
    let copy = copied(&place.directory());
    let (_writer, again) = open(config(Some(copy.path())), &["a", "b", "c"]);
    let recovered = |readers: &[SpoolReader]| {
        let totals = readers.iter().map(|reader| reader.totals().recovered());
        totals.collect::<Vec<_>>()
    };
    assert_eq!(recovered(&again), [3, 5, 6]);

    // Killed later: what came and was confirmed since counts too.
    append(&mut writer, 6..10);
    confirm(&mut readers[0], &[3, 4, 5, 6]);
    let copy = copied(&place.directory());
    let (mut writer, mut again) = open(config(Some(copy.path())), &["a", "b", "c"]);
    assert_eq!(recovered(&again), [3, 9, 10]);
    append(&mut writer, 10..12);
    for (reader, first) in again.iter_mut().zip([7, 1, 0]) {
        assert_eq!(take(reader), (first..12).collect::<Vec<_>>());
        assert_balanced(reader, 2);
    }
}

#[test]
fn what_was_confirmed_before_the_end_is_not_sent_again() {
    let place = Blocked::new();
    let (mut writer, mut readers) = open(config(Some(&place.directory())), &["a"]);
    append(&mut writer, 0..6);
    confirm(&mut readers[0], &[0, 1]);
    place.free();
    // The end tries once more, and the reader ends after it.
    drop(writer);
    assert_eq!(readers.remove(0).stop(), 0, "the disk has all");
    let (_writer, mut again) = open(config(Some(&place.directory())), &["a"]);
    assert_eq!(again[0].totals().recovered(), 4);
    assert_eq!(take(&mut again[0]), [2, 3, 4, 5]);
    assert_balanced(&again[0], 0);
}
