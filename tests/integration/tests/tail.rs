//! `rauta tail` and `rauta schema` as people and scripts call them.

use rauta_integration::{Manifests, NatsServer, Rauta, built, get, route, service};
use rauta_test_support::{RawClient, in_time};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Enough failed answers for an error spike.
const REQUESTS: usize = 20;

/// An address where nothing listens.
fn dead_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

async fn fail(gateway: SocketAddr) {
    for _ in 0..REQUESTS {
        let mut client = RawClient::connect(gateway).await;
        let request = "GET /dead HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        client.send(request).await;
        client.rest().await;
    }
}

async fn rauta(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(built());
    let output = command.args(arguments).stdin(Stdio::null()).output();
    in_time("rauta ends", output).await.expect("it starts")
}

/// A `rauta tail` that runs until it is dropped, and what it prints.
fn live(arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut live = Command::new(built())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let stdout = live.stdout.take().expect("piped");
    (live, BufReader::new(stdout).lines())
}

async fn line_with(lines: &mut Lines<BufReader<ChildStdout>>, text: &str) -> String {
    in_time(text, async {
        loop {
            let line = lines.next_line().await.expect("readable");
            let line = line.unwrap_or_else(|| panic!("ended before `{text}`"));
            if line.contains(text) {
                return line;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anomaly_is_shown_live_and_read_from_its_file_later() {
    let dead = dead_address();
    let manifests = Manifests::new().expect("a folder");
    let text = service("dead", dead) + &route("dead", "/dead", "dead");
    manifests.write("routes.yaml", &text).expect("written");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("anomalies.jsonl");
    let file = file.to_str().expect("UTF-8");
    let arguments = ["--manifests", manifests.argument(), "--anomaly-log", file];
    let rauta_run = Rauta::start(&arguments, &[]).expect("starts");
    let admin = rauta_run.admin().to_string();
    let (_live, mut lines) = live(&["tail", "--admin", &admin]);

    fail(manifests.gateway()).await;
    let head = line_with(&mut lines, "error_spike").await;
    assert!(head.contains("HTTPRoute default/dead /dead/*"), "{head}");
    let fault = line_with(&mut lines, "at fault:").await;
    assert!(fault.contains("backend, connect_refused"), "{fault}");

    let told = rauta(&["tail", "--file", file, "--once", "--json"]).await;
    assert!(told.status.success());
    let written = std::fs::read_to_string(file).expect("readable");
    assert_eq!(String::from_utf8_lossy(&told.stdout), written);
    let kept = get(rauta_run.admin(), "localhost", "/events").expect("answers");
    let kept: Vec<Value> = serde_json::from_str(&kept.body).expect("JSON");
    let first: Value = serde_json::from_str(written.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["id"], kept[0]["id"]);
    let last = rauta(&["tail", "--admin", &admin, "--once", "--last", "0"]).await;
    assert_eq!((last.status.code(), last.stdout.len()), (Some(0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn anomalies_are_heard_over_nats_live_and_out_of_the_stream() {
    let nats = NatsServer::start("authorization { user: a, password: s3cret }").expect("NATS runs");
    let url = format!("nats://a:s3cret@{}", nats.address());
    let dead = dead_address();
    let manifests = Manifests::new().expect("a folder");
    let text = service("dead", dead) + &route("dead", "/dead", "dead");
    manifests.write("routes.yaml", &text).expect("written");
    let server = nats.url();
    let variables = [
        ("RAUTA_NATS_URL", &*server),
        ("RAUTA_NATS_USER", "a"),
        ("RAUTA_NATS_PASSWORD", "s3cret"),
        ("RAUTA_NATS_STREAM_CREATE", "true"),
        ("RAUTA_NATS_ENCODING", "msgpack"),
    ];
    let arguments = ["--manifests", manifests.argument()];
    let _rauta = Rauta::start(&arguments, &variables).expect("starts");
    let (_live, mut lines) = live(&["tail", "--nats", &url]);
    fail(manifests.gateway()).await;
    line_with(&mut lines, "error_spike").await;

    let told = rauta(&["tail", "--nats", &url, "--once", "--json"]).await;
    let first = String::from_utf8_lossy(&told.stdout)
        .lines()
        .next()
        .map(str::to_owned);
    let first: Value = serde_json::from_str(&first.expect("a line")).expect("JSON");
    assert_eq!(first["source"], "rauta");
    let other = ["--subject", "rauta.v1.other.>"];
    let told = rauta(&[&["tail", "--nats", &url, "--once"][..], &other].concat()).await;
    assert_eq!((told.status.code(), told.stdout.len()), (Some(0), 0));

    let none = rauta(&["tail", "--nats", &url, "--subject", "no subject"]).await;
    assert_eq!(none.status.code(), Some(64));
    let wrong = format!("nats://a:other@{}", nats.address());
    let told = rauta(&["tail", "--nats", &wrong]).await;
    assert_eq!(told.status.code(), Some(70));
    let line = String::from_utf8_lossy(&told.stderr);
    assert!(line.contains("--nats") && !line.contains("other"), "{line}");
}

#[tokio::test]
async fn a_wrong_source_is_one_clear_line() {
    let dead = dead_address().to_string();
    let told = rauta(&["tail", "--admin", &dead]).await;
    assert_eq!(told.status.code(), Some(70));
    let line = String::from_utf8_lossy(&told.stderr);
    assert!(
        line.contains(&format!("--admin: nothing answers at {dead}")),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("other.jsonl");
    let missing = rauta(&["tail", "--file", file.to_str().expect("UTF-8")]).await;
    assert_eq!(missing.status.code(), Some(64), "the asker's mistake");
    let line = String::from_utf8_lossy(&missing.stderr);
    assert!(line.contains("--file: "), "{line}");
    std::fs::write(&file, "{}\n{\"\u{1b}[2J\"}\n").expect("written");
    let told = rauta(&["tail", "--once", "--file", file.to_str().expect("UTF-8")]).await;
    assert_eq!(told.status.code(), Some(0));
    let lines = String::from_utf8_lossy(&told.stderr);
    assert!(lines.contains("no anomaly: missing field `id`"), "{lines}");
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(!lines.contains('\u{1b}'), "{lines:?}");
}

#[tokio::test]
async fn every_schema_is_printed_by_name() {
    let all = rauta(&["schema"]).await;
    let all: Value = serde_json::from_slice(&all.stdout).expect("JSON");
    let names: Vec<_> = all.as_object().expect("by name").keys().collect();
    assert!(names.len() >= 7, "{names:?}");
    let one = rauta(&["schema", "occurrence"]).await;
    let one: Value = serde_json::from_slice(&one.stdout).expect("JSON");
    assert_eq!(one, all["occurrence"]);
    let none = rauta(&["schema", "ocurrence"]).await;
    assert_eq!(none.status.code(), Some(64));
    let line = String::from_utf8_lossy(&none.stderr);
    assert!(line.contains("occurrence"), "{line}");
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut schema = Command::new(built())
        .arg("schema")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    // All schemas are more than a pipe holds.
    drop(schema.stdout.take());
    let ended = in_time("rauta ends", schema.wait_with_output()).await;
    let ended = ended.expect("it started");
    assert_eq!(
        (ended.status.code(), String::from_utf8_lossy(&ended.stderr)),
        (Some(0), "".into())
    );
}
