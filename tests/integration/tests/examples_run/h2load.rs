//! h2load: many streams at once, none lost.

use crate::stage::Stage;
use crate::tool::{bounded, said};
use rauta_integration::scaled;

/// Sends that many requests over ten connections with ten streams each.
fn load(stage: &Stage, port: u16, url: &str, requests: usize) -> String {
    let mut command = bounded("h2load");
    command.args(["-n", &requests.to_string(), "-c", "10", "-m", "10"]);
    command.arg(format!("--connect-to={}", stage.at(port)));
    command.arg(url);
    let said = said(command, "nghttp2-client");
    assert_eq!(said.code, 0, "{said:?}");
    said.out
}

/// All of them were answered with 2xx, over that protocol.
fn all_answered(told: &str, protocol: &str, requests: usize) {
    let all = format!(
        "requests: {requests} total, {requests} started, {requests} done, {requests} succeeded, \
         0 failed, 0 errored, 0 timeout"
    );
    let codes = format!("status codes: {requests} 2xx, 0 3xx, 0 4xx, 0 5xx");
    let protocol = format!("Application protocol: {protocol}");
    for line in [all, codes, protocol] {
        assert!(
            told.lines().any(|found| found == line),
            "no {line} in {told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_streams_at_once_lose_nothing_in_the_clear() {
    let requests = scaled(100_000);
    let stage = Stage::start(&["basic-http.yaml"]);
    let origin = stage.echo("default/my-service1").await;
    let told = load(&stage, 80, "http://foo.com/bar", requests);
    all_answered(&told, "h2c", requests);
    assert_eq!(origin.received().len(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_streams_at_once_lose_nothing_over_tls_and_keep_to_the_weights() {
    let requests = scaled(100_000);
    let stage = Stage::start(&["cross-namespace-routing"]);
    let heavy = stage.echo("site-ns/login-v1").await;
    let light = stage.echo("site-ns/login-v2").await;
    let told = load(&stage, 443, "https://foo.example.com/login", requests);
    all_answered(&told, "h2", requests);
    let served = [heavy, light].map(|origin| origin.received().len());
    assert_eq!(served.iter().sum::<usize>(), requests);
    // Each worker keeps to them by itself: what is left of its last ten is all that may differ.
    assert!(served[0].abs_diff(requests / 10 * 9) <= 10, "{served:?}");
}
