//! Documents name only what exists: paths, modules and symbols, `make` targets, crates.
//!
//! Only code spans and links are read; what stands in a fenced block is an example.

use std::collections::BTreeSet;
use std::fs;

use crate::tree::{self, TextFile};

/// Endings by which a code span is known to be a file's name.
const FILE_ENDINGS: &[&str] = &[".rs", ".md", ".toml", ".sh", ".yml"];

/// Outside crates whose symbols documents may mention.
const OUTSIDE: &[&str] = &["std", "core", "alloc", "tokio", "clippy", "rustdoc"];

fn documents() -> Vec<TextFile> {
    let documents: Vec<_> = tree::text_files()
        .into_iter()
        .filter(|f| f.has_extension("md") && (f.path.starts_with("docs/") || !f.path.contains('/')))
        .collect();
    assert!(
        !documents.is_empty(),
        "no documents found: the listing is broken"
    );
    documents
}

/// The text without its fenced blocks.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Everything between single backticks on one line.
fn code_spans(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    for line in prose(text).lines() {
        spans.extend(
            line.split('`')
                .skip(1)
                .step_by(2)
                .map(|s| s.trim().to_owned()),
        );
    }
    spans
}

/// Targets of `[text](target)` links that point into the repository.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(str::to_owned)
        .collect()
}

/// What the tree offers to be named.
struct Known {
    paths: BTreeSet<String>,
    /// Every folder, without a trailing slash.
    folders: BTreeSet<String>,
    /// First parts of all paths.
    top: BTreeSet<String>,
}

impl Known {
    fn of(paths: Vec<String>) -> Self {
        let mut folders = BTreeSet::new();
        let mut top = BTreeSet::new();
        for path in &paths {
            top.extend(path.split('/').next().map(str::to_owned));
            folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        Self {
            paths: paths.into_iter().collect(),
            folders,
            top,
        }
    }

    fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.paths.contains(path) || self.folders.contains(path)
    }

    /// Whether a code span claims to be a path of this repository.
    fn is_claim(&self, span: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if span.is_empty() || !span.chars().all(plain) || span.starts_with('/') {
            return false;
        }
        let names_a_file = FILE_ENDINGS
            .iter()
            .any(|e| span.ends_with(e) && span.len() > e.len());
        let starts_here = span
            .split('/')
            .next()
            .is_some_and(|first| self.top.contains(first));
        names_a_file || (span.contains('/') && starts_here)
    }

    /// Whether a claim holds: from the root, from the document's folder, or for a bare file name
    /// or a path inside a crate, as the end of some path.
    fn holds(&self, claim: &str, document: &str) -> bool {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        let ending = format!("/{}", claim.trim_end_matches('/'));
        self.has(claim)
            || self.has(&resolve(folder, claim))
            || self.paths.iter().any(|path| path.ends_with(&ending))
    }
}

