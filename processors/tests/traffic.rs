//! Traffic that looks like an anomaly and is none, and anomalies that look like another: what the
//! corpus found out, one test each.

mod stage;

use rauta_processors::Config;
use rauta_schemas::{AnomalyKind, Phase, Reason, Side};
use stage::{Ending, Exchange, MS, SECOND, Stage};

use AnomalyKind::{ErrorSpike, SlowResponse};
use Phase::Firing;

/// A stage with one route of `endpoints`, on which all went well for two minutes: 100 exchanges a
/// second, 10 ms each, of which one in `fails_one_in` (0 = none) was the backend's 500.
fn warmed_up(endpoints: usize, fails_one_in: u64) -> Stage {
    let mut stage = Stage::new(&Config::default(), &[endpoints]);
    stage.play(120, 100, |n| usual(n, endpoints, fails_one_in));
    assert_eq!(stage.found.len(), 0);
    stage
}

fn usual(n: u64, endpoints: usize, fails_one_in: u64) -> Exchange {
    let is_error = fails_one_in > 0 && n.is_multiple_of(fails_one_in);
    Exchange {
        endpoint: n as usize % endpoints,
        ..Exchange::get(0, 9_000 + n % 7 * 400).status(if is_error { 500 } else { 200 })
    }
}

/// All that arrives in the first `ms` of each of `pauses` seconds waits for the end of the pause.
fn pause(stage: &mut Stage, ms: u64, pauses: u64) {
    stage.play(pauses, 100, |n| {
        let into_us = n % 100 * 10_000;
        Exchange::get(0, 10_000 + (ms * 1_000).saturating_sub(into_us))
    });
    stage.play(30, 100, |n| usual(n, 1, 0));
}

#[test]
fn a_machine_that_pauses_for_a_moment_is_no_slow_backend() {
    let mut stage = warmed_up(1, 0);
    pause(&mut stage, 300, 1);
    assert_eq!(stage.found.len(), 0);
    pause(&mut stage, 300, 3);
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn a_machine_that_pauses_for_long_or_often_is_a_slow_backend() {
    let mut stage = warmed_up(1, 0);
    pause(&mut stage, 900, 1);
    assert_eq!(stage.found(SlowResponse, Firing).len(), 1);
    let mut stage = warmed_up(1, 0);
    pause(&mut stage, 300, 5);
    assert_eq!(stage.found(SlowResponse, Firing).len(), 1);
}

#[test]
fn an_answer_between_two_reports_is_not_taken_for_a_hang() {
    let mut stage = warmed_up(1, 0);
    // The request is sent after 95 ms, answered at once, and the client reads for a second.
    stage.play(30, 50, |n| Exchange {
        upload_us: 85_000 + n % 20 * 1_000,
        download_us: 1_000_000,
        ..Exchange::get(0, 10_000)
    });
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn a_route_of_long_polls_is_not_judged_by_its_quick_answers() {
    let mut stage = Stage::new(&Config::default(), &[1]);
    stage.play(300, 20, |n| Exchange::get(0, n * 7_919 % 30_000 * 1_000));
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn a_few_slow_answers_of_many_are_no_anomaly_however_unlikely() {
    let mut stage = warmed_up(1, 0);
    stage.play(20, 1_000, |n| match n % 100 {
        0 => Exchange::get(0, 60_000),
        _ => usual(n, 1, 0),
    });
    assert_eq!(stage.found.len(), 0, "one in a hundred");
}

#[test]
fn usual_errors_of_one_side_do_not_hide_a_fault_of_the_other() {
    let mut stage = warmed_up(1, 50);
    stage.play(20, 100, |n| match n % 4 {
        0 => Exchange {
            ending: Ending::Gateway(Reason::NoEndpoint),
            ..Exchange::get(0, 0).status(503)
        },
        _ => usual(n, 1, 50),
    });
    let found = stage.found(ErrorSpike, Firing);
    assert_eq!(found.len(), 1);
    let event = &found[0].event;
    assert!(event.key.ends_with("/gateway"), "{}", event.key);
    assert_eq!(
        (event.side, event.reason),
        (Side::Gateway, Reason::NoEndpoint)
    );
    assert!(
        event
            .baseline
            .as_ref()
            .is_some_and(|it| it.is_learnt && it.value < 0.001)
    );
}

#[test]
fn the_reason_is_the_faults_and_not_the_usual_errors() {
    let mut stage = warmed_up(2, 50);
    stage.play(20, 100, |n| match n % 4 {
        0 => Exchange {
            ending: Ending::Refused,
            endpoint: 1,
            ..Exchange::get(0, 0)
        },
        _ => usual(n, 2, 50),
    });
    let event = &stage.found(ErrorSpike, Firing)[0].event;
    assert_eq!(
        (event.side, event.reason),
        (Side::Backend, Reason::ConnectRefused)
    );
    let endpoint = event.subject.endpoint.as_ref().expect("named");
    assert_eq!(endpoint.address, "10.0.0.1:8080");
}

#[test]
fn no_endpoint_is_named_when_all_are_slow() {
    let mut stage = warmed_up(3, 0);
    let start_ns = stage.now_ns();
    stage.play(10, 20, |n| Exchange {
        // The first late answers all come from one.
        endpoint: if n < 4 { 2 } else { n as usize % 3 },
        ..Exchange::get(0, 80_000)
    });
    let found = stage.found(SlowResponse, Firing);
    assert!(found[0].event.subject.endpoint.is_none());
    let delay_ns = found[0].at_ns - start_ns;
    assert!(delay_ns < SECOND - 100 * MS, "{delay_ns}");
}

#[test]
fn every_anomaly_says_what_is_normal_and_how_that_is_known() {
    let mut stage = Stage::new(&Config::default(), &[1]);
    stage.play(2, 50, |_| Exchange::get(0, 1_000).status(500));
    let probe = Exchange {
        is_probe: true,
        ..Exchange::get(0, 1_000).status(503)
    };
    stage.play(2, 5, |_| probe);
    assert!(stage.found.len() >= 2);
    for found in &stage.found {
        let baseline = found.event.baseline.as_ref().expect("always there");
        assert!(!baseline.is_learnt && baseline.value < found.event.observed.threshold);
        assert!(!found.event.samples.is_empty());
    }
}

/// As in `rauta demo`: slots of two seconds, ten seconds to learn, 60 requests a second.
fn demo(faulty: Exchange) -> (u64, Stage) {
    let config = Config::with_slot(std::time::Duration::from_secs(2));
    let mut stage = Stage::new(&config, &[1]);
    stage.play(10, 60, |n| Exchange::get(0, 15_000 + n * 7_919 % 10_000));
    assert_eq!(stage.found.len(), 0);
    let start_ns = stage.now_ns();
    stage.play(3, 60, |_| faulty);
    (start_ns, stage)
}

#[test]
fn the_demos_slow_and_hanging_origins_are_found_with_half_a_second_to_spare() {
    // From the first slow answer.
    let (start_ns, stage) = demo(Exchange::get(0, 250_000));
    let found = &stage.found(SlowResponse, Firing)[0];
    assert!(found.at_ns - start_ns - 250 * MS <= 500 * MS);
    assert!(found.event.subject.endpoint.is_some());
    // From the moment when three requests are overdue, at 50 ms of age.
    let (start_ns, stage) = demo(Exchange::get(0, 3_600_000_000));
    let found = &stage.found(SlowResponse, Firing)[0];
    assert!(found.at_ns - start_ns - 83 * MS <= 500 * MS);
    assert!(found.event.is_hang() && found.event.subject.endpoint.is_some());
}
