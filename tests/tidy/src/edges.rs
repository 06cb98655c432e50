//! Who may depend on whom, for RAUTA's own crates and for the outside crates that have an owner.
//!
//! The tables here are the drawing of `docs/architecture.md` in another form. A change that adds
//! an edge changes a table, so that a reviewer sees it.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Package};

use crate::tree;

/// Each product crate and the RAUTA crates that it may name. `rauta` may name all of them.
const MAY_NAME: &[(&str, &[&str])] = &[
    (
        "rauta-proxy",
        &[
            "rauta-core",
            "rauta-routing",
            "rauta-http1",
            "rauta-schemas",
        ],
    ),
    (
        "rauta-gateway-api",
        &["rauta-core", "rauta-routing", "rauta-schemas"],
    ),
    (
        "rauta-observer",
        &[
            "rauta-core",
            "rauta-http1",
            "rauta-schemas",
            "rauta-bpf-abi",
        ],
    ),
    ("rauta-processors", &["rauta-core", "rauta-schemas"]),
    ("rauta-sinks", &["rauta-core", "rauta-schemas"]),
    ("rauta-core", &["rauta-schemas"]),
    ("rauta-schemas", &[]),
    // Ids and names only: the snapshot carries those under which events name its parts. See
    // `routing_takes_only_ids_and_names_from_the_schemas`.
    ("rauta-routing", &["rauta-schemas"]),
    ("rauta-http1", &[]),
    ("rauta-bpf", &["rauta-bpf-abi"]),
    ("rauta-bpf-abi", &[]),
];

/// The five middle crates: they meet in `rauta/src/app.rs` and nowhere else.
const MIDDLE: &[&str] = &[
    "rauta-proxy",
    "rauta-gateway-api",
    "rauta-observer",
    "rauta-processors",
    "rauta-sinks",
];

/// The composition root.
const ROOT_CRATE: &str = "rauta";

/// The one test crate that product crates may use, and only for their own tests.
const TEST_SUPPORT: &str = "rauta-test-support";

/// Outside crates that have an owner. A trailing `*` stands for any ending.
const OWNERS: &[(&str, &[&str])] = &[
    ("anyhow", &["rauta"]),
    ("async-nats", &["rauta-sinks"]),
    ("aya", &["rauta-observer"]),
    ("aya-*", &["rauta-observer", "rauta-bpf", "rauta-bpf-abi"]),
    ("clap", &["rauta"]),
    ("clap_*", &["rauta"]),
    ("gateway-api", &["rauta-gateway-api"]),
    ("h2", &["rauta-proxy"]),
    ("httparse", &["rauta-http1"]),
    ("hyper", &["rauta-proxy", "rauta", "rauta-sinks"]),
    ("hyper-*", &["rauta-proxy", "rauta", "rauta-sinks"]),
    ("k8s-openapi", &["rauta-gateway-api"]),
    ("kube", &["rauta-gateway-api"]),
    ("kube-*", &["rauta-gateway-api"]),
    ("opentelemetry*", &["rauta-sinks"]),
    ("prost", &["rauta-sinks"]),
    // The manifest reader states whether an expression is valid before routing compiles it.
    ("regex", &["rauta-routing", "rauta-gateway-api"]),
    ("regex-automata", &["rauta-routing"]),
    ("rtrb", &["rauta-core"]),
    ("rustls", &["rauta-proxy", "rauta-sinks"]),
    ("rustls-native-certs", &["rauta-proxy", "rauta-sinks"]),
    ("rustls-webpki", &["rauta-proxy"]),
    ("tokio-rustls", &["rauta-proxy", "rauta-sinks"]),
    ("tonic", &["rauta-sinks"]),
    ("tonic-*", &["rauta-sinks"]),
];

/// Crates without a clock, a socket or a runtime, and what would give them one.
const PURE: &[&str] = &[
    "rauta-schemas",
    "rauta-routing",
    "rauta-http1",
    "rauta-bpf-abi",
];
const IMPURE_CRATES: &[&str] = &[
    "tokio*", "mio", "socket2", "rustix", "libc", "notify", "kube*", "hyper*", "futures*",
];

/// How `Cargo.lock` writes the public registry.
const PUBLIC_REGISTRY: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// Crates under `tests/` may name everything.
fn is_test_crate(package: &Package) -> bool {
    package
        .manifest_path
        .starts_with(tree::root().join("tests"))
}

fn may_name(package: &str) -> Option<&'static [&'static str]> {
    MAY_NAME
        .iter()
        .find(|(name, _)| *name == package)
        .map(|(_, allowed)| *allowed)
}

fn is_inner(dependency: &cargo_metadata::Dependency) -> bool {
    dependency.path.is_some()
}

#[test]
fn product_crates_name_only_the_rooms_below_them() {
    let mut findings = Vec::new();
    for package in &tree::metadata().packages {
        let name = package.name.as_str();
        if name == ROOT_CRATE || is_test_crate(package) {
            continue;
        }
        let Some(allowed) = may_name(name) else {
            findings.push(format!(
                "{name} has no row in MAY_NAME: decide its room first"
            ));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| is_inner(d)) {
            let for_tests =
                dependency.kind == DependencyKind::Development && dependency.name == TEST_SUPPORT;
            if !for_tests && !allowed.contains(&dependency.name.as_str()) {
                findings.push(format!(
                    "{name} names {}, may name {allowed:?}",
                    dependency.name
                ));
            }
        }
    }
    tree::report(
        "A product crate names only the crates below it (docs/architecture.md). Move the code to \
         the room that owns it, hand it over in rauta/src/app.rs, or write an ADR and change \
         MAY_NAME in tests/tidy/src/edges.rs.",
        &findings,
    );
}

