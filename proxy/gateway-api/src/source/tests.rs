//! The file source against writers of every manner. Time is an argument, nothing sleeps.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::clock::Moment;
use super::file_state::{REMOVE_CONFIRM, SHRINK_CONFIRM};
use super::{FileSource, Reading, Severity};
use crate::object::{Change, Kind, ObjectKey};

/// A folder of manifests, a source over it, and a clock that only moves when told to.
struct Bench {
    folder: TempDir,
    source: FileSource,
    now: Moment,
    /// Kind and name of what is served, implied Namespaces left out.
    served: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let source = FileSource::open(vec![folder.path().to_owned()]);
        Self {
            folder,
            source,
            now: Moment::now(),
            served: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn replace(&self, name: &str, text: &str) {
        let temporary = self.path(".temporary");
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, self.path(name)).unwrap();
    }

    fn read(&mut self) -> Reading {
        let reading = self.source.read_at(self.now, &|_| false);
        for change in &reading.changes {
            let key = match change {
                Change::Apply(stored) => &stored.key,
                Change::Delete(key) => key,
            };
            if key.kind == Kind::Namespace {
                continue;
            }
            self.served.retain(|name| *name != key.to_string());
            if matches!(change, Change::Apply(_)) {
                self.served.push(key.to_string());
            }
        }
        self.served.sort();
        reading
    }

    fn read_after(&mut self, time: Duration) -> Reading {
        self.now.monotonic += time;
        self.now.wall += time;
        self.read()
    }
}

fn class(name: &str, description: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata:\n  name: {name}\n\
         spec:\n  controllerName: example.com/gateway\n  description: \"{description}\"\n"
    )
}

fn classes(names: &[&str]) -> String {
    let documents: Vec<String> = names.iter().map(|name| class(name, "some text")).collect();
    documents.join("---\n")
}

fn errors(reading: &Reading) -> Vec<String> {
    let errors = reading
        .mistakes
        .iter()
        .filter(|mistake| mistake.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

fn generation(reading: &Reading, name: &str) -> Option<i64> {
    reading.changes.iter().find_map(|change| match change {
        Change::Apply(stored) if *stored.key.name == *name => Some(stored.generation),
        _ => None,
    })
}

#[test]
fn objects_are_delivered_once_and_again_when_their_content_changes() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a", "b"]));
    let reading = bench.read();
    assert_eq!(reading.changes.len(), 2);
    assert_eq!(generation(&reading, "a"), Some(1));
    assert!(bench.read().changes.is_empty());

    bench.replace(
        "a.yaml",
        &format!(
            "{}---\n{}",
            class("a", "other text"),
            class("b", "some text")
        ),
    );
    let reading = bench.read();
    assert_eq!(reading.changes.len(), 1);
    assert_eq!(generation(&reading, "a"), Some(2));

    bench.replace(
        "a.yaml",
        &classes(&["b", "a"]).replace("some", "# no comment\n  #"),
    );
    assert!(errors(&bench.read()).len() <= 2);
    assert_eq!(bench.served, ["GatewayClass a", "GatewayClass b"]);
}

#[test]
fn a_change_of_labels_is_no_new_generation() {
    let mut bench = Bench::new();
    let service =
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  ports: [{port: 80}]\n";
    bench.write("a.yaml", service);
    bench.read();
    bench.replace(
        "a.yaml",
        &service.replace("name: s", "name: s\n  labels: {a: b}"),
    );
    assert_eq!(generation(&bench.read(), "s"), Some(1));
    bench.replace("a.yaml", &service.replace("80", "81"));
    assert_eq!(generation(&bench.read(), "s"), Some(2));
}

#[test]
fn a_file_truncated_at_any_byte_loses_nothing() {
    let mut bench = Bench::new();
    let text = format!("# header\n{}", classes(&["a", "b", "c"]));
    bench.write("a.yaml", &text);
    bench.read();
    let all = bench.served.clone();
    assert_eq!(all.len(), 3);
    for length in (0..text.len()).rev() {
        let file = fs::OpenOptions::new()
            .write(true)
            .open(bench.path("a.yaml"))
            .unwrap();
        file.set_len(length as u64).unwrap();
        let reading = bench.read();
        assert!(
            reading.changes.is_empty(),
            "truncated to {length}: {:?}",
            reading.changes
        );
        let reading = bench.read_after(SHRINK_CONFIRM / 2);
        assert!(
            reading.changes.is_empty(),
            "truncated to {length}: {:?}",
            reading.changes
        );
        bench.write("a.yaml", &text);
        let reading = bench.read();
        assert!(
            reading.changes.is_empty(),
            "mended from {length}: {:?}",
            reading.changes
        );
    }
    assert_eq!(bench.served, all);
}

#[test]
fn a_file_cut_inside_a_line_or_emptied_is_never_believed() {
    for text in ["", "\n", "# header\n", &classes(&["a", "b"])[..150]] {
        let mut bench = Bench::new();
        let whole = format!("# header\n{}", classes(&["a", "b"]));
        let whole = if whole.starts_with(text) {
            whole
        } else {
            classes(&["a", "b"])
        };
        bench.write("a.yaml", &whole);
        bench.read();
        bench.write("a.yaml", text);
        let reading = bench.read();
        if whole.starts_with(text) {
            assert_eq!(errors(&reading).len(), 1, "{text:?}: {reading:?}");
        }
        bench.read_after(REMOVE_CONFIRM - Duration::from_millis(1));
        assert_eq!(bench.served.len(), 2, "{text:?}");
    }
}

#[test]
fn documents_taken_out_at_the_end_go_after_their_confirmation() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a", "b"]));
    bench.read();
    bench.write("a.yaml", &classes(&["a"]));
    let reading = bench.read();
    assert!(reading.changes.is_empty());
    assert!(reading.again_in.is_some());
    bench.read_after(SHRINK_CONFIRM);
    assert_eq!(bench.served, ["GatewayClass a"]);
}

