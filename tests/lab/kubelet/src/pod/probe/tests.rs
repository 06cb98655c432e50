//! When a probe asks, what counts, and what is found.

use super::*;
use serde_json::{Value, json};
use std::net::IpAddr;

#[test]
fn what_a_probe_leaves_out_has_kubernetes_defaults() {
    let timing = Timing::of(&Probe::default());
    assert_eq!(timing.initial_delay, Duration::ZERO);
    assert_eq!(timing.period, Duration::from_secs(10));
    assert_eq!(timing.timeout, Duration::from_secs(1));
    assert_eq!(
        (timing.thresholds.success, timing.thresholds.failure),
        (1, 3)
    );
}

#[tokio::test]
async fn a_port_that_refuses_is_unhealthy_and_then_dead() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    let probe = json!({
        "tcpSocket": { "port": port }, "periodSeconds": 1, "failureThreshold": 1,
    });
    let probe: Probe = serde_json::from_value(probe).expect("a probe");
    let target = Target::for_tests(IpAddr::from([127, 0, 0, 1]));
    let (findings, mut found) = mpsc::channel(4);
    watch(Purpose::Liveness, probe, target, Instant::now(), findings).await;
    assert!(matches!(
        found.recv().await,
        Some(Finding::Unhealthy(Purpose::Liveness, Failure::Bad(_)))
    ));
    assert!(matches!(
        found.recv().await,
        Some(Finding::Verdict(Purpose::Liveness, false))
    ));
}

/// Plays answers (`+` good, `-` bad, `?` unasked, `.` none at all) to a probe for that many
/// seconds; what it finds, each with its second after the container's start.
async fn found(purpose: Purpose, probe: Value, answers: &str, seconds: u64) -> Vec<String> {
    let timing = Timing::of(&serde_json::from_value(probe).expect("a probe"));
    let start = Instant::now();
    let mut rest = answers.bytes();
    let ask = || {
        let answer = rest.next();
        async move {
            match answer {
                Some(b'+') => Ok(()),
                Some(b'-') => Err(Failure::Bad("no".to_owned())),
                Some(b'?') => Err(Failure::Unasked("no".to_owned())),
                _ => std::future::pending().await,
            }
        }
    };
    let (findings, mut finds) = mpsc::channel(1);
    let mut said = Vec::new();
    let listen = async {
        while let Some(finding) = finds.recv().await {
            let second = start.elapsed().as_secs();
            said.push(match finding {
                Finding::Unhealthy(_, why) => format!("{second} {why}"),
                Finding::Verdict(_, verdict) => format!("{second} {verdict}"),
            });
        }
    };
    let rounds = rounds(purpose, timing, ask, start, findings);
    let both = async { tokio::join!(rounds, listen) };
    let limit = Duration::from_millis(seconds * 1000 + 500);
    drop(tokio::time::timeout(limit, both).await);
    said
}

#[tokio::test(start_paused = true)]
async fn the_first_question_waits_for_the_delay_and_the_others_for_the_period() {
    let probe = json!({ "initialDelaySeconds": 5, "periodSeconds": 3, "failureThreshold": 1 });
    let found = found(Purpose::Readiness, probe, "+-+", 11).await;
    assert_eq!(
        found,
        ["5 true", "8 failed: no", "8 false", "11 true"].map(str::to_owned)
    );
}

#[tokio::test(start_paused = true)]
async fn both_thresholds_count_answers_in_a_row() {
    let probe = json!({ "periodSeconds": 1, "successThreshold": 2, "failureThreshold": 3 });
    let mut found = found(Purpose::Readiness, probe, "+-++--+---", 9).await;
    found.retain(|said| !said.contains("failed"));
    assert_eq!(found, ["3 true", "9 false"].map(str::to_owned));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_could_not_be_asked_counts_neither_way() {
    let probe = json!({ "periodSeconds": 1, "failureThreshold": 2 });
    let found = found(Purpose::Liveness, probe, "-??-", 3).await;
    assert_eq!(
        found,
        [
            "0 failed: no",
            "1 errored and resulted in unknown state: no",
            "2 errored and resulted in unknown state: no",
            "3 failed: no",
            "3 false"
        ]
        .map(str::to_owned)
    );
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_bad_answer_when_its_time_is_over() {
    let probe = json!({ "timeoutSeconds": 2, "periodSeconds": 5, "failureThreshold": 1 });
    let found = found(Purpose::Liveness, probe, ".", 3).await;
    assert_eq!(
        found,
        ["2 failed: probe timed out after 2s", "2 false"].map(str::to_owned)
    );
}

#[tokio::test(start_paused = true)]
async fn a_startup_probe_asks_until_its_first_verdict() {
    let probe = json!({ "periodSeconds": 1, "failureThreshold": 3 });
    let found = found(Purpose::Startup, probe, "--+---", 9).await;
    assert_eq!(
        found,
        ["0 failed: no", "1 failed: no", "2 true"].map(str::to_owned)
    );
}
