//! The harness at full size: every labelled shape with many seeds, then whole days without a fault.
//!
//! `cargo run --release -p rauta-processors --example harness -- [hours] [seeds]` (24 and 20).
//! The tests play the same corpus at a tenth of the size. Exit code 1 where a limit is missed.

#![expect(clippy::print_stdout, reason = "its table is its purpose")]

#[path = "../tests/harness/corpus.rs"]
mod corpus;
#[path = "../tests/harness/model.rs"]
mod model;
#[path = "../tests/harness/score.rs"]
mod score;
#[path = "../tests/stage/mod.rs"]
mod stage;

use score::Score;
use stage::SECOND;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let hours = numbers.next().and_then(Result::ok).unwrap_or(24);
    let seeds = numbers.next().and_then(Result::ok).unwrap_or(20);
    let is_good = labelled(seeds) & faultless(hours);
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn labelled(seeds: u64) -> bool {
    let mut all = Score::default();
    println!("{}", score::header());
    for shape in corpus::labelled() {
        let mut sum = Score::default();
        for seed in 0..seeds {
            sum.add(score::play(&shape, seed, shape.end_ns()));
        }
        print(shape.name, &sum);
        all.add(sum);
    }
    print("all", &all);
    all.is_within_limits()
}

fn faultless(hours: u64) -> bool {
    let mut is_quiet = true;
    for rate in [1.0, 10.0, 1_000.0] {
        for (shape, seed) in corpus::faultless(rate).iter().zip(100..) {
            let score = score::play(shape, seed, hours * 3_600 * SECOND);
            print(&format!("{} at {rate}/s", shape.name), &score);
            is_quiet &= score.false_alarms.is_empty();
        }
    }
    is_quiet
}

fn print(name: &str, score: &Score) {
    println!("{}", score::row(name, score));
    for text in score.false_alarms.iter().chain(&score.missed) {
        println!("    {text}");
    }
}
