//! Whatever arrives, in whatever order and at whatever time: no panic, and every bound holds.

mod stage;

use proptest::prelude::*;
use rauta_core::bus::Subscriber;
use rauta_core::clock::Now;
use rauta_processors::{Config, Detection};
use rauta_schemas::{
    BackendId, Document, EndpointEvent, EndpointId, EndpointTransition, Event, Family, Names,
    Outcome, Phase, Reason, SAMPLES_MAX, Side, Timings,
};
use stage::{Exchange, SECOND, Stage};
use std::sync::{Arc, Mutex};

/// Numbers at the edges, and any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(i64::MAX as u64),
        0u64..20_000_000_000,
        any::<u64>(),
    ]
}

fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![Just(Timings::UNSET), Just(0), 0u32..5_000_000, any::<u32>()]
}

fn timings() -> impl Strategy<Value = Timings> {
    [offset(), offset(), offset(), offset(), offset()].prop_map(|steps| {
        let [
            head_read_us,
            upstream_chosen_us,
            connected_us,
            sent_us,
            first_byte_us,
        ] = steps;
        Timings {
            head_read_us,
            upstream_chosen_us,
            connected_us,
            sent_us,
            first_byte_us,
        }
    })
}

/// What reaches the detectors.
#[derive(Clone, Debug)]
enum Arrival {
    Event(Event),
    Dropped(Family, u64),
    Tick(Now),
}

fn response() -> impl Strategy<Value = Arrival> {
    let numbers = [number(), number(), number()];
    let ids = [0u32..4, 0u32..4, 0u32..4];
    let outcomes = (0usize..Outcome::ALL.len(), 0usize..Side::ALL.len());
    let flags = (any::<bool>(), any::<bool>());
    (
        numbers,
        ids,
        timings(),
        any::<u16>(),
        any::<Option<u8>>(),
        outcomes,
        flags,
    )
        .prop_map(
            |(
                [wall_ns, start_ns, last_byte_ns],
                ids,
                timings,
                status,
                grpc_status,
                ends,
                flags,
            )| {
                let mut event = template();
                (event.wall_ns, event.start_ns, event.last_byte_ns) =
                    (wall_ns, start_ns, last_byte_ns);
                event.timings = timings;
                (event.status, event.grpc_status) = (status, grpc_status);
                (event.outcome, event.side) = (Outcome::ALL[ends.0], Side::ALL[ends.1]);
                (event.is_probe, event.is_streaming) = flags;
                event.identity.rule = ids[0].into();
                event.identity.backend = ids[1].into();
                event.identity.endpoint = ids[2].into();
                event.exchange.ordinal = status.into();
                Arrival::Event(Event::HttpResponse(event))
            },
        )
}

fn progress() -> impl Strategy<Value = Arrival> {
    (
        number(),
        number(),
        timings(),
        0u32..4,
        any::<u16>(),
        any::<bool>(),
    )
        .prop_map(|(start_ns, age_ns, timings, rule, ordinal, is_streaming)| {
            let stage = Stage::new(&Config::default(), &[1]);
            let exchange = Exchange::get(0, 10);
            let mut event = exchange.progress_event(0, 0, &stage.identity(&exchange));
            (event.start_ns, event.age_ns, event.timings) = (start_ns, age_ns, timings);
            event.identity.rule = rule.into();
            event.exchange.ordinal = ordinal.into();
            event.is_streaming = is_streaming;
            Arrival::Event(Event::HttpProgress(event))
        })
}

fn endpoint() -> impl Strategy<Value = Arrival> {
    (0u32..4, number(), any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
        |(endpoint, wall_ns, backoff_ms, failures, is_ejected)| {
            let transition = if is_ejected {
                EndpointTransition::Ejected
            } else {
                EndpointTransition::Recovered
            };
            Arrival::Event(Event::Endpoint(EndpointEvent {
                backend: BackendId::from(endpoint),
                endpoint: EndpointId::from(endpoint),
                wall_ns,
                transition,
                reason: Reason::ConnectTimeout,
                backoff_ms,
                failures,
            }))
        },
    )
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let tick = (number(), number()).prop_map(|(monotonic_ns, wall_ns)| {
        Arrival::Tick(Now {
            monotonic_ns,
            wall_ns,
        })
    });
    let family = (0usize..Family::COUNT).prop_map(|place| Family::ALL[place]);
    let dropped = (family, number()).prop_map(|(family, count)| Arrival::Dropped(family, count));
    prop_oneof![6 => response(), 3 => progress(), 1 => endpoint(), 2 => tick, 1 => dropped]
}