#[test]
fn documents_taken_out_elsewhere_go_sooner_and_additions_come_at_once() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a", "b"]));
    bench.read();
    bench.write("a.yaml", &classes(&["b", "c"]));
    bench.read();
    assert_eq!(
        bench.served,
        ["GatewayClass a", "GatewayClass b", "GatewayClass c"]
    );
    bench.read_after(REMOVE_CONFIRM);
    assert_eq!(bench.served, ["GatewayClass b", "GatewayClass c"]);
}

#[test]
fn a_file_renamed_over_is_believed_at_once() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a", "b"]));
    bench.read();
    bench.replace("a.yaml", &classes(&["b", "c"]));
    bench.read();
    assert_eq!(bench.served, ["GatewayClass b", "GatewayClass c"]);
}

#[test]
fn a_broken_document_keeps_what_the_file_held_until_it_is_mended() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a", "b", "c"]));
    bench.read();
    let broken = format!(
        "{}---\nkind: [\n---\n{}",
        class("a", "new"),
        class("d", "new")
    );
    bench.replace("a.yaml", &broken);
    let reading = bench.read();
    assert_eq!(errors(&reading).len(), 1);
    assert_eq!(generation(&reading, "a"), Some(2));
    assert_eq!(bench.served.len(), 4, "{:?}", bench.served);
    bench.replace("a.yaml", &classes(&["a", "d"]));
    bench.read();
    assert_eq!(bench.served, ["GatewayClass a", "GatewayClass d"]);
}

#[test]
fn a_refused_object_keeps_its_last_good_state_and_names_the_mistake() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a", "b", "c"]));
    bench.read();
    let refused = class("b", &"x".repeat(65));
    bench.replace(
        "a.yaml",
        &format!("{}---\n{refused}", class("a", "some text")),
    );
    let reading = bench.read();
    assert_eq!(bench.served, ["GatewayClass a", "GatewayClass b"]);
    let mistake = &reading.mistakes[0];
    assert_eq!(mistake.file, bench.path("a.yaml"));
    assert_eq!((mistake.document, mistake.line), (Some(2), Some(15)));
    assert_eq!(mistake.object.as_deref(), Some("GatewayClass b"));
    assert_eq!(mistake.field.as_deref(), Some("spec.description"));
}

#[test]
fn a_removed_file_takes_its_objects_with_it_but_only_when_it_stays_away() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a"]));
    bench.write("b.yaml", &classes(&["b"]));
    bench.read();
    fs::remove_file(bench.path("a.yaml")).unwrap();
    assert!(bench.read().changes.is_empty());
    bench.write("a.yaml", &classes(&["a"]));
    assert!(
        bench
            .read_after(Duration::from_millis(49))
            .changes
            .is_empty()
    );
    fs::remove_file(bench.path("a.yaml")).unwrap();
    bench.read();
    bench.read_after(Duration::from_millis(50));
    assert_eq!(bench.served, ["GatewayClass b"]);
}

#[test]
fn a_directory_that_is_gone_takes_nothing_with_it() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a"]));
    bench.read();
    fs::remove_dir_all(bench.folder.path()).unwrap();
    assert_eq!(errors(&bench.read()).len(), 1);
    bench.read_after(Duration::from_secs(60));
    assert_eq!(bench.served, ["GatewayClass a"]);
}

#[test]
fn a_moved_file_keeps_its_objects_and_their_age() {
    let mut bench = Bench::new();
    bench.write("b.yaml", &classes(&["a"]));
    bench.read();
    fs::rename(bench.path("b.yaml"), bench.path("a.yaml")).unwrap();
    assert_eq!(
        bench.read(),
        Reading {
            again_in: Some(Duration::from_millis(20)),
            ..Reading::default()
        }
    );
    assert!(bench.read_after(Duration::from_secs(1)).changes.is_empty());
    assert_eq!(bench.served, ["GatewayClass a"]);
}

