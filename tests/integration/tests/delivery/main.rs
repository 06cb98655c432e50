//! Anomalies delivered: by the running program, to a real NATS server, read back by clients that
//! know nothing but the documents.

mod credentials;
mod disk;
mod oracle;
mod permission;
mod relay;
mod security;
mod stage;
mod stream;
mod tls;

use async_nats::jetstream::{self, stream::Config};
use futures_util::StreamExt;
use rauta_integration::{NatsServer, get};
use rauta_schemas::{Evidence, Phase, TapioEvent};
use stage::{Stage, endpoint};
use std::time::Duration;
use stream::{Stored, Stream};
use tokio::time::timeout;

/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the stream until it holds `count` anomalies that fire.
async fn fired(stream: &mut Stream, count: usize) -> Vec<Stored> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let firing = |stored: &&Stored| stored.occurrence.data.phase == Phase::Firing;
    let found = timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            // It may not be there yet.
            stream.read().await.ok();
            let found: Vec<Stored> = stream.stored.iter().filter(firing).cloned().collect();
            if found.len() >= count {
                return found;
            }
        }
    });
    found.await.expect("the stream holds them")
}

async fn injected(stage: &Stage, fault: usize) {
    assert_eq!(
        stage.inject(fault).expect("answers"),
        503,
        "nobody listens there"
    );
}

/// Occurrences that the stream confirmed.
const SENT: &str = "rauta_sink_sent_total{sink=\"nats\",signal=\"occurrences\"}";

/// Tries to deliver occurrences that failed for this reason.
fn failed(reason: &str) -> String {
    format!("rauta_sink_failed_total{{sink=\"nats\",signal=\"occurrences\",reason=\"{reason}\"}}")
}