fn template() -> rauta_schemas::HttpResponseEvent {
    let stage = Stage::new(&Config::default(), &[1]);
    let exchange = Exchange::get(0, 10);
    exchange.response_event(0, 0, &stage.identity(&exchange))
}

proptest! {
    #[test]
    fn anything_is_taken_without_panic(arrivals in prop::collection::vec(arrival(), 0..300)) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&said);
        let emit = Box::new(move |event| sink.lock().expect("not poisoned").push(event));
        let mut config = Config { keys_max: 3, open_max: 8, ..Config::default() };
        config.pace.samples_min = 5;
        let mut detection = Detection::new(&config, Names::default(), 0, emit);
        for arrival in arrivals {
            match arrival {
                Arrival::Event(event) => detection.on_event(&event),
                Arrival::Dropped(family, count) => detection.on_dropped(family, count),
                Arrival::Tick(now) => detection.on_tick(now),
            }
        }
        detection.on_stop(Now { monotonic_ns: u64::MAX, wall_ns: u64::MAX });
        for (name, usage) in detection.usage() {
            prop_assert!(usage.keys <= 6 && usage.open <= 8, "{name}: {usage:?}");
        }
        for event in said.lock().expect("not poisoned").iter() {
            prop_assert!(event.samples.len() <= SAMPLES_MAX);
            prop_assert!(event.first_ns <= event.last_ns && event.count > 0, "{event:?}");
            let baseline = event.baseline.as_ref().expect("each says what is normal");
            let chance = event.observed.chance.unwrap_or(0.0);
            let values = [event.observed.value, event.observed.threshold, baseline.value, chance];
            prop_assert!(values.iter().all(|value| value.is_finite()), "{event:?}");
            let document = event.tapio().to_json();
            prop_assert!(!document.is_empty());
        }
    }
}

#[test]
fn a_wall_clock_that_jumps_changes_no_verdict() {
    for step_ns in [3_600 * SECOND, 0, 3_600 * SECOND] {
        let mut stage = Stage::new(&Config::default(), &[1]);
        let start_ns = stage.wall_start_ns;
        stage.play(120, 100, |_| Exchange::get(0, 10_000));
        stage.wall_start_ns = start_ns - 2 * 3_600 * SECOND + 2 * step_ns;
        stage.play(60, 100, |_| Exchange::get(0, 10_000));
        assert_eq!(stage.found.len(), 0);
        stage.play(5, 100, |_| Exchange::get(0, 60_000));
        // Back in the middle of an anomaly.
        stage.wall_start_ns = start_ns;
        stage.play(5, 100, |_| Exchange::get(0, 60_000));
        stage.play(90, 100, |_| Exchange::get(0, 10_000));
        let phases: Vec<Phase> = stage.found.iter().map(|found| found.event.phase).collect();
        assert_eq!(phases, [Phase::Firing, Phase::Cleared]);
        for found in &stage.found {
            assert!(found.event.first_ns <= found.event.last_ns);
        }
    }
}

#[test]
fn hours_without_traffic_are_no_anomaly_and_forget_nothing() {
    let mut stage = Stage::new(&Config::default(), &[1]);
    stage.play(120, 100, |_| Exchange::get(0, 10_000));
    stage.run_for(5 * 3_600 * SECOND);
    stage.play(20, 1, |_| Exchange::get(0, 10_000));
    assert_eq!(stage.found.len(), 0);
    stage.run_for(5 * 3_600 * SECOND);
    stage.play(5, 100, |_| Exchange::get(0, 60_000));
    assert_eq!(stage.found.len(), 1);
}

#[test]
fn hostile_paths_stay_text_in_key_and_document() {
    let mut stage = Stage::new(&Config::default(), &[1]);
    let probe = Exchange {
        is_probe: true,
        path: "/\"};{\u{202e}\n\u{0}$(id)%00<script>\u{1f600}",
        ..Exchange::get(0, 1_000).status(500)
    };
    stage.play(2, 5, |_| probe);
    let event = &stage.found[0].event;
    let json = String::from_utf8(event.tapio().to_json()).expect("text");
    assert!(event.key.len() < 120 && !json.contains('\n') && !json.contains('\0'));
}
