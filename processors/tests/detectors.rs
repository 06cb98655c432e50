//! Each detector's contract, on the production code in simulated time.

mod stage;

use rauta_processors::Config;
use rauta_schemas::{
    AnomalyKind, EndpointTransition, Family, HttpMethod, Phase, Reason, Severity, Side,
};
use stage::{Ending, Exchange, MS, SECOND, Stage};

use AnomalyKind::{EndpointEjected, ErrorSpike, ProbeFailed, SlowResponse};
use Phase::{Cleared, Firing};

/// A stage with three routes (one endpoint, three, one), on which all went well for two minutes:
/// 100 exchanges a second on each of the first two, 10 ms each.
fn warmed_up() -> Stage {
    let mut stage = Stage::new(&Config::default(), &[1, 3, 1]);
    stage.play(120, 200, |n| fine(n % 2, n / 2));
    assert_eq!(stage.found.len(), 0);
    stage
}

fn fine(route: u64, n: u64) -> Exchange {
    Exchange {
        endpoint: n as usize % 3,
        ..Exchange::get(route as usize, 9_000 + n % 7 * 400)
    }
}

#[test]
fn a_slow_backend_is_found_with_its_evidence_and_cleared() {
    let mut stage = warmed_up();
    let start_ns = stage.now_ns();
    stage.play(20, 100, |_| Exchange::get(0, 60_000));
    let found = stage.found(SlowResponse, Firing);
    assert_eq!(found.len(), 1);
    let delay_ns = found[0].at_ns - start_ns;
    assert!(delay_ns <= 700 * MS, "{delay_ns}");
    let event = &found[0].event;
    assert_eq!(event.key, "slow_response/HTTPRoute/shop/route-0/0/GET");
    assert_eq!(
        (event.severity, event.side),
        (Severity::Warning, Side::Backend)
    );
    assert_eq!(event.samples.len().min(3), 3);
    assert_eq!(
        (event.samples[0].path.as_str(), event.samples[0].status),
        ("/cart", 200)
    );
    assert!(event.subject.endpoint.is_some());
    let baseline = event.baseline.as_ref().expect("learnt");
    assert!((10.9..12.1).contains(&baseline.value), "{}", baseline.value);
    assert!(baseline.samples >= 5_000);
    assert!((58.0..62.0).contains(&event.observed.value));
    assert!(event.observed.chance.expect("computed") < 1e-9);
    assert_eq!(stage.found(SlowResponse, Cleared).len(), 0);

    stage.play(60, 100, |n| fine(0, n));
    let cleared = stage.found(SlowResponse, Cleared);
    assert_eq!(cleared.len(), 1);
    assert_eq!(cleared[0].event.key, event.key);
    assert!(
        cleared[0].event.count >= 1_900,
        "every slow answer: {}",
        cleared[0].event.count
    );
    assert_eq!(stage.found.len(), 2);
}

#[test]
fn what_was_seen_in_an_anomaly_is_not_learnt() {
    let mut stage = warmed_up();
    stage.play(1_200, 100, |_| Exchange::get(0, 60_000));
    let found = stage.found(SlowResponse, Firing);
    assert_eq!(found.len(), 20, "one occurrence per minute");
    let value = |n: usize| found[n].event.baseline.as_ref().expect("learnt").value;
    assert!(
        (value(19) - value(0)).abs() < 1e-9,
        "{} became {}",
        value(0),
        value(19)
    );
    assert_eq!(stage.found(SlowResponse, Cleared).len(), 0);
}

#[test]
fn a_hanging_backend_is_found_while_it_hangs() {
    let mut stage = warmed_up();
    let start_ns = stage.now_ns();
    for n in 0..30 {
        let hang = Exchange {
            endpoint: 1,
            ..Exchange::get(1, 3_600_000_000)
        };
        stage.begin(Exchange {
            start_ns: start_ns + n * 100 * MS,
            ..hang
        });
        for other in [0, 2] {
            let good = Exchange {
                endpoint: other,
                ..Exchange::get(1, 10_000)
            };
            stage.begin(Exchange {
                start_ns: start_ns + n * 100 * MS,
                ..good
            });
        }
    }
    let found = stage.found(SlowResponse, Firing);
    assert_eq!(found.len(), 1);
    let event = &found[0].event;
    // The third request is overdue 300 ms after the first began: 200 ms later and a first report.
    assert!(
        found[0].at_ns - start_ns <= 1_000 * MS,
        "{}",
        found[0].at_ns - start_ns
    );
    assert!(event.is_hang());
    assert_eq!(event.severity, Severity::Error);
    let endpoint = event.subject.endpoint.as_ref().expect("named");
    assert_eq!(endpoint.address, "10.0.1.1:8080");
    assert_eq!(event.samples[0].outcome, None);
    stage.run_for(600 * SECOND);
    assert_eq!(
        stage.found(SlowResponse, Cleared).len(),
        0,
        "it still hangs"
    );
}

