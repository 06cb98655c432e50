//! A report, and the table of it.

use super::{Report, table, time};
use crate::progress::{Outcome, Progress, Test};

const REPORT: &str = r#"
apiVersion: gateway.networking.k8s.io/v1
date: "2026-11-21T16:00:00Z"
gatewayAPIChannel: standard
gatewayAPIVersion: v1.7.0
kind: ConformanceReport
mode: default
profiles:
- core:
    failedTests:
    - HTTPRouteWeight
    result: failure
    statistics:
      Failed: 1
      Passed: 39
      Skipped: 0
  extended:
    result: success
    statistics:
      Failed: 0
      Passed: 12
      Skipped: 2
    supportedFeatures:
    - GatewayPort8080
    unsupportedFeatures:
    - HTTPRouteCORS
  name: GATEWAY-HTTP
  summary: Core tests failed with 1 test failures. Extended tests succeeded.
"#;

fn test(outcome: Outcome, seconds: f64, features: &[&str]) -> Test {
    Test {
        outcome: Some(outcome),
        seconds,
        features: features.iter().map(|&feature| feature.to_owned()).collect(),
        ..Test::default()
    }
}

#[test]
fn a_profile_is_one_row_and_tests_of_no_profile_are_another() {
    let mut progress = Progress {
        seconds: 754.0,
        ..Progress::default()
    };
    let unclaimed = Test {
        not_claimed: Some("Mesh".to_owned()),
        ..test(Outcome::Skipped, 0.0, &[])
    };
    for (name, test) in [
        (
            "HTTPRouteWeight",
            test(Outcome::Failed, 61.0, &["Gateway", "HTTPRoute"]),
        ),
        (
            "Redirect",
            test(
                Outcome::Passed,
                2.0,
                &["Gateway", "HTTPRoute", "GatewayPort8080"],
            ),
        ),
        (
            "Kind",
            test(Outcome::Passed, 0.25, &["Gateway", "HTTPRoute", "TLSRoute"]),
        ),
        ("MeshBasic", unclaimed),
    ] {
        progress.tests.insert(name.to_owned(), test);
    }
    let report = Report::parse(REPORT).expect("a report");
    let profiles = ["GATEWAY-HTTP", "GATEWAY-UDP"].map(str::to_owned);
    let expected = "
                              core               extended
profile       passed failed   skip   passed failed   skip  test time
GATEWAY-HTTP      39      1      0       12      0      2  1 min 3 s
GATEWAY-UDP        0      0      0        0      0      0      0.0 s
in no profile      1      0      0        0      0      0      0.3 s
4 tests: 2 passed, 1 failed, 1 skipped (1 need a feature that is not claimed); wall time 12 min 34 s
";
    assert_eq!(table(&profiles, &report, &progress), expected[1..]);
}

#[test]
fn a_run_without_a_report_still_has_a_table() {
    let profiles = ["GATEWAY-HTTP".to_owned()];
    let text = table(&profiles, &Report::default(), &Progress::default());
    assert!(
        text.contains("GATEWAY-HTTP       0      0      0"),
        "{text}"
    );
}

#[test]
fn a_report_without_a_test_has_null_for_its_profiles() {
    let text = "gatewayAPIChannel: standard\ngatewayAPIVersion: v1.7.0\nprofiles: null\n";
    assert!(Report::parse(text).expect("a report").profiles.is_none());
}

#[test]
fn seconds_become_minutes() {
    for (seconds, expected) in [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (119.6, "2 min 0 s"),
        (3600.0, "60 min 0 s"),
    ] {
        assert_eq!(time(seconds), expected, "{seconds}");
    }
}
