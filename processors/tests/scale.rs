//! What detection costs where there are many routes: memory for each, and time for each exchange.
//!
//! One test, so that nothing else allocates while it measures.

mod stage;

use rauta_processors::Config;
use rauta_schemas::HttpMethod;
use stage::{Exchange, Stage};

/// The process's resident memory, bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    pages.map_or(0, |pages: u64| pages * 4_096)
}

/// The processor time of this thread, nanoseconds: other work on the machine does not count.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    first.unwrap_or(0)
}

/// Bytes for each rule and method, and nanoseconds of one exchange, the stage's own included.
fn measure(routes: usize, methods: &[HttpMethod], seconds: u64, rate: u64) -> (u64, u64) {
    let mut stage = Stage::new(&Config::default(), &vec![1; routes]);
    let keys = (routes * methods.len()) as u64;
    let (before, start_ns) = (resident(), processor_ns());
    // Quick answers of loopback, from 50 µs to some milliseconds.
    let mut rng = fastrand::Rng::with_seed(1);
    let waits: Vec<u64> = (0..4_096)
        .map(|_| (50.0 * 100f64.powf(rng.f64() * rng.f64())) as u64)
        .collect();
    stage.play(seconds, rate, |n| Exchange {
        method: methods[(n % keys) as usize / routes],
        ..Exchange::get(
            (n % keys) as usize % routes,
            waits[(n * 31 % 4_093) as usize],
        )
    });
    let nanos = (processor_ns() - start_ns) / (seconds * rate);
    let bytes = resident().saturating_sub(before) / keys;
    let usage = stage.usage("slow_response");
    assert_eq!((usage.keys, usage.evicted), (keys, 0));
    assert_eq!(stage.usage("error_rate").keys, routes as u64);
    assert_eq!(stage.found.len(), 0);
    (bytes, nanos)
}

#[test]
fn memory_and_time_are_bounded_with_many_routes() {
    let get = [HttpMethod::Get];
    let (bytes, nanos) = measure(5_000, &get, 120, 20_000);
    println!("5,000 routes, 4 requests/s on each: {bytes} B a route, {nanos} ns an exchange");
    assert!(bytes <= 2_560, "{bytes}");

    let both = [HttpMethod::Get, HttpMethod::Post];
    let (bytes, nanos) = measure(50_000, &both, 20, 30_000);
    println!("50,000 routes with two methods: {bytes} B a rule and method, {nanos} ns an exchange");
    assert!(bytes <= 1_536, "{bytes}");
}
