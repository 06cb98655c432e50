//! The table: plays the corpus on all cores and writes down how it went, for people, for programs
//! and for `docs/detection.md`.

use crate::corpus::{self, Shape};
use crate::score::{self, Score};
use crate::stage::SECOND;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a shape went: with faults, and without at each of [`corpus::RATES`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) labelled: Score,
    pub(crate) quiet: [Score; 3],
}

/// What is played.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Rates and seeds of the plays with faults.
    pub(crate) labelled: Vec<(f64, u64)>,
    /// Hours without a fault at each of [`corpus::RATES`].
    pub(crate) hours: [f64; 3],
}

/// What every row, and all of them together, must reach.
pub(crate) const GOAL: f64 = 0.95;
pub(crate) const ROW_GOAL: f64 = 0.9;
/// The share of faults that must be found within a second: over all, and per row.
pub(crate) const QUICK_GOAL: f64 = 0.99;
pub(crate) const QUICK_ROW_GOAL: f64 = 0.9;

/// One play.
struct Job {
    shape: Shape,
    seed: u64,
    /// Without a fault: at which of the rates, and for how long.
    quiet: Option<(usize, u64)>,
}

/// Plays all of a plan; the last row is the sum.
pub(crate) fn play(plan: &Plan) -> Vec<Row> {
    let mut jobs = Vec::new();
    for (place, (rate, hours)) in corpus::RATES.into_iter().zip(plan.hours).enumerate().rev() {
        let end_ns = (hours * 3_600.0 * SECOND as f64) as u64;
        let shapes = corpus::shapes(rate).into_iter().filter(|_| end_ns > 0);
        jobs.extend(shapes.map(|shape| Job {
            shape,
            seed: 100,
            quiet: Some((place, end_ns)),
        }));
    }
    for (rate, seeds) in plan.labelled.iter().rev() {
        for seed in 0..*seeds {
            let shapes = corpus::shapes(*rate).into_iter();
            jobs.extend(shapes.map(|shape| Job {
                shape,
                seed,
                quiet: None,
            }));
        }
    }
    let names = corpus::shapes(1.0).into_iter().map(|shape| shape.name);
    let row = |name| Row {
        name,
        ..Row::default()
    };
    let rows: Mutex<Vec<Row>> = Mutex::new(names.map(row).collect());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Job { shape, seed, .. } = job;
            let score = match job.quiet {
                Some((_, end_ns)) => score::play_faultless(shape, *seed, end_ns),
                None => score::play(shape, *seed),
            };
            let mut rows = rows.lock().expect("no player panics");
            let row = rows.iter_mut().find(|row| row.name == shape.name);
            let row = row.expect("each shape has a row");
            match job.quiet {
                Some((place, _)) => row.quiet[place].add(score),
                None => row.labelled.add(score),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let mut rows = rows.into_inner().expect("no player panics");
    let mut all = row("all");
    for row in &rows {
        all.labelled.add(row.labelled.clone());
        for (sum, quiet) in all.quiet.iter_mut().zip(&row.quiet) {
            sum.add(quiet.clone());
        }
    }
    rows.push(all);
    rows
}

impl Row {
    /// What falls short of the goals; empty where nothing does.
    pub(crate) fn shortcomings(&self) -> Vec<String> {
        let score = &self.labelled;
        let (goal, quick_goal) = if self.name == "all" {
            (GOAL, QUICK_GOAL)
        } else {
            (ROW_GOAL, QUICK_ROW_GOAL)
        };
        let mut short = Vec::new();
        let figures = [
            ("precision", score.precision()),
            ("recall", score.recall()),
            ("blame", score.blame()),
        ];
        for (what, figure) in figures {
            if figure < goal {
                short.push(format!("{}: {what} {figure:.3} is below {goal}", self.name));
            }
        }
        let quick = score.quick();
        if quick < quick_goal {
            short.push(format!("{}: only {quick:.3} within a second", self.name));
        }
        for (quiet, rate) in self.quiet.iter().zip(corpus::RATES) {
            let alarms = quiet.false_alarms.len();
            if alarms > 0 {
                short.push(format!(
                    "{}: {alarms} alarms without a fault at {rate}/s",
                    self.name
                ));
            }
        }
        short
    }

    /// Every false alarm, miss and wrong blame, a line each.
    pub(crate) fn details(&self) -> Vec<String> {
        let score = &self.labelled;
        let quiet = self
            .quiet
            .iter()
            .zip(corpus::RATES)
            .flat_map(|(quiet, rate)| {
                let of_rate = move |text| format!("without a fault, {rate}/s: {text}");
                quiet.false_alarms.iter().map(of_rate)
            });
        let of = |what: &'static str| move |text: &String| format!("{what}: {text}");
        let labelled = [
            score
                .false_alarms
                .iter()
                .map(of("false"))
                .collect::<Vec<_>>(),
            score.missed.iter().map(of("missed")).collect(),
            score.misblamed.iter().map(of("blamed wrongly")).collect(),
            score.late.iter().map(of("late")).collect(),
        ];
        labelled.concat().into_iter().chain(quiet).collect()
    }
}

/// The table as Markdown; for people it is readable as it is.
pub(crate) fn markdown(rows: &[Row], plan: &Plan) -> String {
    let mut text = String::new();
    let [slow, medium, busy] = plan.hours.map(|hours| format!("{hours:.4}"));
    let hours = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    let (slow, medium, busy) = (hours(&slow), hours(&medium), hours(&busy));
    let head = format!(
        "| {:<24} | faults | too small | precision | recall | blame | quick | p50 ms | p99 ms | max ms | bare p99 ms | bare max ms \
         | {slow} h at 1/s | {medium} h at 10/s | {busy} h at 1,000/s |\n",
        "shape"
    );
    let dashes: String = head
        .trim_end()
        .chars()
        .map(|c| if c == '|' { '|' } else { '-' })
        .collect();
    text.push_str(&head);
    text.push_str(&dashes);
    text.push('\n');
    for row in rows {
        let score = &row.labelled;
        let mut line = format!(
            "| {:<24} | {:>6} | {:>9} | {:>9.3} | {:>6.3} | {:>5.3} | {:>5.3} | {:>6} | {:>6} | {:>6} | {:>11} | {:>11} |",
            row.name,
            score.faults,
            score.too_small,
            score.precision(),
            score.recall(),
            score.blame(),
            score.quick(),
            score.delay_ms(0.5),
            score.delay_ms(0.99),
            score.delay_ms(1.0),
            score.bare_delay_ms(0.99),
            score.bare_delay_ms(1.0),
        );
        for quiet in &row.quiet {
            write!(line, " {} |", quiet.false_alarms.len()).expect("a string takes all");
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}