#[test]
fn slow_clients_streams_and_probes_are_not_slow_backends() {
    let mut stage = warmed_up();
    let base = Exchange::get(0, 10_000);
    stage.play(30, 20, |n| match n % 6 {
        0 => Exchange {
            upload_us: 5_000_000,
            ..base
        },
        1 => Exchange {
            download_us: 5_000_000,
            ..base
        },
        2 => Exchange {
            is_streaming: true,
            download_us: 60_000_000,
            ..base
        },
        3 => Exchange {
            is_probe: true,
            backend_us: 2_000_000,
            ..base
        },
        4 => Exchange {
            upload_us: 9_000_000,
            ending: Ending::Left(4_000_000),
            ..base
        },
        _ => Exchange {
            method: HttpMethod::Post,
            backend_us: 2_000_000,
            ..base
        },
    });
    assert_eq!(stage.found(SlowResponse, Firing).len(), 0);
}

#[test]
fn clients_that_give_up_do_not_hide_a_hanging_backend() {
    let mut stage = warmed_up();
    let hang = Exchange {
        ending: Ending::Left(60_000),
        ..Exchange::get(0, 30_000_000)
    };
    stage.play(5, 50, |_| hang);
    assert_eq!(stage.found(SlowResponse, Firing).len(), 1);
}

#[test]
fn errors_of_backend_and_gateway_are_told_apart() {
    let mut stage = warmed_up();
    let start_ns = stage.now_ns();
    stage.play(10, 100, |n| match n % 2 {
        0 => Exchange::get(0, 10_000).status(503),
        _ => fine(0, n),
    });
    let found = stage.found(ErrorSpike, Firing);
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].event.key,
        "error_spike/HTTPRoute/shop/route-0/0/backend"
    );
    assert_eq!(found[0].event.side, Side::Backend);
    // The tenth error comes after 200 ms.
    assert!(
        found[0].at_ns - start_ns <= 1_200 * MS,
        "{}",
        found[0].at_ns - start_ns
    );
    assert!(found[0].event.observed.affected >= 10);

    let refusal = Exchange {
        ending: Ending::Gateway(Reason::NoEndpoint),
        ..Exchange::get(1, 0).status(503)
    };
    stage.play(10, 50, |_| refusal);
    let found = stage.found(ErrorSpike, Firing);
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[1].event.key,
        "error_spike/HTTPRoute/shop/route-1/0/gateway"
    );
    assert_eq!(
        (found[1].event.side, found[1].event.reason),
        (Side::Gateway, Reason::NoEndpoint)
    );
}

#[test]
fn errors_of_both_makers_suffice_together() {
    let mut stage = warmed_up();
    let refusal = Exchange {
        ending: Ending::Gateway(Reason::Overload),
        ..Exchange::get(0, 0).status(503)
    };
    stage.play(9, 100, |n| match n {
        _ if n % 160 == 0 => Exchange::get(0, 10_000).status(500),
        _ if n % 160 == 80 => refusal,
        _ => fine(0, n),
    });
    let found = stage.found(ErrorSpike, Firing);
    assert_eq!(found.len(), 0, "11 of 900 are not 5 %");

    let mut stage = Stage::new(&Config::default(), &[1]);
    stage.play(1, 20, |n| match n {
        0..6 => Exchange::get(0, 10_000).status(500),
        10..15 => refusal,
        _ => fine(0, n),
    });
    let found = stage.found(ErrorSpike, Firing);
    assert_eq!(
        found.len(),
        1,
        "a new route that fails is found without a baseline"
    );
    assert!(found[0].event.key.ends_with("/backend"));
}

