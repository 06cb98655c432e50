//! Files and functions stay small enough to be read at once.
//!
//! Lines of code are counted: no blank lines, no comments, no inline test modules. What is over a
//! limit stands in `tests/tidy/ratchet.toml` with its number and a reason; the number may fall,
//! never rise, and it has to follow when the code shrinks.

use std::collections::BTreeMap;

use serde::Deserialize;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::tree::{self, TextFile};

/// Lines of code a file may have. Aim for half of it.
const FILE_LINES_MAX: usize = 500;
/// Lines of code a function may have, its braces not counted.
const FUNCTION_LINES_MAX: usize = 70;

const RATCHET: &str = "tests/tidy/ratchet.toml";

/// The committed list of what is over a limit today.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Ratchet {
    /// Files over their limit.
    #[serde(default)]
    file: Vec<Entry>,
    /// Functions over their limit; `path` is `file.rs::function`.
    #[serde(default)]
    function: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    lines: usize,
    reason: String,
}

fn ratchet() -> Ratchet {
    let text = std::fs::read_to_string(tree::root().join(RATCHET)).expect("the ratchet exists");
    toml::from_str(&text).unwrap_or_else(|e| panic!("{RATCHET} cannot be read: {e}"))
}

/// Marks each line of a file that holds code.
fn code_lines(text: &str) -> Vec<bool> {
    let mut in_block_comment = false;
    text.lines()
        .map(|line| {
            let line = line.trim();
            if in_block_comment {
                in_block_comment = !line.contains("*/");
                return false;
            }
            if line.starts_with("/*") {
                in_block_comment = !line.contains("*/");
                return false;
            }
            !line.is_empty() && !line.starts_with("//")
        })
        .collect()
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

/// Walks one file and notes inline test modules and the size of each function.
struct Measure<'a> {
    code: &'a [bool],
    test_lines: usize,
    functions: BTreeMap<String, usize>,
}

impl Measure<'_> {
    /// Lines of code from the line after `first` up to the line before `last` (both count from 1).
    fn between(&self, first: usize, last: usize) -> usize {
        let end = last.saturating_sub(1).max(first);
        self.code
            .get(first..end)
            .unwrap_or_default()
            .iter()
            .filter(|&&code| code)
            .count()
    }

    fn function(&mut self, name: &syn::Ident, block: &syn::Block) {
        let span = block.span();
        let lines = self.between(span.start().line, span.end().line);
        let longest = self.functions.entry(name.to_string()).or_default();
        *longest = lines.max(*longest);
    }
}

impl<'ast> Visit<'ast> for Measure<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && is_test_only(&item.attrs) {
            let span = item.span();
            self.test_lines += self.between(span.start().line - 1, span.end().line + 1);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// Lines of code of a file without its inline tests, and of its functions by `path::name`.
fn measure(file: &TextFile) -> (usize, BTreeMap<String, usize>) {
    let syntax = syn::parse_file(&file.text)
        .unwrap_or_else(|e| panic!("{} cannot be parsed: {e}", file.path));
    let code = code_lines(&file.text);
    let mut measure = Measure {
        code: &code,
        test_lines: 0,
        functions: BTreeMap::new(),
    };
    measure.visit_file(&syntax);
    let all = code.iter().filter(|&&code| code).count();
    let functions = measure
        .functions
        .iter()
        .map(|(name, &n)| (format!("{}::{name}", file.path), n))
        .collect();
    (all - measure.test_lines, functions)
}

/// Compares what is there with the limit and with the ratchet's entries.
fn compare(sizes: &BTreeMap<String, usize>, entries: &[Entry], limit: usize) -> Vec<String> {
    let mut findings = Vec::new();
    let listed: BTreeMap<&str, &Entry> = entries.iter().map(|e| (e.path.as_str(), e)).collect();
    for (path, &lines) in sizes
        .iter()
        .filter(|&(path, &n)| n > limit && !listed.contains_key(&**path))
    {
        findings.push(format!(
            "{path}: {lines} lines of code, limit {limit}: split it by kind"
        ));
    }
    for entry in entries {
        let path = &entry.path;
        if entry.reason.trim().is_empty() {
            findings.push(format!("{path}: its entry in {RATCHET} has no reason"));
        }
        match sizes.get(path) {
            None => findings.push(format!("{path} is gone: remove its entry from {RATCHET}")),
            Some(&n) if n <= limit => {
                findings.push(format!(
                    "{path} is at {n}, within {limit}: remove its entry"
                ));
            }
            Some(&n) if n < entry.lines => {
                findings.push(format!(
                    "{path} has shrunk: write `lines = {n}` in {RATCHET}"
                ));
            }
            Some(&n) if n > entry.lines => findings.push(format!(
                "{path} has grown from {} to {n}: the ratchet only goes down, split it",
                entry.lines
            )),
            Some(_) => {}
        }
    }
    findings
}

#[test]
fn files_are_short() {
    let sizes = tree::rust_files()
        .iter()
        .map(|f| (f.path.clone(), measure(f).0))
        .collect();
    tree::report(
        "A file holds one kind of thing: aim at 250 lines of code, at most 500 without its inline \
         tests (long tests go to a sibling `tests.rs`).",
        &compare(&sizes, &ratchet().file, FILE_LINES_MAX),
    );
}

#[test]
fn functions_fit_on_a_screen() {
    let sizes = tree::rust_files()
        .iter()
        .flat_map(|f| measure(f).1)
        .collect();
    tree::report(
        "A function has at most 70 lines of code: name its steps and make each one a call.",
        &compare(&sizes, &ratchet().function, FUNCTION_LINES_MAX),
    );
}

#[test]
fn tests_and_comments_do_not_count_and_bodies_do() {
    let text = "//! Doc.\n\n/* a\nb */\nfn long() {\n    one();\n    // why\n    two();\n}\n\n\
                #[cfg(test)]\nmod tests {\n    fn inner() {\n        three();\n    }\n}\n";
    let (lines, functions) = measure(&TextFile {
        path: "a.rs".into(),
        text: text.into(),
    });
    assert_eq!(lines, 4);
    assert_eq!(functions["a.rs::long"], 2);
    assert_eq!(functions["a.rs::inner"], 1);
}

#[test]
fn the_ratchet_only_goes_down() {
    let entry = |lines| Entry {
        path: "a.rs".into(),
        lines,
        reason: "a table".into(),
    };
    let finding = |now: usize, entries: &[Entry]| {
        compare(&BTreeMap::from([("a.rs".to_owned(), now)]), entries, 10).join(";")
    };
    assert!(finding(12, &[]).contains("limit 10"));
    assert_eq!(finding(12, &[entry(12)]), "");
    assert!(finding(13, &[entry(12)]).contains("has grown from 12 to 13"));
    assert!(finding(11, &[entry(12)]).contains("write `lines = 11`"));
    assert!(finding(9, &[entry(12)]).contains("remove its entry"));
    assert!(
        compare(&BTreeMap::new(), &[entry(12)], 10)
            .join(";")
            .contains("is gone")
    );
}
