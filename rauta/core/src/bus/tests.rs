//! The bus's promises: nothing is lost in silence, a panic stays where it is, stopping delivers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use rauta_schemas::{
    AnomalyKind, BackendId, ConnectionEvent, ConnectionId, ConnectionReason, DetailTexts,
    EndpointEvent, EndpointId, EndpointTransition, Event, ExchangeId, Families, Family, FourTuple,
    HttpDetail, HttpMethod, HttpRequestEvent, HttpVersion, InlineText, ListenerId, Observed,
    ObserverEvent, Phase, Reason, Severity, Side, Source, Subject, Ulid, Unit,
};

use super::registry::lock;
use super::*;

fn connection(number: u64) -> Event {
    Event::Connection(ConnectionEvent {
        connection: ConnectionId::new(0, number),
        wall_ns: number,
        downstream: FourTuple::default(),
        listener: ListenerId::NONE,
        requests: 0,
        reason: ConnectionReason::HeadCut,
    })
}

fn endpoint(number: u64) -> Event {
    Event::Endpoint(EndpointEvent {
        backend: BackendId::NONE,
        endpoint: EndpointId::NONE,
        wall_ns: number,
        transition: EndpointTransition::Ejected,
        reason: Reason::ConnectRefused,
        backoff_ms: 1000,
        failures: 1,
    })
}

fn request(detail: Box<HttpDetail>) -> Event {
    Event::HttpRequest(HttpRequestEvent {
        exchange: ExchangeId::default(),
        wall_ns: 0,
        start_ns: 0,
        downstream: FourTuple::default(),
        path: InlineText::EMPTY,
        authority: InlineText::EMPTY,
        detail: Some(detail),
        listener: ListenerId::NONE,
        method: HttpMethod::Get,
        version: HttpVersion::Http11,
        source: Source::Proxy,
        is_probe: false,
    })
}

fn number(event: &Event) -> u64 {
    match event {
        Event::Connection(event) => event.wall_ns,
        Event::Endpoint(event) => event.wall_ns,
        other => panic!("not published here: {other:?}"),
    }
}

fn at_ms(ms: u64) -> Now {
    Now {
        monotonic_ns: ms * 1_000_000,
        wall_ns: ms * 1_000_000,
    }
}

#[derive(Debug, Default)]
struct Seen {
    events: Vec<u64>,
    dropped: PerFamily,
    ticks: usize,
    stops: usize,
}

/// Writes down what it is told; panics in `on_event` while `panics` is set.
struct Recorder {
    name: &'static str,
    families: Families,
    seen: Arc<Mutex<Seen>>,
    panics: Arc<AtomicBool>,
}

impl Recorder {
    fn new(name: &'static str, families: Families) -> (Self, Arc<Mutex<Seen>>, Arc<AtomicBool>) {
        let recorder = Self {
            name,
            families,
            seen: Arc::default(),
            panics: Arc::default(),
        };
        let (seen, panics) = (Arc::clone(&recorder.seen), Arc::clone(&recorder.panics));
        (recorder, seen, panics)
    }
}

impl Subscriber for Recorder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn families(&self) -> Families {
        self.families
    }

    fn on_event(&mut self, event: &Event) {
        assert!(!self.panics.load(Ordering::Relaxed), "asked to panic");
        lock(&self.seen).events.push(number(event));
    }

    fn on_dropped(&mut self, family: Family, count: u64) {
        lock(&self.seen).dropped[family] += count;
    }

    fn on_tick(&mut self, _now: Now) {
        lock(&self.seen).ticks += 1;
    }

    fn on_stop(&mut self, _now: Now) {
        lock(&self.seen).stops += 1;
    }
}

fn assert_balanced(stats: &BusStats) {
    for subscriber in &stats.subscribers {
        let open = stats.unaccounted(subscriber);
        assert_eq!(
            open,
            PerFamily::default(),
            "{}: {stats:#?}",
            subscriber.name
        );
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish { lane: usize, is_endpoint: bool },
    Turn { after_ms: u64 },
    ReadQueue { count: usize },
    Close { lane: usize },
    Panics(bool),
    AttachLate,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3_usize, any::<bool>())
            .prop_map(|(lane, is_endpoint)| Step::Publish { lane, is_endpoint }),
        3 => (0..900_u64).prop_map(|after_ms| Step::Turn { after_ms }),
        2 => (0..6_usize).prop_map(|count| Step::ReadQueue { count }),
        1 => (0..3_usize).prop_map(|lane| Step::Close { lane }),
        1 => any::<bool>().prop_map(Step::Panics),
        1 => Just(Step::AttachLate),
    ]
}

