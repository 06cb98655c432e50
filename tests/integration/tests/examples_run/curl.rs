//! curl on every example that has an answer.

use crate::asked::EXAMPLES;
use crate::stage::Stage;
use crate::tool::{bounded, said};

/// Asks, and tells the lines of what came.
fn curl(stage: &Stage, arguments: &[&str]) -> Vec<String> {
    let mut command = bounded("curl");
    command.args(["--disable", "--no-progress-meter", "--verbose", "--include"]);
    command.args(["--max-time", "20", "--noproxy", "*", "--cacert"]);
    command.arg(stage.overlay.authority());
    for port in [80, 443] {
        let there = format!(":{port}:{}", stage.at(port));
        command.args(["--connect-to", &there]);
    }
    command.args(arguments);
    let said = said(command, "curl");
    let mut lines: Vec<String> = said
        .out
        .lines()
        .map(|line| line.trim().to_owned())
        .collect();
    let subjects = said
        .err
        .lines()
        .filter_map(|line| line.split_once("subject: CN="));
    lines.extend(subjects.map(|(_, name)| format!("certificate: {}", name.trim())));
    if said.code != 0 {
        lines.push(format!("exit {}", said.code));
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_with_an_answer_answers_curl_right() {
    let mut wrong = Vec::new();
    for example in EXAMPLES {
        let stage = Stage::start(example.files);
        let _origins = stage.echo_all().await;
        for (arguments, expected) in example.asks {
            let lines = curl(&stage, arguments);
            let missing: Vec<_> = expected
                .iter()
                .filter(|expected| !lines.iter().any(|line| line == *expected))
                .collect();
            if !missing.is_empty() {
                wrong.push(format!("{arguments:?}: no {missing:?} in {lines:#?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_of_90_and_10_give_each_connection_90_and_10_of_its_hundred() {
    let stage = Stage::start(&["cross-namespace-routing"]);
    let _origins = stage.echo_all().await;
    let lines = curl(&stage, &["https://foo.example.com/login/[1-100]"]);
    let served_by = |service: &str| {
        let line = format!("served-by: site-ns/{service}");
        lines.iter().filter(|found| **found == line).count()
    };
    assert_eq!((served_by("login-v1"), served_by("login-v2")), (90, 10));
}
