//! The harness: labelled traffic through the production detectors, in simulated time. It plays a
//! part of the corpus, holds it to the goals, and to what it reached before.
//!
//! It proves the detectors on models of traffic; that the data plane reports real traffic rightly
//! is for the integration tests. `make detection` plays the whole corpus and prints the table.

#![expect(clippy::print_stdout, reason = "its table is part of what it gives")]

mod corpus;
mod fault;
mod model;
mod oracle;
mod reached;
mod score;
#[path = "../stage/mod.rs"]
mod stage;
mod table;

use table::{Plan, Row};

fn play(plan: &Plan) -> Vec<Row> {
    let rows = table::play(plan);
    println!("{}", table::markdown(&rows, plan));
    for row in &rows[..rows.len() - 1] {
        for text in row.details() {
            println!("{}: {text}", row.name);
        }
    }
    rows
}

#[test]
fn labelled_faults_are_found_and_nothing_else() {
    let rows = play(&Plan {
        labelled: vec![(10.0, 1), (100.0, 1)],
        hours: [0.0; 3],
    });
    let short: Vec<_> = rows.iter().flat_map(Row::shortcomings).collect();
    assert!(short.is_empty(), "{short:#?}");
    reached::check(&rows);
}

#[test]
fn hours_without_a_fault_have_no_alarm() {
    let rows = play(&Plan {
        labelled: Vec::new(),
        hours: [24.0, 2.4, 0.05],
    });
    let short: Vec<_> = rows.iter().flat_map(Row::shortcomings).collect();
    assert!(short.is_empty(), "{short:#?}");
}

#[test]
fn the_documented_table_is_of_this_corpus_and_reaches_the_goals() {
    reached::check_document();
}