fn figure(admin: std::net::SocketAddr, beginning: &str) -> Option<f64> {
    let page = get(admin, "localhost", "/metrics").expect("answers").body;
    let line = page.lines().find(|line| line.starts_with(beginning))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until a figure is at least this.
async fn reaches(admin: std::net::SocketAddr, beginning: &str, least: f64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let found = timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            if figure(admin, beginning).is_some_and(|figure| figure >= least) {
                return;
            }
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("{beginning} stays at {:?}", figure(admin, beginning)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_and_a_stream_get_each_anomaly_with_its_evidence() {
    let nats = NatsServer::start("").expect("a NATS server");
    let client = async_nats::connect(nats.url()).await.expect("connects");
    let mut events = client
        .subscribe("tapio.events.>")
        .await
        .expect("subscribes");
    client.flush().await.expect("subscribed");
    let stage = Stage::with(1).await;
    let rauta = stage.rauta(&nats.url(), &[("RAUTA_NATS_STREAM_CREATE", "true")]);
    injected(&stage, 0).await;

    let message = timeout(PATIENCE, events.next())
        .await
        .expect("in time")
        .expect("a message");
    assert_eq!(
        message.subject.as_str(),
        "tapio.events.health.endpoint_ejected"
    );
    let event: TapioEvent = serde_json::from_slice(&message.payload).expect("the Go form");
    assert_eq!(
        (event.source.as_str(), event.subtype.as_str()),
        ("rauta", "endpoint_ejected")
    );
    let raw = event.raw_data.expect("evidence");
    let raw = base64_of(&raw);
    let evidence: Evidence = serde_json::from_slice(&raw).expect("evidence");
    let place = evidence.emission.expect("its place");
    assert_eq!(place.sequence, 1);

    let mut stream = Stream::new(nats.url(), "RAUTA");
    let stored = fired(&mut stream, 1).await.remove(0);
    assert_eq!(stored.subject, "rauta.v1.local.default.endpoint_ejected");
    assert_eq!(stored.id, event.id, "both forms are one anomaly");
    assert_eq!(stored.emission, place);
    let header = |name: &str| stored.headers.get(name).map(ToString::to_string);
    assert_eq!(header("content-type").as_deref(), Some("application/json"));
    assert_eq!(header("rauta-schema").as_deref(), Some("occurrence/1"));
    assert_eq!(
        header("rauta-boot-id").as_deref(),
        Some(place.boot_id.as_str())
    );
    let named = stored.occurrence.entity_ids.iter();
    let wanted = format!("endpoint:{}", endpoint(0));
    assert!(
        named.clone().any(|id| *id == wanted),
        "{wanted} in {:?}",
        stored.occurrence
    );
    reaches(rauta.admin(), SENT, 1.0).await;
    reaches(
        rauta.admin(),
        "rauta_sink_sent_total{sink=\"nats\",signal=\"observer_events\"}",
        1.0,
    )
    .await;
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_the_users_own_gets_messagepack_and_takes_the_place_of_core_nats() {
    let nats = NatsServer::start("").expect("a NATS server");
    let client = async_nats::connect(nats.url()).await.expect("connects");
    let context = jetstream::new(client.clone());
    let config = Config {
        name: "ALL".to_owned(),
        subjects: vec!["rauta.v1.>".to_owned(), "tapio.events.>".to_owned()],
        ..Config::default()
    };
    context.create_stream(config).await.expect("a stream");
    let stage = Stage::with(2).await;
    let mut rauta = stage.rauta(&nats.url(), &[("RAUTA_NATS_ENCODING", "msgpack")]);
    let told = rauta
        .wait_for_text("nothing is published there")
        .expect("told");
    for part in [
        "WARN",
        "the stream ALL takes tapio.events.{type}.{subtype} too",
        "take that subject out of the stream",
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    injected(&stage, 0).await;
    injected(&stage, 1).await;
    let mut stream = Stream::new(nats.url(), "ALL");
    let stored = fired(&mut stream, 2).await;
    assert!(
        stored.iter().all(|s| s.subject.starts_with("rauta.v1.")),
        "{stored:?}"
    );
    let captured = "rauta_sink_dropped_total{sink=\"nats\",signal=\"observer_events\",\
                    reason=\"captured\"}";
    reaches(rauta.admin(), captured, 2.0).await;
    stream.read().await.expect("reads");
    assert!(
        stream
            .stored
            .iter()
            .all(|s| s.subject.starts_with("rauta.v1."))
    );
    assert_eq!(stream.duplicates(), Vec::<&str>::new());
    let told = rauta
        .said()
        .iter()
        .filter(|line| line.contains("the stream ALL takes tapio"));
    assert_eq!(told.count(), 1, "it is said once");
}

#[tokio::test(flavor = "multi_thread")]
async fn anomalies_wait_on_disk_for_a_server_that_comes_later_and_over_a_restart() {
    let mut nats = NatsServer::start("").expect("a NATS server");
    nats.kill();
    let stage = Stage::with(2).await;
    let variables = [("RAUTA_NATS_STREAM_CREATE", "true")];
    let mut rauta = stage.rauta(&nats.url(), &variables);
    injected(&stage, 0).await;
    reaches(rauta.admin(), "rauta_spool_emitted_total", 1.0).await;
    rauta.kill();
    rauta.wait().expect("ends");
    let mut rauta = stage.rauta(&nats.url(), &variables);
    let recovered = "rauta_sink_recovered_total{sink=\"nats\",signal=\"occurrences\"}";
    reaches(rauta.admin(), recovered, 1.0).await;
    injected(&stage, 1).await;
    reaches(rauta.admin(), "rauta_spool_emitted_total", 1.0).await;
    nats.restart().expect("starts again");
    let mut stream = Stream::new(nats.url(), "RAUTA");
    let stored = fired(&mut stream, 2).await;
    assert_eq!(stream.boots().len(), 2, "{stored:?}");
    assert_eq!(stream.duplicates(), Vec::<&str>::new());
    rauta.terminate();
    assert!(rauta.wait().expect("ends").success());
}
