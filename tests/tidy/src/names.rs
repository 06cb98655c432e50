//! File names that say nothing about what is inside.

use crate::tree;

const BANNED_STEMS: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "misc", "commons", "stuff",
];

#[test]
fn no_file_or_folder_is_named_after_nothing() {
    let mut findings = Vec::new();
    for path in tree::tracked_paths() {
        let banned = path.split('/').any(|part| {
            let stem = part.split('.').next().unwrap_or(part);
            BANNED_STEMS.contains(&stem)
        });
        if banned {
            findings.push(path);
        }
    }
    tree::report(
        "A file is named after the one kind of thing it holds; split it by kind and name the \
         parts (one filter, one detector, one resource).",
        &findings,
    );
}

#[test]
fn modules_with_children_live_in_their_folder() {
    let paths = tree::tracked_paths();
    let mut findings = Vec::new();
    for path in paths
        .iter()
        .filter(|p| p.ends_with(".rs") && p.contains("/src/"))
    {
        let folder = format!("{}/", path.trim_end_matches(".rs"));
        let is_root = path.ends_with("/lib.rs") || path.ends_with("/main.rs");
        if !is_root && paths.iter().any(|other| other.starts_with(&folder)) {
            findings.push(format!("{path} beside {folder}"));
        }
    }
    tree::report(
        "A module with children is `name/mod.rs`, never `name.rs` beside `name/`.",
        &findings,
    );
}
