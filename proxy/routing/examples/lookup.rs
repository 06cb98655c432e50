//! Makes lookups in a table of each shape, for tools that count instructions.
//!
//! `lookup [ROUNDS [SHAPE]]`: each round makes 1,000 lookups in the tables whose name contains
//! SHAPE. Two runs that differ in ROUNDS differ by lookups alone.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use fixture::shapes;
use std::hint::black_box;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds: usize = arguments
        .next()
        .map_or(1, |text| text.parse().expect("ROUNDS is a number"));
    let wanted = arguments.next().unwrap_or_default();
    for shape in shapes::all() {
        if !shape.name.contains(&wanted) {
            continue;
        }
        let table = shape.table();
        let mut found = 0;
        for request in std::iter::repeat_n(&shape.requests, rounds).flatten() {
            found += usize::from(black_box(table.find(&black_box(request).view())).is_some());
        }
        println!("{}: {found} found", shape.name);
    }
}