#[test]
fn grpc_statuses_and_cut_answers_count_as_errors() {
    for grpc_status in 0..17u8 {
        let mut stage = warmed_up();
        let call = Exchange {
            grpc_status: Some(grpc_status),
            ..Exchange::get(0, 10_000)
        };
        stage.play(10, 50, |_| call);
        let is_error = [2, 4, 12, 13, 14, 15].contains(&grpc_status);
        let found = stage.found(ErrorSpike, Firing).len();
        assert_eq!(found, usize::from(is_error), "grpc-status {grpc_status}");
    }
    let mut stage = warmed_up();
    let cut = Exchange {
        ending: Ending::Cut,
        ..Exchange::get(0, 10_000)
    };
    stage.play(10, 50, |_| cut);
    assert_eq!(stage.found(ErrorSpike, Firing).len(), 1);
}

#[test]
fn client_errors_and_few_errors_are_no_spike() {
    let mut stage = warmed_up();
    stage.play(60, 100, |n| match n % 100 {
        0 => Exchange::get(0, 10_000).status(500),
        1..60 => Exchange::get(0, 10_000).status(404),
        _ => fine(0, n),
    });
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn two_failed_probes_warn_and_three_are_an_error() {
    let mut stage = warmed_up();
    let probe = Exchange {
        is_probe: true,
        path: "/healthz",
        ..Exchange::get(2, 1_000)
    };
    stage.play(10, 5, |n| match n {
        5 | 20 | 21 => probe.status(503),
        22 => Exchange {
            ending: Ending::Left(150_000),
            backend_us: 9_000_000,
            ..probe
        },
        _ => probe,
    });
    let found = stage.found(ProbeFailed, Firing);
    assert_eq!(found.len(), 2);
    let said: Vec<_> = found
        .iter()
        .map(|f| (f.event.severity, f.event.observed.value))
        .collect();
    assert_eq!(said, [(Severity::Warning, 2.0), (Severity::Error, 3.0)]);
    assert_eq!(
        found[0].event.key,
        "probe_failed/HTTPRoute/shop/route-2/0//healthz"
    );
    assert_eq!(found[1].event.key, found[0].event.key);
    stage.play(60, 5, |_| probe);
    assert_eq!(stage.found(ProbeFailed, Cleared).len(), 1);
    assert_eq!(stage.found.len(), 3);
}

#[test]
fn one_failing_endpoint_among_good_ones_is_found_by_its_own_row() {
    let mut stage = warmed_up();
    stage.play(4, 5, |n| {
        let status = if n % 3 == 2 { 500 } else { 200 };
        let probe = Exchange {
            is_probe: true,
            endpoint: n as usize,
            ..Exchange::get(1, 1_000)
        };
        probe.status(status)
    });
    let found = stage.found(ProbeFailed, Firing);
    assert_eq!(found[0].event.severity, Severity::Warning);
    let endpoint = found[0].event.subject.endpoint.as_ref().expect("named");
    assert_eq!(endpoint.address, "10.0.1.2:8080");
}

#[test]
fn flapping_probes_are_no_row() {
    let mut stage = warmed_up();
    let probe = Exchange {
        is_probe: true,
        ..Exchange::get(0, 1_000)
    };
    stage.play(60, 5, |n| probe.status(if n % 2 == 0 { 503 } else { 200 }));
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn after_losses_a_row_of_failed_probes_needs_one_more() {
    let mut stage = warmed_up();
    let failed = Exchange {
        is_probe: true,
        ..Exchange::get(0, 1_000).status(503)
    };
    stage.play(1, 1, |_| failed);
    stage.lose(Family::HttpResponse, 7);
    stage.play(1, 1, |_| failed);
    assert_eq!(stage.found.len(), 0, "a good answer may have come between");
    stage.play(1, 1, |_| failed);
    let found = stage.found(ProbeFailed, Firing);
    assert_eq!((found.len(), found[0].event.observed.lost), (1, 7));
}

#[test]
fn an_ejected_endpoint_is_told_once_and_cleared_when_it_is_back() {
    let mut stage = warmed_up();
    for _ in 0..5 {
        stage.endpoint(1, 2, EndpointTransition::Ejected);
        stage.run_for(SECOND);
        stage.endpoint(1, 2, EndpointTransition::Recovered);
        stage.run_for(SECOND);
    }
    stage.run_for(120 * SECOND);
    let said: Vec<_> = stage
        .found
        .iter()
        .map(|f| (f.event.kind, f.event.phase))
        .collect();
    assert_eq!(
        said,
        [(EndpointEjected, Firing), (EndpointEjected, Cleared)]
    );
    assert_eq!(stage.found[1].event.count, 5);
    assert_eq!(
        stage.found[0].event.key,
        "endpoint_ejected/Service/shop/service-1/8080/10.0.1.2:8080"
    );
}

#[test]
fn lost_responses_do_not_make_finished_exchanges_look_open() {
    let mut stage = warmed_up();
    // Each is reported open at 100 ms and answers soon after; the response's event is lost.
    let start_ns = stage.now_ns();
    stage.play(1, 1, |n| fine(0, n));
    for n in 0..20 {
        let slow = Exchange::get(0, 3_600_000_000);
        let at_ns = start_ns + n;
        let mut event = slow.progress_event(15 * MS, 5_000 * SECOND, &stage.identity(&slow));
        event.start_ns += at_ns;
        event.exchange.ordinal = n as u32;
        stage.publish(rauta_schemas::Event::HttpProgress(event));
    }
    stage.lose(Family::HttpResponse, 20);
    stage.run_for(30 * SECOND);
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn a_restart_inside_an_incident_does_not_learn_the_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config {
        state_file: Some(folder.path().join("baselines")),
        ..Config::default()
    };
    let mut stage = Stage::new(&config, &[1]);
    stage.play(120, 100, |n| fine(0, n));
    stage.play(5, 100, |_| Exchange::get(0, 60_000));
    assert_eq!(stage.found(SlowResponse, Firing).len(), 1);
    stage.stop();

    let mut stage = Stage::new(&config, &[1]);
    stage.play(5, 100, |_| Exchange::get(0, 60_000));
    let found = stage.found(SlowResponse, Firing);
    assert_eq!(found.len(), 1, "found again with the baseline of before");
    assert!(found[0].event.baseline.as_ref().expect("restored").value < 13.0);
    stage.stop();

    let mut stage = Stage::new(&config, &[1]);
    stage.play(60, 100, |n| fine(0, n));
    assert_eq!(stage.found.len(), 0);
}

#[test]
fn a_hundred_thousand_routes_keep_the_bounds() {
    let config = Config {
        keys_max: 1_000,
        ..Config::default()
    };
    let mut stage = Stage::new(&config, &vec![1; 100_000]);
    stage.play(100, 1_000, |n| Exchange::get(n as usize % 100_000, 10_000));
    stage.run_for(SECOND);
    for processor in ["slow_response", "error_rate"] {
        let usage = stage.usage(processor);
        assert_eq!(usage.keys, 1_000, "{processor}");
        // The first were idle by then; before, others found no place.
        assert!(usage.evicted > 0, "{processor}: {usage:?}");
        assert_eq!(usage.evicted + usage.refused, 99_000, "{processor}");
    }
}

#[test]
fn where_all_keys_are_in_use_those_that_are_known_are_still_watched() {
    const ROUTES: u64 = 110;
    let config = Config {
        keys_max: 100,
        ..Config::default()
    };
    let mut stage = Stage::new(&config, &vec![1; ROUTES as usize]);
    let fine = |n: u64| Exchange::get((n % ROUTES) as usize, 10_000 + n % 7);
    stage.play(120, 2 * ROUTES, fine);
    // One of ten turns slow.
    stage.play(30, 2 * ROUTES, |n| match n % ROUTES % 10 {
        0 => Exchange::get((n % ROUTES) as usize, 300_000),
        _ => fine(n),
    });
    stage.run_for(SECOND);
    let found = stage.found(SlowResponse, Firing);
    let keys: std::collections::HashSet<_> = found.iter().map(|found| &found.event.key).collect();
    assert_eq!(keys.len(), 10, "ten of the hundred that are known");
    let usage = stage.usage("slow_response");
    assert_eq!((usage.keys, usage.evicted), (100, 0));
    assert!(usage.refused > 0);
}