/// `folder/claim` with its `.` and `..` taken out.
fn resolve(folder: &str, claim: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in claim.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[test]
fn documents_name_only_paths_that_exist() {
    let known = Known::of(tree::tracked_paths());
    let mut findings = Vec::new();
    for document in documents() {
        for span in code_spans(&document.text)
            .iter()
            .filter(|span| known.is_claim(span))
        {
            if !known.holds(span, &document.path) {
                findings.push(format!("{}: `{span}`", document.path));
            }
        }
        for link in links(&document.text) {
            let folder = document
                .path
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            if !known.has(&resolve(folder, &link)) {
                findings.push(format!("{}: link to {link}", document.path));
            }
        }
    }
    tree::report(
        "A document names what is there; follow the move or drop the name.",
        &findings,
    );
}

#[test]
fn documents_name_only_symbols_that_exist() {
    let words: BTreeSet<String> = tree::rust_files()
        .iter()
        .flat_map(|f| f.text.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .map(str::to_owned)
        .collect();
    let mut findings = Vec::new();
    for document in documents() {
        for span in code_spans(&document.text) {
            let path = span.trim_end_matches("()");
            let is_word =
                |p: &str| !p.is_empty() && p.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let parts: Vec<&str> = path.split("::").collect();
            let is_symbol = parts.len() > 1 && parts.iter().all(|p| is_word(p));
            if !is_symbol || OUTSIDE.contains(&parts[0]) {
                continue;
            }
            if let Some(missing) = parts.iter().find(|part| !words.contains(**part)) {
                findings.push(format!(
                    "{}: `{span}` ({missing} is nowhere)",
                    document.path
                ));
            }
        }
    }
    tree::report("A document names symbols that are in the code.", &findings);
}

#[test]
fn documents_name_only_make_targets_that_exist() {
    let makefile = fs::read_to_string(tree::root().join("Makefile")).expect("the Makefile exists");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']) && !line.contains(":="))
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(names, _)| names.split_whitespace())
        .collect();
    let mut findings = Vec::new();
    for document in documents() {
        for span in code_spans(&document.text) {
            let Some(rest) = span.strip_prefix("make ") else {
                continue;
            };
            let words = rest.split_whitespace().filter(|w| !w.contains('='));
            for target in words.filter(|t| !targets.contains(t)) {
                findings.push(format!("{}: `make {target}`", document.path));
            }
        }
    }
    tree::report(
        "A document names targets that `make help` lists.",
        &findings,
    );
}

#[test]
fn the_code_map_lists_every_crate() {
    let root = tree::root();
    let map = fs::read_to_string(root.join("docs/architecture.md")).expect("the code map exists");
    let spans: BTreeSet<String> = code_spans(&map)
        .into_iter()
        .map(|s| s.trim_end_matches('/').to_owned())
        .collect();
    let mut findings = Vec::new();
    for package in &tree::metadata().packages {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        let folder = folder
            .strip_prefix(&root)
            .expect("a member lies in the checkout");
        if !spans.contains(folder.as_str()) {
            findings.push(format!("`{folder}` ({})", package.name));
        }
    }
    tree::report(
        "docs/architecture.md has a line in its code map for every crate.",
        &findings,
    );
}

#[test]
fn the_index_lists_every_decision() {
    let root = tree::root();
    let index = fs::read_to_string(root.join("docs/adr/README.md")).expect("the index exists");
    let listed: BTreeSet<String> = links(&index).into_iter().collect();
    let missing: Vec<String> = tree::tracked_paths()
        .into_iter()
        .filter_map(|path| path.strip_prefix("docs/adr/").map(str::to_owned))
        .filter(|name| name != "README.md" && !listed.contains(name))
        .collect();
    tree::report(
        "docs/adr/README.md links to every decision record.",
        &missing,
    );
}

#[test]
fn every_decision_has_its_five_parts() {
    let mut findings = Vec::new();
    let is_record = |path: &str| path.starts_with("docs/adr/") && !path.ends_with("README.md");
    for record in documents().iter().filter(|d| is_record(&d.path)) {
        let parts = [
            "**Status**",
            "## Context",
            "## Decision",
            "## Consequences",
            "## Alternatives",
        ];
        for part in parts.iter().filter(|part| !record.text.contains(**part)) {
            findings.push(format!("{}: no {part}", record.path));
        }
    }
    tree::report(
        "A decision record says its status, context, decision, consequences and alternatives.",
        &findings,
    );
}

#[test]
fn cited_invariants_are_in_the_architecture() {
    let root = tree::root();
    let map = fs::read_to_string(root.join("docs/architecture.md")).expect("the code map exists");
    let stated: BTreeSet<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("- **I")?.split_once("**"))
        .map(|(number, _)| number)
        .collect();
    assert!(
        stated.len() > 5,
        "the invariants of docs/architecture.md are not found"
    );
    let mut findings = Vec::new();
    for file in tree::text_files() {
        for rest in file.text.split("invariant I").skip(1) {
            let number = rest
                .split(|c: char| !c.is_ascii_digit())
                .next()
                .unwrap_or("");
            if !number.is_empty() && !stated.contains(number) {
                findings.push(format!("{}: invariant I{number}", file.path));
            }
        }
    }
    tree::report(
        "Who cites an invariant cites one that docs/architecture.md states.",
        &findings,
    );
}

#[test]
fn spans_links_and_claims_are_read_right() {
    let text = "see `a/b.rs` and [c](../c.md#x)\n```\n`gone/d.rs`\n```\n`make x`";
    assert_eq!(code_spans(text), ["a/b.rs", "make x"]);
    assert_eq!(links(text), ["../c.md"]);
    assert_eq!(resolve("docs/adr", "../c.md"), "docs/c.md");
    let known = Known::of(vec!["a/src/b.rs".into(), "docs/c.md".into()]);
    assert!(known.is_claim("a/nope") && !known.is_claim("x/nope") && known.is_claim("q.rs"));
    assert!(!known.is_claim("/a/b") && !known.is_claim("a/{x}") && !known.is_claim(".rs"));
    assert!(known.holds("src/b.rs", "docs/c.md") && known.holds("a/", "docs/c.md"));
    assert!(known.holds("c.md", "docs/x.md") && !known.holds("d.md", "docs/x.md"));
}
