//! The law of the spool over kills, cuts, flipped bytes and full disks: found at start + emitted =
//! sent + dropped + waiting.

mod late; // the directory comes after the start
mod said; // log lines

use super::segment::Segment;
use super::*;
use crate::totals::{DropReason, Signal};
use rauta_test_support::events::anomaly;
use std::collections::BTreeSet;
use std::path::Path;

fn config(directory: Option<&Path>) -> SpoolConfig {
    SpoolConfig {
        directory: directory.map(Path::to_path_buf),
        bytes_max: 1 << 20,
        segment_bytes: 2_000,
        memory_max: 8,
    }
}

fn open(config: SpoolConfig, names: &[&'static str]) -> (SpoolWriter, Vec<SpoolReader>) {
    let named = names
        .iter()
        .map(|name| (*name, SinkTotals::new(name, Signal::Occurrences)));
    let spool = Spool::open(config, &named.collect::<Vec<_>>()).expect("opens");
    (spool.writer, spool.readers)
}

fn append(writer: &mut SpoolWriter, numbers: std::ops::Range<u64>) {
    numbers.for_each(|number| drop(writer.append(&anomaly(number))));
}

/// What is there now, by number, all of it confirmed.
fn take(reader: &mut SpoolReader) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(spooled) = reader.try_next().expect("reads") {
        numbers.push(spooled.event.id.random() as u64);
        reader.confirm(spooled.position);
    }
    numbers
}

/// Found at start + emitted = sent + dropped + waiting.
fn assert_balanced(reader: &SpoolReader, emitted: u64) {
    let totals = reader.totals();
    assert_eq!(
        totals.recovered() + emitted,
        totals.sent() + totals.dropped_in_all() + totals.queued(),
        "{totals:?}"
    );
    assert_eq!(totals.queued(), reader.waiting());
}

fn files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).expect("a folder");
    entries
        .filter(|entry| {
            let path = entry.as_ref().expect("an entry").path();
            path.extension().is_some_and(|ending| ending == "spool")
        })
        .count()
}

#[tokio::test(start_paused = true)]
async fn readers_get_everything_in_order_and_see_the_end() {
    for directory in [None, Some(tempfile::tempdir().expect("a folder"))] {
        let path = directory.as_ref().map(tempfile::TempDir::path);
        let (mut writer, mut readers) = open(config(path), &["a", "b"]);
        let reading = readers.remove(0);
        let waits = tokio::spawn(async move {
            let mut reader = reading;
            let mut numbers = Vec::new();
            while let Some(spooled) = reader.next().await {
                assert_eq!(spooled.emission.sequence, numbers.len() as u64 + 1);
                numbers.push(spooled.event.id.random() as u64);
                reader.confirm(spooled.position);
            }
            assert_balanced(&reader, 30);
            numbers
        });
        for number in 0..30 {
            append(&mut writer, number..number + 1);
            tokio::task::yield_now().await;
        }
        let boot_id = writer.boot_id().to_owned();
        drop(writer);
        assert_eq!(waits.await.expect("ends"), (0..30).collect::<Vec<_>>());
        assert!(boot_id.parse::<rauta_schemas::Ulid>().is_ok(), "{boot_id}");
    }
}

#[test]
fn memory_alone_keeps_the_newest_and_counts_the_others() {
    let (mut writer, mut readers) = open(config(None), &["a", "b"]);
    append(&mut writer, 0..4);
    assert_eq!(take(&mut readers[0]), [0, 1, 2, 3]);
    append(&mut writer, 4..14);
    let (a, b) = (&readers[0], &readers[1]);
    assert_eq!(a.totals().dropped(DropReason::MemoryFull), 2);
    assert_eq!(b.totals().dropped(DropReason::MemoryFull), 6);
    assert_balanced(a, 14);
    assert_balanced(b, 14);
    assert_eq!(take(&mut readers[1]), (6..14).collect::<Vec<_>>());
    assert_balanced(&readers[1], 14);
    let a = readers.remove(0);
    let totals = Arc::clone(a.totals());
    assert_eq!(a.stop(), 8);
    assert_eq!(
        (totals.queued(), totals.dropped(DropReason::Stopped)),
        (0, 8)
    );
}

