//! The whole corpus: every shape with its faults, then hours without a fault, and the table of how
//! right the detectors were. Exit code 1 where a goal is missed.
//!
//! `harness [--json] [--hours H] [--busy-hours H]`: hours without a fault at 1 and 10 requests/s
//! (24), and at 1,000 requests/s (0.25). With `RAUTA_REGENERATE` set it writes the table into
//! `docs/detection.md`.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its table is its purpose"
)]

#[path = "../tests/harness/corpus.rs"]
mod corpus;
#[path = "../tests/harness/fault.rs"]
mod fault;
#[path = "../tests/harness/model.rs"]
mod model;
#[path = "../tests/harness/oracle.rs"]
mod oracle;
#[path = "../tests/harness/score.rs"]
mod score;
#[path = "../tests/stage/mod.rs"]
mod stage;
#[path = "../tests/harness/table.rs"]
mod table;

use std::path::Path;
use std::process::ExitCode;
use table::{Plan, Row};

/// The rates that labelled faults are played at, and how many seeds each.
const LABELLED: [(f64, u64); 3] = [(10.0, 6), (100.0, 6), (1_000.0, 1)];

const BEGIN: &str = "<!-- RAUTA_REGENERATE=1 make detection -->\n";
const END: &str = "<!-- end -->\n";

#[expect(
    clippy::disallowed_methods,
    reason = "it is told to write by the same variable as the tests"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: f64| {
        let place = arguments.iter().position(|argument| argument == name);
        let text = place.and_then(|place| arguments.get(place + 1));
        text.and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let hours = number("--hours", 24.0);
    let plan = Plan {
        labelled: LABELLED.to_vec(),
        hours: [hours, hours, number("--busy-hours", 0.25)],
    };
    let rows = table::play(&plan);
    let text = table::markdown(&rows, &plan);
    if arguments.iter().any(|argument| argument == "--json") {
        println!("{:#}", json(&rows, &plan));
    } else {
        println!("{text}");
    }
    for row in &rows[..rows.len() - 1] {
        for detail in row.details() {
            eprintln!("{}: {detail}", row.name);
        }
    }
    if std::env::var_os("RAUTA_REGENERATE").is_some() {
        write_down(&text);
    }
    let short: Vec<_> = rows.iter().flat_map(Row::shortcomings).collect();
    for text in &short {
        eprintln!("{text}");
    }
    ExitCode::from(u8::from(!short.is_empty()))
}

/// Puts the table in its place in the document.
fn write_down(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/detection.md");
    let document = std::fs::read_to_string(&path).expect("the document is there");
    let (before, rest) = document
        .split_once(BEGIN)
        .expect("the table's place is there");
    let (_, after) = rest.split_once(END).expect("the table's end is there");
    let document = format!("{before}{BEGIN}{table}{END}{after}");
    std::fs::write(path, document).expect("written");
}

/// The table for programs.
fn json(rows: &[Row], plan: &Plan) -> serde_json::Value {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let score = &row.labelled;
            let quiet = row.quiet.iter().zip(corpus::RATES).zip(plan.hours);
            let quiet: Vec<_> = quiet
                .map(|((quiet, rate), hours)| {
                    serde_json::json!({
                        "requests_per_second": rate,
                        "hours": hours,
                        "exchanges": quiet.exchanges,
                        "alarms": quiet.false_alarms.len(),
                    })
                })
                .collect();
            serde_json::json!({
                "shape": row.name,
                "exchanges": score.exchanges,
                "faults": score.faults,
                "found": score.found,
                "too_small": score.too_small,
                "alarms": score.alarms,
                "false_alarms": score.false_alarms.len(),
                "precision": score.precision(),
                "recall": score.recall(),
                "blame": score.blame(),
                "within_a_second": score.quick(),
                "delay_ms": {
                    "p50": score.delay_ms(0.5),
                    "p99": score.delay_ms(0.99),
                    "max": score.delay_ms(1.0),
                },
                "delay_from_bare_definition_ms": {
                    "p50": score.bare_delay_ms(0.5),
                    "p99": score.bare_delay_ms(0.99),
                    "max": score.bare_delay_ms(1.0),
                },
                "without_fault": quiet,
            })
        })
        .collect();
    serde_json::json!({ "rows": rows })
}