proptest! {
    #[test]
    fn every_event_is_delivered_or_counted(
        slots in 1..12_usize,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        silence_panics();
        let (bus, mut pipeline) = Bus::new(BusConfig { lane_slots: slots });
        let (steady, steady_seen, _) = Recorder::new("steady", Families::ALL);
        let (shaky, shaky_seen, panics) =
            Recorder::new("shaky", Families::NONE.with(Family::Endpoint));
        pipeline.attach(Box::new(steady));
        let mut queue = pipeline.subscribe("queue", Families::ALL, 5);
        pipeline.attach(Box::new(shaky));

        let mut publishers = [0, 1, 2].map(|_| bus.publisher("lane"));
        let (mut published, mut read, mut lost, mut clock_ms) = (0, 0, 0, 0);
        for step in steps {
            match step {
                Step::Publish { lane, is_endpoint } => {
                    published += 1;
                    let event = match is_endpoint {
                        true => endpoint(published),
                        false => connection(published),
                    };
                    publishers[lane].publish(event);
                }
                Step::Turn { after_ms } => {
                    clock_ms += after_ms;
                    pipeline.turn(at_ms(clock_ms));
                }
                Step::ReadQueue { count } => {
                    read += (0..count).filter_map(|_| queue.try_recv()).count();
                    lost += queue.newly_lost().sum();
                }
                Step::Close { lane } => publishers[lane] = bus.publisher("lane"),
                Step::Panics(value) => panics.store(value, Ordering::Relaxed),
                Step::AttachLate => {
                    pipeline.attach(Box::new(Recorder::new("late", Families::ALL).0));
                }
            }
            assert_balanced(&bus.stats());
        }
        panics.store(false, Ordering::Relaxed);
        pipeline.turn(at_ms(clock_ms + 120_000));
        drop(publishers);
        pipeline.turn(at_ms(clock_ms + 240_000));
        while queue.try_recv().is_some() {
            read += 1;
        }
        lost += queue.newly_lost().sum();

        let stats = bus.stats();
        assert_balanced(&stats);
        prop_assert_eq!(stats.lanes.len(), 1, "closed lanes of one name are one");
        prop_assert_eq!(stats.published().sum(), published);
        prop_assert_eq!(stats.lane_queued().sum(), 0);
        let lane_dropped = stats.lane_dropped();
        prop_assert_eq!(read as u64 + lost, published, "queue: read or told lost");
        let seen = lock(&steady_seen);
        prop_assert_eq!(seen.events.len() as u64 + lane_dropped.sum(), published);
        prop_assert_eq!(seen.dropped, lane_dropped);
        let shaky = stats.subscriber("shaky").expect("attached");
        let seen = lock(&shaky_seen);
        prop_assert_eq!(seen.events.len() as u64, shaky.delivered.sum());
        prop_assert_eq!(
            seen.dropped[Family::Endpoint],
            lane_dropped[Family::Endpoint] + shaky.dropped[Family::Endpoint],
            "it is told of what it missed"
        );
    }
}

/// Panics on purpose are no news for the test's output; those of the test's own thread are.
fn silence_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.to_string().contains("asked to panic") {
                print(info);
            }
        }));
    });
}

#[test]
fn a_lane_keeps_order_and_drops_the_newest() {
    let (bus, mut pipeline) = Bus::new(BusConfig { lane_slots: 3 });
    let (recorder, seen, _) = Recorder::new("recorder", Families::ALL);
    pipeline.attach(Box::new(recorder));
    let publisher = bus.publisher("worker");
    for number in 1..=5 {
        publisher.publish(connection(number));
    }
    assert_eq!(bus.stats().lane_queued()[Family::Connection], 3);
    assert_eq!(pipeline.turn(at_ms(1)), 3);
    assert_eq!(lock(&seen).events, [1, 2, 3]);
    assert_eq!(lock(&seen).dropped[Family::Connection], 2);
    publisher.publish(connection(6));
    pipeline.turn(at_ms(2));
    assert_eq!(lock(&seen).events, [1, 2, 3, 6]);
    assert_balanced(&bus.stats());
}