#[test]
fn nothing_in_the_product_depends_on_a_test_crate_outside_its_tests() {
    let metadata = tree::metadata();
    let test_crates: BTreeSet<&str> = metadata
        .packages
        .iter()
        .filter(|p| is_test_crate(p))
        .map(|p| p.name.as_str())
        .collect();
    assert!(
        test_crates.contains(TEST_SUPPORT),
        "{TEST_SUPPORT} is gone: rename it here too"
    );
    let mut findings = Vec::new();
    for package in metadata.packages.iter().filter(|p| !is_test_crate(p)) {
        for dependency in &package.dependencies {
            let allowed =
                dependency.kind == DependencyKind::Development && dependency.name == TEST_SUPPORT;
            if test_crates.contains(dependency.name.as_str()) && !allowed {
                findings.push(format!("{} names {}", package.name, dependency.name));
            }
        }
    }
    tree::report(
        "Test crates stay out of the product; only rauta-test-support may be a dev-dependency.",
        &findings,
    );
}

#[test]
fn the_table_keeps_the_middle_crates_apart() {
    for middle in MIDDLE {
        let allowed = may_name(middle).expect("every middle crate has a row");
        for other in MIDDLE {
            assert!(
                !allowed.contains(other),
                "{middle} may name {other}: the middle crates meet in rauta/src/app.rs only"
            );
        }
    }
}

#[test]
fn outside_crates_stay_with_their_owners() {
    let mut findings = Vec::new();
    for package in tree::metadata()
        .packages
        .iter()
        .filter(|p| !is_test_crate(p))
    {
        for dependency in package.dependencies.iter().filter(|d| !is_inner(d)) {
            // A client or a parser of a product crate's own tests proves nothing about its edges.
            if dependency.kind == DependencyKind::Development {
                continue;
            }
            let owned = OWNERS
                .iter()
                .filter(|(crates, _)| matches(crates, &dependency.name));
            for (_, owners) in owned {
                if !owners.contains(&package.name.as_str()) {
                    findings.push(format!(
                        "{} names {}, which belongs to {owners:?}",
                        package.name, dependency.name
                    ));
                }
            }
        }
    }
    tree::report(
        "An outside crate with an owner is named by its owner only, so that replacing it touches \
         one room. Ask the owner's crate for what you need (OWNERS in tests/tidy/src/edges.rs).",
        &findings,
    );
}

#[test]
fn pure_crates_have_no_runtime_and_no_io() {
    let mut findings = Vec::new();
    for package in &tree::metadata().packages {
        if !PURE.contains(&package.name.as_str()) {
            continue;
        }
        for dependency in &package.dependencies {
            let impure = IMPURE_CRATES.iter().any(|p| matches(p, &dependency.name));
            if impure && dependency.kind != DependencyKind::Development {
                findings.push(format!("{} names {}", package.name, dependency.name));
            }
        }
    }
    tree::report(
        "Pure crates take bytes and values, never a socket, a task or a clock: pass what they \
         need as an argument.",
        &findings,
    );
}

/// The words after each `krate::` in a text, with the lists in braces opened.
fn imported_from<'a>(text: &'a str, krate: &str) -> Vec<&'a str> {
    let mut items = Vec::new();
    for rest in text.split(&format!("{krate}::")).skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or(list),
            None => rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or(rest),
        };
        items.extend(
            list.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty()),
        );
    }
    items
}

#[test]
fn routing_takes_only_ids_and_names_from_the_schemas() {
    let mut findings = Vec::new();
    let sources = tree::rust_files();
    for file in sources
        .iter()
        .filter(|f| f.path.starts_with("proxy/routing/src/"))
    {
        for item in imported_from(&file.text, "rauta_schemas") {
            let is_name = item.ends_with("Name") || ["Named", "Names", "RouteKind"].contains(&item);
            if !is_name && !item.ends_with("Id") && item != "Interner" {
                findings.push(format!("{}: {item}", file.path));
            }
        }
    }
    tree::report(
        "The routing crate shares the ids and names of events and nothing else of them \
         (docs/adr/0001-crate-cut.md).",
        &findings,
    );
}

#[test]
fn imports_are_read_with_and_without_braces() {
    let text = "use a_b::{C,\n    D};\nlet x = a_b::e(1);";
    assert_eq!(imported_from(text, "a_b"), ["C", "D", "e"]);
}

#[test]
fn every_outside_crate_comes_from_the_registry() {
    let root = tree::root();
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).expect("Cargo.lock is committed");
    let foreign: Vec<String> = lock
        .lines()
        .filter(|line| line.starts_with("source = "))
        .filter(|line| *line != PUBLIC_REGISTRY)
        .map(str::to_owned)
        .collect();
    tree::report(
        "Crates come from crates.io; no git sources, no private registries.",
        &foreign,
    );
}
