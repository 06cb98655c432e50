//! The harness: labelled traffic through the production detectors, in simulated time. It prints
//! precision, recall and delay per shape and holds them to their limits.
//!
//! It proves the detectors on models of traffic; that the data plane reports real traffic rightly
//! is for the integration tests. The example `harness` plays the same corpus at full size.

#![expect(clippy::print_stdout, reason = "its table is part of what it gives")]

mod corpus;
mod model;
mod score;
#[path = "../stage/mod.rs"]
mod stage;

use score::Score;
use stage::SECOND;

/// Seeds per labelled shape.
const SEEDS: u64 = 2;

#[test]
fn labelled_faults_are_found_and_nothing_else() {
    let mut all = Score::default();
    println!("{}", score::header());
    let mut failures = Vec::new();
    for shape in corpus::labelled() {
        let mut sum = Score::default();
        for seed in 0..SEEDS {
            sum.add(score::play(&shape, seed, shape.end_ns()));
        }
        println!("{}", score::row(shape.name, &sum));
        for text in sum.false_alarms.iter().chain(&sum.missed) {
            println!("    {text}");
        }
        if !sum.is_within_limits() {
            failures.push(shape.name);
        }
        all.add(sum);
    }
    println!("{}", score::row("all", &all));
    assert!(failures.is_empty(), "below the limits: {failures:?}");
}

/// Plays every faultless shape at one rate.
fn check(rate: f64, minutes: u64) {
    for (shape, seed) in corpus::faultless(rate).iter().zip(0..) {
        let score = score::play(shape, seed, minutes * 60 * SECOND);
        println!(
            "{}",
            score::row(&format!("{} at {rate}/s", shape.name), &score)
        );
        assert_eq!(
            score.false_alarms,
            Vec::<String>::new(),
            "{} at {rate}/s",
            shape.name
        );
    }
}

#[test]
fn a_quiet_day_without_a_fault_has_no_alarm() {
    check(1.0, 24 * 60);
}

#[test]
fn hours_without_a_fault_have_no_alarm() {
    check(10.0, 150);
}

#[test]
fn busy_minutes_without_a_fault_have_no_alarm() {
    check(1_000.0, 3);
}