#[test]
fn a_detail_comes_back_empty_to_the_thread_that_filled_it() {
    let (bus, mut pipeline) = Bus::new(BusConfig::default());
    let mut queue = pipeline.subscribe("queue", Families::ALL, 1000);
    let publisher = bus.publisher("worker");
    let publish = |path: &str| {
        let mut detail = publisher.detail();
        assert_eq!(
            *detail,
            HttpDetail::default(),
            "nothing of an earlier exchange"
        );
        detail.fill(DetailTexts {
            path,
            ..DetailTexts::default()
        });
        let memory = detail.path.as_ptr();
        publisher.publish(request(detail));
        memory
    };
    let memory = publish("/first");
    pipeline.turn(at_ms(1));
    assert_eq!(publish("/again"), memory, "the same text's memory");
    // More than the way back holds: the rest is freed.
    let paths: Vec<_> = (0..500).map(|n| format!("/{n}")).collect();
    for path in &paths {
        publish(path);
    }
    pipeline.turn(at_ms(2));
    let mut read = Vec::new();
    while let Some(mut event) = queue.try_recv() {
        read.push(event.take_detail().expect("a copy of its own").path);
    }
    assert_eq!(read[..2], ["/first", "/again"]);
    assert_eq!(read[2..], paths);
}

#[test]
fn a_panic_switches_one_subscriber_off_and_no_other() {
    silence_panics();
    let (bus, mut pipeline) = Bus::new(BusConfig::default());
    let (shaky, shaky_seen, panics) = Recorder::new("shaky", Families::ALL);
    let (steady, steady_seen, _) = Recorder::new("steady", Families::ALL);
    pipeline.attach(Box::new(shaky));
    pipeline.attach(Box::new(steady));
    let publisher = bus.publisher("worker");
    let publish_and_turn = |pipeline: &mut Pipeline, number, ms| {
        publisher.publish(connection(number));
        pipeline.turn(at_ms(ms));
        let stats = bus.stats();
        stats.subscriber("shaky").expect("attached").clone()
    };

    panics.store(true, Ordering::Relaxed);
    let shaky = publish_and_turn(&mut pipeline, 1, 0);
    assert_eq!((shaky.panics, shaky.is_disabled), (1, true));
    panics.store(false, Ordering::Relaxed);
    // Off for a second: the next event passes it by although it would not panic any more.
    let shaky = publish_and_turn(&mut pipeline, 2, 999);
    assert_eq!((shaky.panics, shaky.is_disabled), (1, true));
    let shaky = publish_and_turn(&mut pipeline, 3, 1000);
    assert_eq!((shaky.panics, shaky.is_disabled), (1, false));
    assert_eq!(lock(&shaky_seen).events, [3]);
    assert_eq!(lock(&shaky_seen).dropped[Family::Connection], 2);

    // The second panic soon after costs two seconds.
    panics.store(true, Ordering::Relaxed);
    assert_eq!(publish_and_turn(&mut pipeline, 4, 2000).panics, 2);
    panics.store(false, Ordering::Relaxed);
    assert!(publish_and_turn(&mut pipeline, 5, 3999).is_disabled);
    assert!(!publish_and_turn(&mut pipeline, 6, 4000).is_disabled);
    assert_eq!(lock(&steady_seen).events, [1, 2, 3, 4, 5, 6]);
    assert_balanced(&bus.stats());
}

#[test]
fn ticks_come_ten_times_a_second_however_often_it_polls() {
    let (_bus, mut pipeline) = Bus::new(BusConfig::default());
    let (recorder, seen, _) = Recorder::new("recorder", Families::ALL);
    pipeline.attach(Box::new(recorder));
    for ms in 0..1000 {
        pipeline.turn(at_ms(ms));
    }
    assert_eq!(lock(&seen).ticks, 10);
}

#[test]
fn stopping_delivers_what_was_published_before() {
    let (bus, mut pipeline) = Bus::new(BusConfig::default());
    let (recorder, seen, _) = Recorder::new("recorder", Families::ALL);
    pipeline.attach(Box::new(recorder));
    let mut queue = pipeline.subscribe("queue", Families::ALL, 10_000);
    let is_stopped = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let is_stopped = Arc::clone(&is_stopped);
        move || pipeline.run(|| is_stopped.load(Ordering::Acquire))
    });
    let kept = bus.publisher("worker");
    for number in 1..=5000 {
        kept.publish(connection(number));
    }
    let closed = bus.publisher("short-lived");
    closed.publish(endpoint(5001));
    drop(closed);
    is_stopped.store(true, Ordering::Release);
    thread.join().expect("the pipeline returns");

    let mut numbers = lock(&seen).events.clone();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=5001).collect::<Vec<_>>());
    assert_eq!(lock(&seen).stops, 1);
    let mut read = 0;
    while queue.recv_blocking().is_some() {
        read += 1;
    }
    assert_eq!(read, 5001, "the queue ends after its last event");

    // Nobody reads any more: dropped, and counted.
    kept.publish(connection(1));
    bus.publisher("late").publish(connection(2));
    let stats = bus.stats();
    assert_eq!(stats.lane_dropped()[Family::Connection], 2);
    assert_balanced(&stats);
}

