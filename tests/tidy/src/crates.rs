//! Promises that every crate keeps: no unsafe code, shared lints, a word on what each module is
//! for.

use std::fs;

use cargo_metadata::TargetKind;

use crate::tree;

/// The only crates that may hold unsafe code: they load, and they are, kernel programs.
const UNSAFE_ALLOWED: &[&str] = &["rauta-observer", "rauta-bpf", "rauta-bpf-abi"];

#[test]
fn unsafe_code_is_forbidden_everywhere_else() {
    let mut findings = Vec::new();
    for package in &tree::metadata().packages {
        if UNSAFE_ALLOWED.contains(&package.name.as_str()) {
            continue;
        }
        for target in &package.targets {
            let product = target
                .kind
                .iter()
                .any(|k| matches!(k, TargetKind::Lib | TargetKind::Bin | TargetKind::ProcMacro));
            let text = fs::read_to_string(&target.src_path).expect("a target's source exists");
            if product && !text.contains("#![forbid(unsafe_code)]") {
                findings.push(target.src_path.to_string());
            }
        }
    }
    tree::report(
        "Each crate's root file says `#![forbid(unsafe_code)]`.",
        &findings,
    );
}

#[test]
fn every_crate_takes_the_workspace_lints_and_version() {
    let mut findings = Vec::new();
    for package in &tree::metadata().packages {
        let text = fs::read_to_string(&package.manifest_path).expect("a manifest exists");
        let manifest: toml::Table = text.parse().expect("cargo has read this manifest before");
        let lints = manifest.get("lints").and_then(|l| l.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            findings.push(format!(
                "{}: add `[lints]` with `workspace = true`",
                package.name
            ));
        }
        for field in ["version", "edition", "license"] {
            let shared = manifest.get("package").and_then(|p| p.get(field));
            if shared.and_then(|v| v.get("workspace")).is_none() {
                findings.push(format!(
                    "{}: write `{field}.workspace = true`",
                    package.name
                ));
            }
        }
        if package.description.as_deref().unwrap_or("").is_empty() {
            findings.push(format!("{}: give it a one-line description", package.name));
        }
    }
    tree::report(
        "Lints, version, edition and licence are stated once, in the root.",
        &findings,
    );
}

#[test]
fn outside_crates_are_versioned_once_in_the_root() {
    let mut findings = Vec::new();
    for package in &tree::metadata().packages {
        let text = fs::read_to_string(&package.manifest_path).expect("a manifest exists");
        let manifest: toml::Table = text.parse().expect("cargo has read this manifest before");
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(dependencies)) = manifest.get(section) else {
                continue;
            };
            for (name, value) in dependencies {
                if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                    findings.push(format!("{}: {name}", package.name));
                }
            }
        }
    }
    tree::report(
        "Dependencies are `{ workspace = true }`; versions stand in the root Cargo.toml, where one \
         sentence in the commit message says why a new one is needed.",
        &findings,
    );
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut findings = Vec::new();
    for file in tree::rust_files() {
        let first = file
            .text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("");
        if !first.starts_with("//! ") {
            findings.push(file.path);
        }
    }
    tree::report(
        "A module starts with `//!`: what it is for and what it leaves to others.",
        &findings,
    );
}