#[test]
fn what_was_not_confirmed_comes_again_after_a_kill_with_its_ids() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut writer, mut readers) = open(config(Some(folder.path())), &["a", "b"]);
    append(&mut writer, 0..40);
    let mut first = Vec::new();
    while let Some(spooled) = readers[0].try_next().expect("reads") {
        // All but 17 and the last ten.
        if spooled.position != 17 && spooled.position < 30 {
            readers[0].confirm(spooled.position);
        }
        first.push(spooled);
    }
    assert_eq!(first.len(), 40);
    // As after a kill: nothing is closed in order. The lock goes with the process.
    let killed = (writer, readers);
    let copy = copied(folder.path());
    let (mut writer, mut readers) = open(config(Some(copy.path())), &["a", "b", "new"]);
    assert_eq!(readers[0].totals().recovered(), 40 - 17);
    assert_eq!(readers[2].totals().recovered(), 0, "it was not there");
    append(&mut writer, 40..42);
    let mut again = Vec::new();
    while let Some(spooled) = readers[0].try_next().expect("reads") {
        readers[0].confirm(spooled.position);
        again.push(spooled);
    }
    assert_eq!(
        again[..23],
        first[17..],
        "the same anomalies with the same places"
    );
    assert_ne!(again[23].emission.boot_id, first[0].emission.boot_id);
    assert_eq!(again[23].emission.sequence, 1);
    assert_balanced(&readers[0], 2);
    assert_eq!(take(&mut readers[1]).len(), 42);
    assert_eq!(take(&mut readers[2]), [40, 41]);
    assert_eq!(files(copy.path()), 1, "everybody had everything else");
    drop(killed);
}

#[test]
fn what_is_counted_as_emitted_is_on_disk_already() {
    let folder = tempfile::tempdir().expect("a folder");
    let one_file = SpoolConfig {
        segment_bytes: 1 << 20,
        ..config(Some(folder.path()))
    };
    let (mut writer, readers) = open(one_file, &["a"]);
    let figures = writer.source();
    let emitted = || figures()[0].value as usize;
    let appending = std::thread::spawn(move || append(&mut writer, 0..1_000));
    let mut seen = 0;
    while seen < 1_000 {
        seen = emitted();
        let file = std::fs::read(folder.path().join("00000000000000000000.spool"));
        let on_disk = record::scan(&file.unwrap_or_default()).len();
        assert!(on_disk >= seen, "{seen} emitted, {on_disk} on disk");
    }
    appending.join().expect("ends");
    drop(readers);
}

#[test]
fn a_reader_far_behind_reads_files_and_a_full_spool_drops_its_oldest() {
    let folder = tempfile::tempdir().expect("a folder");
    let limited = SpoolConfig {
        bytes_max: 20_000,
        ..config(Some(folder.path()))
    };
    let (mut writer, mut readers) = open(limited, &["fast", "slow"]);
    let mut fast = Vec::new();
    for number in 0..200 {
        append(&mut writer, number..number + 1);
        fast.extend(take(&mut readers[0]));
    }
    assert_eq!(fast, (0..200).collect::<Vec<_>>());
    let dropped = readers[1].totals().dropped(DropReason::SpoolFull);
    assert!((1..200).contains(&dropped), "{dropped}");
    assert_balanced(&readers[1], 200);
    let slow = take(&mut readers[1]);
    assert_eq!(
        slow,
        (dropped..200).collect::<Vec<_>>(),
        "the oldest are gone"
    );
    assert_balanced(&readers[1], 200);
    assert_balanced(&readers[0], 200);
    assert_eq!(readers[0].totals().dropped_in_all(), 0);
}

#[test]
fn two_processes_cannot_hold_one_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = open(config(Some(folder.path())), &["a"]);
    let second = Spool::open(config(Some(folder.path())), &[]);
    assert!(matches!(second, Err(SpoolError::InUse(_))), "{second:?}");
}