#[test]
fn events_balance_while_threads_publish_and_the_pipeline_runs() {
    let (bus, mut pipeline) = Bus::new(BusConfig { lane_slots: 64 });
    let (recorder, seen, _) = Recorder::new("recorder", Families::ALL);
    pipeline.attach(Box::new(recorder));
    let is_stopped = Arc::new(AtomicBool::new(false));
    let reading = std::thread::spawn({
        let is_stopped = Arc::clone(&is_stopped);
        move || pipeline.run(|| is_stopped.load(Ordering::Acquire))
    });
    let publishing = [0, 1, 2].map(|_| {
        let bus = bus.clone();
        std::thread::spawn(move || {
            let publisher = bus.publisher("worker");
            for number in 0..20_000 {
                publisher.publish(connection(number));
            }
        })
    });
    for thread in publishing {
        thread.join().expect("publishing does not panic");
    }
    is_stopped.store(true, Ordering::Release);
    reading.join().expect("the pipeline returns");
    let stats = bus.stats();
    assert_eq!(stats.published().sum(), 60_000);
    let delivered = lock(&seen).events.len() as u64;
    assert_eq!(delivered + stats.lane_dropped().sum(), 60_000);
    assert_balanced(&stats);
}

fn anomaly(number: u128) -> Arc<ObserverEvent> {
    Arc::new(ObserverEvent {
        id: Ulid::from_parts(0, number),
        kind: AnomalyKind::ErrorSpike,
        phase: Phase::Firing,
        severity: Severity::Error,
        key: "error_spike/test".to_owned(),
        first_ns: 0,
        last_ns: 0,
        window_ns: 10_000_000_000,
        count: 1,
        side: Side::Backend,
        reason: Reason::None,
        subject: Subject::default(),
        baseline: None,
        observed: Observed {
            value: 1.0,
            unit: Unit::Ratio,
            threshold: 0.05,
            affected: 10,
            open: 0,
            total: 10,
            chance: None,
            lost: 0,
        },
        samples: Vec::new(),
    })
}

#[tokio::test(start_paused = true)]
async fn anomalies_reach_every_reader_and_a_slow_one_loses_the_newest() {
    let (bus, pipeline) = Bus::new(BusConfig::default());
    let mut fast = bus.anomalies("fast", 16);
    let mut slow = bus.anomalies("slow", 2);
    let gone = bus.anomalies("gone", 16);
    for number in 1..=2 {
        bus.emit(anomaly(number));
    }
    drop(gone);
    bus.emit(anomaly(3));
    drop(pipeline);
    bus.emit(anomaly(4));

    let mut ids = Vec::new();
    while let Some(event) = fast.recv().await {
        ids.push(event.id.random());
    }
    assert_eq!(ids, [1, 2, 3], "the queue ends with the pipeline");
    assert_eq!(slow.try_recv().expect("kept").id.random(), 1);
    assert_eq!(slow.try_recv().expect("kept").id.random(), 2);
    assert_eq!(slow.try_recv(), None);
    let stats = bus.stats();
    assert_eq!(stats.anomalies_emitted, 4);
    let counts = stats
        .anomalies
        .iter()
        .map(|a| (a.name, a.delivered, a.dropped));
    let counts: Vec<_> = counts.collect();
    assert_eq!(counts, [("fast", 3, 0), ("slow", 2, 1), ("gone", 2, 0)]);
    assert_eq!(bus.anomalies("late", 1).recv().await, None);
}

#[test]
fn a_lane_has_its_limits() {
    let clamp = |lane_slots| {
        let (bus, _pipeline) = Bus::new(BusConfig { lane_slots });
        let publisher = bus.publisher("worker");
        let mut queued = 0;
        loop {
            publisher.publish(connection(0));
            let stats = bus.stats();
            if stats.lane_dropped().sum() > 0 {
                return queued;
            }
            queued = stats.lane_queued().sum();
        }
    };
    assert_eq!(clamp(0), 1);
    assert_eq!(clamp(usize::MAX), BusConfig::LANE_SLOTS_MAX as u64);
}
