//! What the spool says of itself: once for each reason, and nothing that is not so.

use super::late::Blocked;
use super::*;
use std::fmt::Debug;
use std::sync::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps events as lines: the level, then each field.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// What was said meanwhile.
    fn of(does: impl FnOnce()) -> Vec<String> {
        let lines = Self::default();
        tracing::subscriber::with_default(lines.clone(), does);
        let mut said = lines.0.lock().expect("no panic holds it");
        std::mem::take(&mut *said)
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().expect("no panic holds it").push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_disk_that_fails_is_said_once_for_each_reason() {
    let place = Blocked::new();
    let mut opened = None;
    let said = Lines::of(|| opened = Some(open(config(Some(&place.directory())), &["a"])));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("cannot be written"), "{said:?}");
    let (mut writer, _readers) = opened.expect("opened");
    assert!(!writer.holds_directory());
    append(&mut writer, 0..3);
    let said = Lines::of(|| writer.recover_now());
    assert_eq!(said, [""; 0], "the reason is the same");

    // The disk comes, and an earlier run had left something on it.
    place.free();
    std::fs::create_dir_all(place.directory()).expect("made");
    let left = place.directory().join("00000000000000000000.spool");
    std::fs::write(&left, file_of(2)).expect("writes");
    let said = Lines::of(|| (0..3).for_each(|_| writer.recover_now()));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("of an earlier run"), "{said:?}");

    let said = Lines::of(|| drop(writer));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("anomalies=3"), "{said:?}");
}

#[test]
fn an_end_with_nothing_in_memory_says_nothing_of_a_loss() {
    let place = Blocked::new();
    let (mut writer, mut readers) = open(config(Some(&place.directory())), &["a"]);
    append(&mut writer, 0..3);
    assert_eq!(take(&mut readers[0]), [0, 1, 2]);
    assert_eq!(Lines::of(|| drop(writer)), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("00000000000000000000.spool");
    let aside = folder.path().join("00000000000000000000.spool.unread");
    let whole = file_of(1);
    // (what is in it, what is said, whether it stays)
    for (bytes, words, stays) in [
        (&b"RAUTASP2 of a later version"[..], "kept aside", true),
        (
            &whole[..whole.len() - 1],
            "no anomaly in it is whole",
            false,
        ),
        (b"RAUTASP1", "", false),
        (b"", "", false),
    ] {
        std::fs::write(&file, bytes).expect("writes");
        let said = Lines::of(|| drop(open(config(Some(folder.path())), &["a"])));
        let named = said
            .iter()
            .filter(|line| line.contains(&*file.to_string_lossy()));
        assert_eq!(named.count(), usize::from(!words.is_empty()), "{said:?}");
        assert!(
            said.iter()
                .all(|line| line.starts_with("WARN") && line.contains(words))
        );
        assert!(!file.exists());
        assert_eq!(std::fs::read(&aside).is_ok_and(|kept| kept == bytes), stays);
    }
}
