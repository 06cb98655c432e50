//! A user who may connect, and may not publish: nothing counts as sent until the server takes it.

use crate::security::is_told_once;
use crate::stage::Stage;
use crate::{PATIENCE, SENT, failed, figure, fired, injected, reaches, stream::Stream};
use async_nats::ConnectOptions;
use futures_util::StreamExt;
use rauta_integration::{NatsServer, Rauta};
use tokio::time::timeout;

const EVENTS_SENT: &str = "rauta_sink_sent_total{sink=\"nats\",signal=\"observer_events\"}";
const EVENTS_REFUSED: &str =
    "rauta_sink_failed_total{sink=\"nats\",signal=\"observer_events\",reason=\"unauthorized\"}";
const VARIABLES: [(&str, &str); 4] = [
    ("RAUTA_NATS_USER", "rauta"),
    ("RAUTA_NATS_PASSWORD", "secret"),
    ("RAUTA_NATS_STREAM_CREATE", "true"),
    ("RAUTA_LOG_LEVEL", "debug"),
];

/// RAUTA's user, who may not publish to these subjects, and a reader's.
fn denied(subjects: &str) -> String {
    permitted(&format!("publish: {{ deny: [{subjects}] }}"))
}

fn permitted(permissions: &str) -> String {
    format!(
        "authorization {{ users: [\n\
         {{ user: rauta, password: secret, permissions: {{ {permissions} }} }}\n\
         {{ user: reader, password: secret }} ] }}"
    )
}

fn reader() -> ConnectOptions {
    ConnectOptions::with_user_and_password("reader".to_owned(), "secret".to_owned())
}

/// Nobody says that a connection came or went.
fn stays_connected(rauta: &mut Rauta) {
    let said = rauta.said();
    let count = |text: &str| said.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("the connection is lost"), 0, "{said:#?}");
    assert_eq!(count("\"connected\""), 1, "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn core_events_that_may_not_be_published_wait_for_the_permission() {
    for (subject, named) in [
        ("\"tapio.>\"", "tapio.events.health.endpoint_ejected"),
        ("\"_INBOX.>\"", "publish to _INBOX.>"),
    ] {
        let nats = NatsServer::start(&denied(subject)).expect("a NATS server");
        let client = reader().connect(nats.url()).await.expect("connects");
        let stage = Stage::with(1).await;
        let mut rauta = stage.rauta(&nats.url(), &VARIABLES);
        injected(&stage, 0).await;
        reaches(rauta.admin(), EVENTS_REFUSED, 2.0).await;
        reaches(rauta.admin(), SENT, 1.0).await;
        assert_eq!(figure(rauta.admin(), EVENTS_SENT).unwrap_or(0.0), 0.0);
        is_told_once(&mut rauta, named);

        let mut events = client.subscribe("tapio.>").await.expect("subscribes");
        client.flush().await.expect("subscribed");
        nats.configure(&denied("")).expect("written");
        nats.reload().expect("told");
        reaches(rauta.admin(), EVENTS_SENT, 1.0).await;
        let event = timeout(PATIENCE, events.next()).await.expect("in time");
        let subject = event.expect("a message").subject;
        assert_eq!(subject.as_str(), "tapio.events.health.endpoint_ejected");
        stays_connected(&mut rauta);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn occurrences_that_may_not_be_published_wait_for_the_permission() {
    let nats = NatsServer::start(&denied("\"rauta.>\"")).expect("a NATS server");
    let stage = Stage::with(1).await;
    let mut rauta = stage.rauta(&nats.url(), &VARIABLES);
    injected(&stage, 0).await;
    reaches(rauta.admin(), &failed("unauthorized"), 3.0).await;
    for reason in ["timeout", "unreachable"] {
        let figure = figure(rauta.admin(), &failed(reason)).unwrap_or(0.0);
        assert_eq!(figure, 0.0, "{reason}");
    }
    reaches(rauta.admin(), EVENTS_SENT, 1.0).await;
    is_told_once(&mut rauta, "rauta.v1.local.default.endpoint_ejected");

    nats.configure(&denied("")).expect("written");
    nats.reload().expect("told");
    reaches(rauta.admin(), SENT, 1.0).await;
    let mut stream = Stream::with(reader(), nats.url(), "RAUTA");
    assert_eq!(fired(&mut stream, 1).await.len(), 1);
    stays_connected(&mut rauta);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_may_not_be_heard_are_no_lost_connection() {
    let deaf = permitted("subscribe: { deny: [\"_INBOX.>\"] }");
    let nats = NatsServer::start(&deaf).expect("a NATS server");
    let stage = Stage::with(1).await;
    let mut rauta = stage.rauta(&nats.url(), &VARIABLES);
    injected(&stage, 0).await;
    reaches(rauta.admin(), &failed("unauthorized"), 3.0).await;
    reaches(rauta.admin(), EVENTS_REFUSED, 3.0).await;
    is_told_once(&mut rauta, "subscribe to _INBOX.>");

    nats.configure(&denied("")).expect("written");
    nats.reload().expect("told");
    reaches(rauta.admin(), SENT, 1.0).await;
    reaches(rauta.admin(), EVENTS_SENT, 1.0).await;
    stays_connected(&mut rauta);
}
