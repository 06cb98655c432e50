//! What was reached before must be reached again: the part of the corpus that tests play is
//! compared with `reached.txt`, and the table in `docs/detection.md` is read back.

use crate::corpus;
use crate::table::{GOAL, QUICK_GOAL, QUICK_ROW_GOAL, ROW_GOAL, Row};
use std::path::PathBuf;

const FILE: &str = "tests/harness/reached.txt";
const DOCUMENT: &str = "../docs/detection.md";
/// By how much a delay may grow unnoticed, milliseconds: one tick.
const DELAY_SLACK_MS: u64 = 100;

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Misses, false alarms, wrong blames and the longest delay, per shape.
fn figures(row: &Row) -> [u64; 4] {
    let score = &row.labelled;
    [
        score.missed.len() as u64,
        score.false_alarms.len() as u64,
        score.misblamed.len() as u64,
        score.delay_ms(1.0),
    ]
}

/// Compares rows with what was reached before; with `RAUTA_REGENERATE` they are what is reached.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever regenerates says so in the environment"
)]
pub(crate) fn check(rows: &[Row]) {
    let path = path(FILE);
    if std::env::var_os("RAUTA_REGENERATE").is_some() {
        let mut text = "# shape; missed, false, blamed wrongly, longest delay in ms\n".to_owned();
        for row in rows {
            let [missed, wrong, misblamed, delay_ms] = figures(row);
            let name = row.name;
            text.push_str(&format!(
                "{name}; {missed}, {wrong}, {misblamed}, {delay_ms}\n"
            ));
        }
        std::fs::write(path, text).expect("written");
        return;
    }
    let text = std::fs::read_to_string(path).expect("the file is there");
    let mut reached = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, numbers) = line.split_once("; ").expect("a name and numbers");
        let before: Vec<u64> = numbers
            .split(", ")
            .map(|number| number.parse().expect("a number"))
            .collect();
        let row = rows.iter().find(|row| row.name == name);
        let now = figures(row.expect("the shape is still played"));
        let is_worse = now[..3]
            .iter()
            .zip(&before)
            .any(|(now, before)| now > before)
            || now[3] > before[3] + DELAY_SLACK_MS;
        assert!(
            !is_worse,
            "{name}: {now:?} is worse than {before:?} (missed, false, blamed wrongly, ms); if it \
             must be: RAUTA_REGENERATE=1 cargo test -p rauta-processors --test harness"
        );
        reached += 1;
    }
    assert_eq!(
        reached,
        rows.len(),
        "a shape is new: RAUTA_REGENERATE=1 as above"
    );
}

/// The table in the document has a row for each shape, and each reaches the goals.
pub(crate) fn check_document() {
    let text = std::fs::read_to_string(path(DOCUMENT)).expect("the document is there");
    let mut names: Vec<_> = corpus::shapes(1.0).iter().map(|shape| shape.name).collect();
    names.push("all");
    for name in names {
        let start = format!("| {name:<24} |");
        let line = text.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("no row for {name}: make detection"));
        let cells: Vec<f64> = line
            .trim_matches('|')
            .split('|')
            .skip(1)
            .map(|cell| cell.trim().parse().expect("a number"))
            .collect();
        let (goal, quick_goal) = if name == "all" {
            (GOAL, QUICK_GOAL)
        } else {
            (ROW_GOAL, QUICK_ROW_GOAL)
        };
        // Three delays from the rule's criterion and two from the bare definition follow.
        let [
            _,
            _,
            precision,
            recall,
            blame,
            quick,
            _,
            _,
            _,
            _,
            _,
            quiet @ ..,
        ] = cells.as_slice()
        else {
            panic!("{name}: too few columns");
        };
        let is_good = [precision, recall, blame]
            .iter()
            .all(|figure| **figure >= goal)
            && *quick >= quick_goal
            && quiet.iter().all(|alarms| *alarms == 0.0);
        assert!(is_good, "{line}");
    }
}
