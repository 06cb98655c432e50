//! What is heard from lines of `test2json`.

use super::{Outcome, Progress, printed};

/// Lines as `test2json -t` writes them: test, action, and what it printed or took.
fn event(test: &str, action: &str, rest: &str) -> String {
    let comma = if rest.is_empty() { "" } else { "," };
    format!(
        r#"{{"Time":"2026-11-21T16:00:0{}Z","Action":"{action}","Test":"{test}"{comma}{rest}}}"#,
        test.len() % 10
    )
}

fn heard(lines: &[String]) -> (Progress, Vec<(String, Outcome)>) {
    let mut progress = Progress::default();
    let ended = lines
        .iter()
        .filter_map(|line| progress.take(line))
        .collect();
    (progress, ended)
}

#[test]
fn a_test_ends_with_its_own_event_and_not_with_a_step_s() {
    let (progress, ended) = heard(&[
        event("TestConformance", "run", ""),
        event("TestConformance/HTTPRouteWeight", "run", ""),
        event("TestConformance/HTTPRouteWeight/a_step", "run", ""),
        event(
            "TestConformance/HTTPRouteWeight/a_step",
            "output",
            r#""Output":"    weight.go:1: nothing answers\n""#,
        ),
        event(
            "TestConformance/HTTPRouteWeight/a_step",
            "fail",
            r#""Elapsed":1.5"#,
        ),
        event(
            "TestConformance/HTTPRouteWeight",
            "fail",
            r#""Elapsed":2.5"#,
        ),
        event("TestConformance", "fail", r#""Elapsed":3.5"#),
        event("", "fail", r#""Elapsed":4"#),
    ]);
    assert_eq!(ended, [("HTTPRouteWeight".to_owned(), Outcome::Failed)]);
    let test = &progress.tests["HTTPRouteWeight"];
    assert!((test.seconds - 2.5).abs() < 1e-9);
    assert_eq!(test.output, "    weight.go:1: nothing answers\n");
    assert_eq!(test.began, "2026-11-21T16:00:01Z");
    assert_eq!(progress.passed, Some(false));
    assert!((progress.seconds - 4.0).abs() < 1e-9);
    assert_eq!(progress.setup_error(), None);
}

#[test]
fn a_test_says_which_features_it_needs_and_which_is_not_claimed() {
    let (progress, _) = heard(&[
        event(
            "TestConformance/A",
            "output",
            r#""Output":"  t.go:1: Running A, relying on the following features: Gateway-standard, HTTPRouteDestinationPortMatching-experimental\n""#,
        ),
        event("TestConformance/A", "pass", r#""Elapsed":0.1"#),
        event(
            "TestConformance/B",
            "output",
            r#""Output":"    conformance.go:61: Skipping B: suite does not support Mesh\n""#,
        ),
        event("TestConformance/B", "skip", r#""Elapsed":0"#),
        event("TestConformance", "pass", r#""Elapsed":1"#),
    ]);
    let features = ["Gateway", "HTTPRouteDestinationPortMatching"];
    assert_eq!(progress.tests["A"].features, features);
    assert_eq!(progress.tests["B"].not_claimed.as_deref(), Some("Mesh"));
    assert_eq!(progress.tests["B"].outcome, Some(Outcome::Skipped));
    assert_eq!(progress.passed, Some(true));
}

#[test]
fn a_setup_that_failed_says_why_in_one_line() {
    let output = |text: &str| {
        let line = serde_json::json!({
            "Action": "output", "Test": "TestConformance", "Output": format!("{text}\n"),
        });
        line.to_string()
    };
    let (progress, ended) = heard(&[
        event("TestConformance", "run", ""),
        output("    conformance.go:1: Test Setup: Ensuring GatewayClass has been accepted"),
        output("        Error Trace:\t/suite.go:408"),
        output("        Error:      \tReceived unexpected error:"),
        output("                    \tcontext deadline exceeded"),
        output("        Messages:   \terror waiting for it: context deadline exceeded"),
        output("--- FAIL: TestConformance (5.01s)"),
        event("TestConformance", "fail", r#""Elapsed":5.01"#),
    ]);
    assert!(ended.is_empty());
    let error = progress.setup_error();
    assert_eq!(
        error.as_deref(),
        Some("error waiting for it: context deadline exceeded")
    );
}

#[test]
fn an_error_without_a_message_is_the_error_itself() {
    let (progress, _) = heard(&[
        "\tError:      \tReceived unexpected error:".to_owned(),
        "\t            \tno supported features were determined".to_owned(),
        "\tTest:       \tTestConformance".to_owned(),
    ]);
    let error = progress.setup_error();
    assert_eq!(
        error.as_deref(),
        Some("no supported features were determined")
    );
}

#[test]
fn a_suite_that_dies_says_its_last_words() {
    let (progress, _) = heard(&["flag provided but not defined: -nonsense".to_owned()]);
    let error = progress.setup_error();
    assert_eq!(
        error.as_deref(),
        Some("flag provided but not defined: -nonsense")
    );
    assert_eq!(printed("plain"), "plain\n");
}