#[test]
fn links_exchanged_as_a_config_map_volume_does_lose_nothing() {
    let mut bench = Bench::new();
    for (version, names) in [("..1", ["a", "b"]), ("..2", ["b", "c"])] {
        fs::create_dir(bench.path(version)).unwrap();
        fs::write(bench.path(version).join("a.yaml"), classes(&names)).unwrap();
    }
    symlink("..1", bench.path("..data")).unwrap();
    symlink(Path::new("..data").join("a.yaml"), bench.path("a.yaml")).unwrap();
    bench.read();
    assert_eq!(bench.served, ["GatewayClass a", "GatewayClass b"]);
    symlink("..2", bench.path("..new")).unwrap();
    fs::rename(bench.path("..new"), bench.path("..data")).unwrap();
    fs::remove_dir_all(bench.path("..1")).unwrap();
    bench.read();
    assert_eq!(bench.served, ["GatewayClass b", "GatewayClass c"]);
}

#[test]
fn the_first_of_two_files_serves_an_object_and_the_other_takes_over() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &class("a", "of a"));
    bench.read();
    bench.write("0.yaml", &class("a", "of 0"));
    let reading = bench.read();
    assert!(reading.changes.is_empty());
    let mistake = reading.mistakes[0].to_string();
    assert!(
        mistake.contains("a.yaml") && mistake.contains("0.yaml"),
        "{mistake}"
    );
    fs::remove_file(bench.path("a.yaml")).unwrap();
    bench.read();
    let reading = bench.read_after(Duration::from_millis(50));
    assert_eq!(generation(&reading, "a"), Some(2));
    assert_eq!(bench.served, ["GatewayClass a"]);
}

#[test]
fn a_file_that_is_being_written_is_left_as_it_was() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &classes(&["a"]));
    bench.read();
    bench.write("a.yaml", &classes(&["b"]));
    let reading = bench.source.read_at(bench.now, &|_| true);
    assert!(reading.changes.is_empty() && reading.again_in.is_some());
}

#[test]
fn an_immutable_field_does_not_change() {
    let mut bench = Bench::new();
    bench.write("a.yaml", &class("a", "some text"));
    bench.read();
    bench.replace(
        "a.yaml",
        &class("a", "some text").replace("example.com", "example.org"),
    );
    let reading = bench.read();
    assert!(reading.changes.is_empty());
    assert!(
        errors(&reading)[0].contains("spec.controllerName"),
        "{reading:?}"
    );
}

#[test]
fn namespaces_are_implied_by_what_is_in_them() {
    let mut bench = Bench::new();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m, namespace: shop}\n";
    bench.write("a.yaml", map);
    let key = ObjectKey::new(Kind::Namespace, "", "shop");
    let reading = bench.read();
    let implied = reading.changes.iter().find_map(|change| match change {
        Change::Apply(stored) if stored.key == key => Some(stored),
        _ => None,
    });
    let labels = implied.unwrap().object.metadata().labels.clone().unwrap();
    assert_eq!(labels["kubernetes.io/metadata.name"], "shop");
    fs::remove_file(bench.path("a.yaml")).unwrap();
    bench.read();
    let reading = bench.read_after(Duration::from_millis(50));
    assert!(reading.changes.contains(&Change::Delete(key)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_file_makes_the_source_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bench = Bench::new();
        fs::write(bench.path("a.yaml"), &bytes).unwrap();
        fs::write(bench.path("b.json"), &bytes).unwrap();
        bench.read();
        prop_assert!(bench.served.is_empty());
    }

    #[test]
    fn no_yaml_makes_the_source_panic(text in "([a-z]{1,4}|[:{}\\[\\]&*!|>%@`#,?'\"~-]|\n|  |: |- |---\n|\\.\\.\\.\n){0,80}") {
        let mut bench = Bench::new();
        bench.write("a.yaml", &text);
        bench.read();
        prop_assert!(bench.served.is_empty());
    }

    #[test]
    fn any_edit_of_bytes_keeps_the_objects_it_does_not_name(
        at in 0_usize..400, with in proptest::collection::vec(any::<u8>(), 0..6),
    ) {
        let mut bench = Bench::new();
        let mut text = classes(&["a", "b", "c"]).into_bytes();
        bench.write("a.yaml", &classes(&["a", "b", "c"]));
        bench.read();
        let at = at.min(text.len());
        text.splice(at..(at + with.len()).min(text.len()), with);
        fs::write(bench.path("a.yaml"), &text).unwrap();
        bench.read();
        for name in ["a", "b", "c"] {
            let name = format!("GatewayClass {name}");
            prop_assert!(bench.served.contains(&name));
        }
    }
}
