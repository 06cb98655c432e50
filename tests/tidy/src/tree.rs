//! The checkout as the rules see it: its root, its tracked files, their text, its crates.
//!
//! Outside a git checkout (a source archive) the tree is walked instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

/// Directories that a walk never enters: build output and hidden caches.
const SKIPPED_DIRS: &[&str] = &["target", ".git", ".cache", "node_modules"];

/// One tracked text file.
pub(crate) struct TextFile {
    /// Path relative to the root, with forward slashes.
    pub(crate) path: String,
    /// The whole content.
    pub(crate) text: String,
}

impl TextFile {
    /// Whether the file's name ends in `.extension`.
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|e| e == extension)
    }

    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The root of the checkout: the nearest directory above this crate that holds a workspace.
pub(crate) fn root() -> PathBuf {
    // Cargo starts a test in its package's directory; unlike a path baked in at build time this
    // stays true when a build directory is shared between checkouts.
    let start = std::env::current_dir().expect("a test has a working directory");
    start
        .ancestors()
        .find(|dir| {
            fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|t| t.contains("[workspace]"))
        })
        .expect("rauta-tidy runs inside the workspace")
        .to_path_buf()
}

/// Paths of all tracked files that exist, relative to the root, sorted.
pub(crate) fn tracked_paths() -> Vec<String> {
    let root = root();
    let mut paths = from_git(&root).unwrap_or_else(|| walk(&root));
    paths.retain(|path| root.join(path).exists());
    paths.sort();
    paths
}

fn from_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    // New files count before they are committed, so that a mistake shows while it is fresh.
    let out = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()
        .filter(|out| out.status.success())?;
    let listing = String::from_utf8(out.stdout).ok()?;
    Some(
        listing
            .split('\0')
            .filter(|p| !p.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn walk(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(&dir).expect("a listed directory can be read") {
            let path = entry.expect("a directory entry can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !SKIPPED_DIRS.contains(&name.as_ref()) {
                    pending.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root) {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found
}

/// All tracked files that are text.
pub(crate) fn text_files() -> Vec<TextFile> {
    let root = root();
    tracked_paths()
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(root.join(&path)).ok()?;
            (!text.contains('\0')).then_some(TextFile { path, text })
        })
        .collect()
}

/// All tracked Rust sources.
pub(crate) fn rust_files() -> Vec<TextFile> {
    let files: Vec<_> = text_files()
        .into_iter()
        .filter(|f| f.has_extension("rs"))
        .collect();
    assert!(
        files.len() > 10,
        "found {} Rust files: the listing is broken",
        files.len()
    );
    files
}

/// The workspace as cargo sees it, without resolving outside crates.
pub(crate) fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .expect("`cargo metadata --no-deps` answers in a valid workspace")
}

/// Fails with all findings at once, under one sentence that says what the rule wants.
pub(crate) fn report(rule: &str, findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{rule}\n\n{} to mend:\n  {}\n",
        findings.len(),
        findings.join("\n  ")
    );
}
