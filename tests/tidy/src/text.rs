//! What must not be left behind in a tracked file: unfinished work, overlong lines, traces of the
//! machine it was written on.

use proc_macro2::{TokenStream, TokenTree};

use crate::tree::{self, TextFile};

/// Columns a line of code may have.
const WIDTH_MAX: usize = 100;
/// Columns a line may have when it is a string that makes it long: a message that people search
/// for stays in one piece.
const WIDTH_WITH_STRING_MAX: usize = 140;

/// The words are written in two halves, so that this file does not find itself.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ign", "ore"),
];

/// Absolute places that exist on one builder's machine only, and names of private package mirrors.
const LOCAL_PLACES: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("/tmp/hel", "per"),
    concat!("arti", "factory"),
    concat!("crates.io:", "443"),
];

fn is_code(file: &TextFile) -> bool {
    ["rs", "toml", "sh", "py", "go"]
        .iter()
        .any(|e| file.has_extension(e))
        || file.name() == "Makefile"
        || file.path.starts_with(".ci/")
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `needle` stands in `line` without a word character glued to its front or back.
fn has_word(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + needle.len()..].chars().next();
        let glued_behind =
            needle.ends_with(is_word_character) && after.is_some_and(is_word_character);
        !before.is_some_and(is_word_character) && !glued_behind
    })
}

#[test]
fn no_unfinished_work_is_left_in_the_code() {
    let mut findings = Vec::new();
    for file in tree::text_files().iter().filter(|f| is_code(f)) {
        for (number, line) in file.text.lines().enumerate() {
            for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
                findings.push(format!("{}:{}: {word}", file.path, number + 1));
            }
        }
    }
    tree::report(
        "What is landed works: do it, cut it, or open an issue and leave the code without it. A \
         test that cannot run says so and fails.",
        &findings,
    );
}

/// How wide a line may be, by what stands on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Width {
    Code,
    WithString,
    /// A raw string cannot be broken without changing it.
    InRawString,
}

/// The width that each line of a Rust source may have.
fn widths(text: &str) -> Vec<Width> {
    let lines: Vec<&str> = text.lines().collect();
    let mut widths = vec![Width::Code; lines.len()];
    let tokens: TokenStream = text.parse().unwrap_or_default();
    let mut streams = vec![tokens];
    while let Some(stream) = streams.pop() {
        for token in stream {
            match token {
                TokenTree::Group(group) => streams.push(group.stream()),
                TokenTree::Literal(literal) => {
                    let (start, end) = (literal.span().start(), literal.span().end());
                    let first = lines[start.line - 1].chars().skip(start.column);
                    let width = match first.take(2).collect::<String>().as_str() {
                        // A doc comment is a literal to the compiler, and prose to a reader.
                        "//" | "/*" => Width::Code,
                        "r#" | "br" | "r\"" => Width::InRawString,
                        _ if literal.to_string().contains('"') => Width::WithString,
                        _ => Width::Code,
                    };
                    for line in &mut widths[start.line - 1..end.line] {
                        *line = width.max(*line);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
    widths
}

#[test]
fn lines_fit_in_a_hundred_columns() {
    let mut findings = Vec::new();
    for file in tree::text_files() {
        let is_rust = file.has_extension("rs");
        if !(is_rust || file.has_extension("sh") || file.name() == "Makefile") {
            continue;
        }
        let widths = if is_rust {
            widths(&file.text)
        } else {
            Vec::new()
        };
        for (number, line) in file.text.lines().enumerate() {
            let limit = match widths.get(number) {
                Some(Width::InRawString) => continue,
                Some(Width::WithString) => WIDTH_WITH_STRING_MAX,
                Some(Width::Code) | None => WIDTH_MAX,
            };
            let width = line.chars().count();
            // An address that is longer than a line cannot be broken.
            let unbreakable = line.split_whitespace().any(|word| word.contains("://"));
            if width > limit && !unbreakable {
                findings.push(format!("{}:{}: {width} columns", file.path, number + 1));
            }
        }
    }
    tree::report(
        "Lines have at most 100 columns, with a string in them 140; break a longer string with \
         `\\` at the line's end.",
        &findings,
    );
}

#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let mut findings = Vec::new();
    for file in tree::text_files() {
        for (number, line) in file.text.lines().enumerate() {
            for place in LOCAL_PLACES.iter().filter(|place| names_place(line, place)) {
                findings.push(format!("{}:{}: {place}", file.path, number + 1));
            }
        }
    }
    tree::report(
        "A fresh clone on another machine has none of these: use paths relative to the checkout \
         and the public registries. (A request path in a test may simply be called otherwise.)",
        &findings,
    );
}

/// An absolute path starts where no path and no name is under way.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !place.starts_with('/')
            || !before.is_some_and(|c| is_word_character(c) || ".-/}".contains(c))
    })
}

#[test]
fn files_end_with_one_newline_and_have_no_trailing_blanks() {
    let mut findings = Vec::new();
    for file in tree::text_files()
        .iter()
        .filter(|f| is_code(f) || f.has_extension("md"))
    {
        if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
            findings.push(format!(
                "{}: end the file with exactly one newline",
                file.path
            ));
        }
        let blanks = file
            .text
            .lines()
            .position(|line| line.ends_with([' ', '\t']));
        if let Some(number) = blanks {
            findings.push(format!(
                "{}:{}: blanks at the line's end",
                file.path,
                number + 1
            ));
        }
    }
    tree::report(
        "Files end with one newline; lines end with their last word.",
        &findings,
    );
}

#[test]
fn strings_may_widen_a_line_and_comments_may_not() {
    let text = "/// A doc.\nfn a() {\n    b(\"x\\\n      y\", 1);\n    c(r#\"z\"#);\n}\n";
    use Width::{Code, InRawString, WithString};
    assert_eq!(
        widths(text),
        [Code, Code, WithString, WithString, InRawString, Code]
    );
}

#[test]
fn words_are_found_whole_and_paths_from_their_start() {
    assert!(has_word("// XYZ later", "XYZ"));
    assert!(!has_word("let AXYZB = 1;", "XYZ"));
    assert!(has_word("abc!(1)", "abc!"));
    assert!(names_place("see /srv/x", "/srv/"));
    assert!(!names_place("https://host/srv/x", "/srv/"));
}
