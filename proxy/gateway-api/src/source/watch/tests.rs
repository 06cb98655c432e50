//! The watch against a real file system. Every wait is for something that must come.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use tempfile::TempDir;

use super::WatchHandle;
use crate::object::Change;
use crate::source::clock::Moment;
use crate::source::{FileSource, Reading};

/// Far more than anything here takes, on a machine with other work to do.
const PATIENCE: Duration = Duration::from_secs(20);

struct Watched {
    folder: TempDir,
    readings: Receiver<Reading>,
    handle: WatchHandle,
}

impl Watched {
    fn over(folder: TempDir, path: PathBuf) -> Self {
        let (sender, readings) = sync_channel(1024);
        let deliver = move |reading| sender.send(reading).unwrap_or_default();
        let handle = FileSource::open(vec![path]).watch(deliver).unwrap();
        Self {
            folder,
            readings,
            handle,
        }
    }

    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let path = folder.path().to_owned();
        Self::over(folder, path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Waits until `name` is served with `text`; returns everything that changed until then.
    fn until(&self, name: &str, text: &str) -> Vec<String> {
        let deadline = Moment::now().monotonic + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = Moment::now().until(deadline);
            let reading = self.readings.recv_timeout(left).unwrap_or_else(|error| {
                panic!("{name} {text}: {error}; until then: {seen:?}");
            });
            let told: Vec<String> = reading.changes.iter().map(told).collect();
            let found = told.contains(&format!("{name} {text}"));
            seen.extend(told);
            if found {
                return seen;
            }
        }
    }
}

fn told(change: &Change) -> String {
    match change {
        Change::Apply(stored) => {
            let value = serde_json::to_value(&match &stored.object {
                crate::object::Object::GatewayClass(class) => class.spec.description.clone(),
                _ => None,
            });
            let text = value.unwrap().as_str().unwrap_or_default().to_owned();
            format!("{} {text}", stored.key.name)
        }
        Change::Delete(key) => format!("{} deleted", key.name),
    }
}

fn class(name: &str, description: &str) -> String {
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {{name: {name}}}\n\
         spec:\n  controllerName: example.com/gateway\n  description: {description}\n"
    )
}

#[test]
fn a_file_written_in_place_renamed_over_added_and_removed_is_seen() {
    let watched = Watched::new(&[("a.yaml", &class("a", "one"))]);
    watched.until("a", "one");
    fs::write(watched.path("a.yaml"), class("a", "two")).unwrap();
    watched.until("a", "two");
    fs::write(watched.path("temporary"), class("a", "three")).unwrap();
    fs::rename(watched.path("temporary"), watched.path("a.yaml")).unwrap();
    watched.until("a", "three");
    fs::write(watched.path("b.yaml"), class("b", "one")).unwrap();
    watched.until("b", "one");
    fs::remove_file(watched.path("a.yaml")).unwrap();
    watched.until("a", "deleted");
    drop(watched.handle);
}

#[test]
fn a_reading_says_since_when_its_change_was_complete() {
    let watched = Watched::new(&[("a.yaml", &class("a", "one"))]);
    watched.until("a", "one");
    let mut file = File::create(watched.path("a.yaml")).unwrap();
    file.write_all(class("a", "two").as_bytes()).unwrap();
    let before = Moment::now().monotonic;
    drop(file);
    let reading = loop {
        let reading = watched.readings.recv_timeout(PATIENCE).unwrap();
        if !reading.changes.is_empty() {
            break reading;
        }
    };
    let noticed = reading.noticed.unwrap();
    assert!(before <= noticed && noticed <= Moment::now().monotonic);
    assert_eq!(told(&reading.changes[0]), "a two");
}

#[test]
fn a_file_is_not_read_while_its_writer_has_it_open() {
    let watched = Watched::new(&[
        (
            "a.yaml",
            &format!("{}{}", class("a", "one"), class("b", "one")),
        ),
        ("c.yaml", &class("c", "one")),
    ]);
    watched.until("c", "one");
    let mut file = File::create(watched.path("a.yaml")).unwrap();
    file.write_all(class("a", "two").as_bytes()).unwrap();
    // When the later change of another file has been read, this one was passed over.
    fs::write(watched.path("c.yaml"), class("c", "two")).unwrap();
    assert_eq!(watched.until("c", "two"), ["c two"]);
    file.write_all(class("b", "two").as_bytes()).unwrap();
    drop(file);
    assert_eq!(watched.until("b", "two"), ["a two", "b two"]);
}

#[test]
fn links_exchanged_as_a_config_map_volume_does_are_seen() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (version, text) in [("..1", "one"), ("..2", "two")] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("a.yaml"), class("a", text)).unwrap();
    }
    symlink("..1", path("..data")).unwrap();
    symlink("..data/a.yaml", path("a.yaml")).unwrap();
    let watched = Watched::over(TempDir::new().unwrap(), folder.path().to_owned());
    watched.until("a", "one");
    symlink("..2", path("..new")).unwrap();
    fs::rename(path("..new"), path("..data")).unwrap();
    assert_eq!(watched.until("a", "two"), ["a two"]);
}

#[test]
fn a_single_file_and_the_file_behind_a_link_are_watched() {
    let far = TempDir::new().unwrap();
    let target = far.path().join("target.txt");
    fs::write(&target, class("a", "one")).unwrap();
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("a.yaml");
    symlink(&target, &link).unwrap();
    let watched = Watched::over(folder, link);
    watched.until("a", "one");
    fs::write(&target, class("a", "two")).unwrap();
    assert_eq!(watched.until("a", "two"), ["a two"]);
}

#[test]
fn many_rewrites_arrive_whole_and_lose_nothing() {
    let text = |version: usize| -> String {
        (0..50)
            .map(|n| class(&format!("c{n}"), &format!("v{version}")))
            .collect()
    };
    let watched = Watched::new(&[("a.yaml", &text(0))]);
    watched.until("c49", "v0");
    for version in 1..=20 {
        if version % 2 == 0 {
            fs::write(watched.path("a.yaml"), text(version)).unwrap();
        } else {
            fs::write(watched.path("temporary"), text(version)).unwrap();
            fs::rename(watched.path("temporary"), watched.path("a.yaml")).unwrap();
        }
    }
    let seen = watched.until("c49", "v20");
    assert!(
        !seen.iter().any(|change| change.ends_with("deleted")),
        "{seen:?}"
    );
}
