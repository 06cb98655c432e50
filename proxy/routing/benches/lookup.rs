//! Prints the median time of a lookup and the time of a compilation, for each shape of table.
//!
//! `cargo bench -p rauta-routing`. Requests are spread over the whole table, so caches are as cold
//! as its size makes them.

#![allow(clippy::print_stdout, reason = "a bench prints its result")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use fixture::shapes::{self, Shape};
use rauta_routing::RouteTable;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 201;

fn main() {
    for shape in shapes::all() {
        let compile = median((0..5).map(|_| compile(&shape)));
        let table = shape.table();
        let round = median((0..ROUNDS).map(|_| look_up(&table, &shape)));
        let each = round.as_nanos() / shape.requests.len() as u128;
        println!(
            "{:<20} {each:>6} ns a lookup, {compile:>10.1?} to compile",
            shape.name
        );
    }
}

fn compile(shape: &Shape) -> Duration {
    let routes = shape.routes.clone();
    let start = Instant::now();
    let table = black_box(RouteTable::new(black_box(routes)));
    let elapsed = start.elapsed();
    drop(table);
    elapsed
}

fn look_up(table: &RouteTable, shape: &Shape) -> Duration {
    let start = Instant::now();
    for request in &shape.requests {
        assert!(black_box(table.find(&black_box(request).view())).is_some());
    }
    start.elapsed()
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<_> = times.collect();
    times.sort();
    times[times.len() / 2]
}
