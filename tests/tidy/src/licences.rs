//! Every crate that is built in has a licence from the list in `deny.toml`.
//!
//! cargo-deny reads the same list and more (`make deny`); this rule needs nothing installed.

use std::collections::BTreeSet;
use std::fs;

use cargo_metadata::MetadataCommand;
use serde::Deserialize;

use crate::tree;

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

/// Whether an SPDX expression can be satisfied with the allowed licences alone.
///
/// `OR` binds weaker than `AND`; a slash is the old way to write `OR`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any_of(&words, &mut at, allowed) && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= all_of(words, at, allowed);
    }
    verdict
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut verdict = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at, allowed);
    }
    verdict
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if *word == "(" {
        let verdict = any_of(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return verdict && closed;
    }
    let mut licence = (*word).to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{licence} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&licence)
}

#[test]
fn every_crate_has_an_allowed_licence() {
    let root = tree::root();
    let text = fs::read_to_string(root.join("deny.toml")).expect("deny.toml is tracked");
    let deny: Deny = toml::from_str(&text).expect("deny.toml has a list of licences");
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = MetadataCommand::new()
        .current_dir(&root)
        .other_options(["--locked", "--filter-platform", &platform].map(str::to_owned))
        .exec()
        .expect("`cargo metadata` resolves what is locked");
    let built: BTreeSet<_> = metadata
        .resolve
        .expect("metadata with dependencies has a resolution")
        .nodes
        .into_iter()
        .map(|node| node.id)
        .collect();
    let findings: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| built.contains(&package.id))
        .filter(|package| {
            !package
                .license
                .as_deref()
                .is_some_and(|l| is_allowed(l, &deny.licenses.allow))
        })
        .map(|package| {
            format!(
                "{} {}: {:?}",
                package.name, package.version, package.license
            )
        })
        .collect();
    tree::report(
        "Outside crates are under a licence of deny.toml; choose another crate, or add the \
         licence there after reading it.",
        &findings,
    );
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    let allowed: BTreeSet<String> = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]
        .map(str::to_owned)
        .into();
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(GPL-3.0 OR MIT) AND ISC",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    assert!(is_allowed(
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        &allowed
    ));
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "MIT ISC",
        "(MIT",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}