#[test]
fn a_directory_that_cannot_be_made_is_awaited_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("disk");
    std::fs::write(&place, "not a folder").expect("writes");
    let directory = place.join("spool");
    let (mut writer, mut readers) = open(config(Some(&directory)), &["a"]);
    append(&mut writer, 0..12);
    assert_eq!(readers[0].totals().dropped(DropReason::MemoryFull), 4);
    std::fs::remove_file(&place).expect("removed");
    // The end tries once more, whatever the pause.
    drop(writer);
    assert_eq!(files(&directory), 1);
    assert_eq!(take(&mut readers[0]), (4..12).collect::<Vec<_>>());
    assert_balanced(&readers[0], 12);
}

/// Another directory with the same files, and without the lock.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).expect("copied");
    }
    to
}

/// A file with some anomalies, and their numbers.
fn file_of(count: u64) -> Vec<u8> {
    let mut bytes = record::FILE_MARK.to_vec();
    for position in 0..count {
        let emission = Emission {
            boot_id: "01BOOT".to_owned(),
            sequence: position + 1,
        };
        let spooled = Spooled {
            position,
            emission,
            event: anomaly(position),
        };
        record::encode(&spooled, &mut bytes);
    }
    bytes
}

#[test]
fn a_file_that_got_no_record_is_not_taken_for_the_next_one_of_its_name() {
    let mut state = State::new(Vec::new(), 0, 8);
    state.add_reader(0, SinkTotals::new("a", Signal::Occurrences));
    let segment = |first, end| Segment {
        path: format!("{first}.spool").into(),
        first,
        end,
        bytes: 8,
    };
    // The disk was full behind the beginning of the file; then it had room again.
    state.add_segment(segment(0, 0));
    state.add_segment(segment(0, 1));
    state.add_segment(segment(1, 2));
    assert_eq!(state.done(), Vec::<PathBuf>::new(), "it is not delivered");
    assert_eq!(state.on_disk().0, 2);
}

/// Opens a spool over one file and reads all of it.
fn read_back(folder: &Path, bytes: &[u8]) -> Vec<u64> {
    std::fs::remove_dir_all(folder).expect("removed");
    std::fs::create_dir_all(folder).expect("made");
    std::fs::write(folder.join("00000000000000000000.spool"), bytes).expect("writes");
    // An empty cursor says nothing: the reader begins at the oldest.
    std::fs::write(folder.join("a.cursor"), "").expect("writes");
    let (mut writer, mut readers) = open(config(Some(folder)), &["a"]);
    append(&mut writer, 100..101);
    let mut numbers = take(&mut readers[0]);
    assert_balanced(&readers[0], 1);
    assert_eq!(numbers.pop(), Some(100), "what comes later is read");
    numbers
}

#[test]
fn a_file_cut_at_any_byte_gives_the_anomalies_before_the_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = file_of(3);
    let ends: Vec<usize> = record::scan(&whole).iter().map(|f| f.payload.end).collect();
    assert_eq!(ends.len(), 3);
    for cut in 0..=whole.len() {
        let before = ends.iter().filter(|end| **end <= cut).count() as u64;
        let read = read_back(folder.path(), &whole[..cut]);
        assert_eq!(read, (0..before).collect::<Vec<_>>(), "cut at {cut}");
    }
}

#[test]
fn a_flipped_byte_costs_one_anomaly_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = file_of(3);
    for at in record::FILE_MARK.len()..whole.len() {
        for flip in [0x01, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            let read: BTreeSet<u64> = read_back(folder.path(), &bytes).into_iter().collect();
            assert_eq!(read.len(), 2, "flipped {at}: {read:?}");
        }
    }
}

#[test]
fn no_bytes_make_a_panic() {
    let mut random = fastrand::Rng::with_seed(7);
    let whole = file_of(2);
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..random.usize(1..40) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(..=bytes.len()));
        for found in record::scan(&bytes) {
            let _decoded = found.decode(&bytes);
        }
    }
}
