//! What the bus costs: nanoseconds per publish on the producing thread, and events per second
//! through publish, lane, pipeline and one subscriber, all on one thread and so on one core.
//!
//! `cargo bench -p rauta-core`. It fails when a promise of the bus is broken: 100 ns per publish,
//! 5 million events per second.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use rauta_core::bus::{Bus, BusConfig, PerFamily, Pipeline, Publisher, Subscriber};
use rauta_core::clock::{self, Now};
use rauta_schemas::{
    ConnectionId, Event, ExchangeId, Families, Family, HttpRequestEvent, HttpResponseEvent,
};
use rauta_test_support::events;
use rustix::time::{ClockId, clock_gettime};

/// Events per batch: half a lane, so that nothing is dropped and the whole lane is gone through.
const BATCH: u64 = 4096;
const BATCHES: usize = 2000;

const PUBLISH_NS_MAX: f64 = 100.0;
const EVENTS_PER_SECOND_MIN: f64 = 5_000_000.0;

fn main() -> ExitCode {
    let publish = publish_ns();
    let beside = publish_ns_beside_a_running_pipeline();
    let through = events_per_second();
    println!("publish, pipeline at rest:      median {publish:.1} ns");
    println!("publish, pipeline on another core: mean {beside:.1} ns");
    println!(
        "publish to subscriber, one core: {:.2} million events/s",
        through / 1e6
    );
    if publish > PUBLISH_NS_MAX || through < EVENTS_PER_SECOND_MIN {
        println!(
            "over the limit of {PUBLISH_NS_MAX} ns, or under {EVENTS_PER_SECOND_MIN} events/s"
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The median over batches of the mean cost of one publish in a batch.
fn publish_ns() -> f64 {
    let (_bus, mut pipeline, publisher) = setup();
    let mut costs = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        let start = cpu_ns();
        publish_batch(&publisher, start);
        costs.push((cpu_ns() - start) as f64 / BATCH as f64);
        pipeline.turn(clock::now());
    }
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

fn publish_ns_beside_a_running_pipeline() -> f64 {
    let (bus, pipeline, publisher) = setup();
    let stop = AtomicBool::new(false);
    let mut spent = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| pipeline.run(|| stop.load(Ordering::Relaxed)));
        for _ in 0..BATCHES {
            while bus.stats().lane_queued().sum() > BATCH / 2 {
                std::thread::yield_now();
            }
            let start = cpu_ns();
            publish_batch(&publisher, start);
            spent += cpu_ns() - start;
        }
        stop.store(true, Ordering::Relaxed);
    });
    let dropped = bus.stats().lane_dropped();
    assert_eq!(
        dropped,
        PerFamily::default(),
        "a drop is cheaper than a publish"
    );
    spent as f64 / (BATCHES as u64 * BATCH) as f64
}

fn events_per_second() -> f64 {
    let (bus, mut pipeline, publisher) = setup();
    let start = cpu_ns();
    for _ in 0..BATCHES {
        publish_batch(&publisher, start);
        pipeline.turn(clock::now());
    }
    let spent = cpu_ns() - start;
    let stats = bus.stats();
    let delivered = stats.subscribers[0].delivered.sum();
    assert_eq!(delivered, BATCHES as u64 * BATCH, "everything arrives");
    delivered as f64 * 1e9 / spent as f64
}

/// What this thread has spent on a processor: a busy machine takes time from a bench, not this.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn setup() -> (Bus, Pipeline, Publisher) {
    let (bus, mut pipeline) = Bus::new(BusConfig::default());
    pipeline.attach(Box::new(Latencies::default()));
    let publisher = bus.publisher("bench");
    (bus, pipeline, publisher)
}

fn publish_batch(publisher: &Publisher, wall_ns: u64) {
    for ordinal in 0..BATCH as u32 / 2 {
        let exchange = ExchangeId {
            connection: ConnectionId::new(1, 7),
            ordinal,
        };
        publisher.publish(black_box(request(exchange, wall_ns)));
        publisher.publish(black_box(response(exchange, wall_ns)));
    }
}

/// A processor of the least use: it sorts durations into classes by rule.
#[derive(Default)]
struct Latencies {
    classes: [[u64; 32]; 16],
    requests: u64,
}

impl Subscriber for Latencies {
    fn name(&self) -> &'static str {
        "latencies"
    }

    fn families(&self) -> Families {
        Families::ALL
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::HttpResponse(event) => {
                let class = event.last_byte_ns.checked_ilog2().unwrap_or(0).min(31);
                self.classes[event.identity.rule.number() as usize % 16][class as usize] += 1;
            }
            _ => self.requests += 1,
        }
    }

    fn on_dropped(&mut self, _family: Family, _count: u64) {}

    fn on_tick(&mut self, _now: Now) {
        black_box(&self.classes);
    }
}

fn request(exchange: ExchangeId, wall_ns: u64) -> Event {
    Event::HttpRequest(HttpRequestEvent {
        exchange,
        wall_ns,
        start_ns: wall_ns,
        ..events::request(exchange.ordinal, "/cart/17/items")
    })
}

fn response(exchange: ExchangeId, wall_ns: u64) -> Event {
    Event::HttpResponse(HttpResponseEvent {
        exchange,
        wall_ns,
        start_ns: wall_ns,
        last_byte_ns: 1_000_000 + u64::from(exchange.ordinal),
        ..events::response(exchange.ordinal, 200)
    })
}
