//! Upgrades, long bodies, swaps and drains: what outlives a single small exchange.

mod harness;

use harness::{Gateway, Route, config};
use rauta_schemas::{Outcome, Reason, Side};
use rauta_test_support::{Origin, RawClient, Step, in_time};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const UPGRADE: &str =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

#[tokio::test]
async fn an_upgrade_becomes_a_tunnel_and_no_byte_passes_before_it() {
    let script = vec![
        Step::Head,
        Step::Wait,
        Step::send([SWITCH, "early"].concat()),
        Step::Bytes(4),
        Step::send("pong"),
        Step::AwaitEnd,
        Step::send("last words"),
    ];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send([UPGRADE, "ping"].concat()).await;
    origin.has_read(1).await;
    let head = origin.received().remove(0);
    assert_eq!(head.field("upgrade"), Some("websocket"));
    assert_eq!(head.field("connection"), Some("upgrade"));
    origin.go_on();
    let switched = client.response().await;
    assert_eq!(switched.status(), 101);
    assert_eq!(switched.field("upgrade"), Some("websocket"));
    assert_eq!(client.bytes(9).await, b"earlypong");
    assert_eq!(origin.received()[1].body, b"ping");
    assert_eq!(gateway.proxy.totals().tunnels, 1);
    // Each direction ends on its own.
    client.end_sending().await;
    assert_eq!(client.rest().await, b"last words");
    let event = gateway.events.response().await;
    assert_eq!((event.outcome, event.status), (Outcome::Tunnelled, 101));
    assert_eq!((event.request_bytes, event.response_bytes), (4, 19));
    assert!(event.is_streaming);
}

#[tokio::test]
async fn a_tunnel_that_the_backend_resets_is_its_fault_and_no_answer_follows_the_101() {
    let script = vec![Step::Head, Step::send(SWITCH), Step::Bytes(4), Step::Reset];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(UPGRADE).await.status(), 101);
    client.send("ping").await;
    assert_eq!(client.rest().await, b"");
    let event = gateway.events.response().await;
    assert_eq!((event.outcome, event.status), (Outcome::Truncated, 101));
    assert_eq!(
        (event.side, event.reason),
        (Side::Backend, Reason::BackendReset)
    );
}

#[tokio::test]
async fn a_tunnel_that_the_client_resets_is_the_clients_leaving() {
    let script = vec![Step::Head, Step::send(SWITCH), Step::AwaitEnd];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(UPGRADE).await.status(), 101);
    client.reset();
    let event = gateway.events.response().await;
    assert_eq!((event.outcome, event.status), (Outcome::Abandoned, 101));
    assert_eq!(
        (event.side, event.reason),
        (Side::Client, Reason::ClientClosed)
    );
    origin.has_ended(1).await;
}

#[tokio::test]
async fn what_was_taken_back_of_a_response_does_not_count_as_sent() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\nzz\r\n";
    let origin = Origin::answering(answer).await;
    let gateway = Gateway::to(&origin).await;
    let response = gateway.client().await.ask(GET).await;
    assert_eq!(response.status(), 502);
    let event = gateway.events.response().await;
    assert_eq!(event.response_bytes, response.body.len() as u64);
}

#[tokio::test]
async fn a_refused_upgrade_is_a_plain_response() {
    let origin = Origin::answering(OK).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send([UPGRADE, GET].concat()).await;
    assert_eq!(client.response().await.text(), "ok");
    assert_eq!(client.response().await.text(), "ok");
    assert_eq!(origin.received().len(), 2);
}

#[tokio::test]
async fn long_bodies_pass_both_ways_whole() {
    const BYTES: usize = 5_000_000;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n").into_bytes();
    answer.extend((0..BYTES).map(|at| (at % 251) as u8));
    let origin = Origin::answering(answer.clone()).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let body = &answer[answer.len() - BYTES..];
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n");
    for _ in 0..2 {
        client.send(&head).await;
        client.send(body).await;
        let response = client.response().await;
        assert!(
            response.body == body,
            "the response's body is as it was sent"
        );
        let received = origin.received().pop().expect("a request");
        assert!(
            received.body == body,
            "the request's body is as it was sent"
        );
    }
    let event = gateway.events.response().await;
    assert_eq!(
        (event.request_bytes, event.response_bytes),
        (BYTES as u64, BYTES as u64)
    );
}

#[tokio::test]
async fn a_swap_is_live_for_the_next_request_and_leaves_the_one_in_flight_alone() {
    let old = Origin::playing(vec![Step::Request, Step::Wait, Step::send(OK)]).await;
    let new = Origin::saying("new").await;
    let gateway = Gateway::to(&old).await;
    let mut in_flight = gateway.client().await;
    in_flight.send(GET).await;
    old.has_read(1).await;
    gateway.reroute(vec![Route::to(&[&new])]).await;
    assert_eq!(gateway.client().await.ask(GET).await.text(), "new");
    old.go_on();
    assert_eq!(in_flight.response().await.text(), "ok");
    assert_eq!(in_flight.ask(GET).await.text(), "new");
}

#[tokio::test]
async fn a_drain_lets_each_client_ask_once_more_and_ends_when_all_are_gone() {
    let origin = Origin::playing(vec![Step::Request, Step::send(OK), Step::Again]).await;
    let slow = Origin::playing(vec![Step::Request, Step::Wait, Step::send(OK)]).await;
    let fast = Route {
        path: "/".into(),
        ..Route::to(&[&origin])
    };
    let late = Route {
        path: "/slow".into(),
        ..Route::to(&[&slow])
    };
    let gateway = Gateway::start(config(), vec![fast, late]).await;
    let mut idle = gateway.client().await;
    assert_eq!(idle.ask(GET).await.status(), 200);
    let mut busy = gateway.client().await;
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    slow.has_read(1).await;

    gateway.trigger.signal(rauta_core::drain::Mode::Graceful);
    in_time("the listener's end", async {
        while let Ok(stream) = tokio::net::TcpStream::connect(gateway.address).await {
            drop(stream);
            tokio::task::yield_now().await;
        }
    })
    .await;
    let response = idle.ask(GET).await;
    assert_eq!(
        (response.status(), response.field("connection")),
        (200, Some("close"))
    );
    assert!(idle.is_closed().await);
    slow.go_on();
    let response = busy.response().await;
    assert_eq!(
        (response.text().as_str(), response.field("connection")),
        ("ok", Some("close"))
    );
    drop(busy);
    let drained = gateway
        .trigger
        .drain(rauta_core::drain::Mode::Graceful, Duration::from_secs(20))
        .await;
    assert_eq!(drained, rauta_core::drain::Drained::Complete);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_clients_that_stay_idle() {
    let origin = Origin::saying("ok").await;
    let mut config = config();
    config.limits.drain_idle = Duration::from_millis(200);
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let mut idle = gateway.client().await;
    assert_eq!(idle.ask(GET).await.status(), 200);
    gateway.trigger.signal(rauta_core::drain::Mode::Graceful);
    assert!(idle.is_closed().await);
    let patience = Duration::from_secs(20);
    let drained = gateway
        .trigger
        .drain(rauta_core::drain::Mode::Graceful, patience)
        .await;
    assert_eq!(drained, rauta_core::drain::Drained::Complete);
}

#[tokio::test]
async fn every_request_is_told_twice_and_once_each() {
    let ok = vec![Step::Request, Step::send(OK), Step::Again];
    let cut = vec![
        Step::Request,
        Step::send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx"),
    ];
    let dying = vec![Step::Request, Step::Reset];
    let origin = Origin::playing_each(vec![ok.clone(), cut, dying, ok]).await;
    let gateway = Gateway::to(&origin).await;
    let mut sent = 0;
    for turn in 0..40 {
        let mut client = RawClient::connect(gateway.address).await;
        if turn % 4 == 0 {
            client.send("GET /\r\n\r\n").await;
            sent += 1;
            assert_eq!(client.response().await.status(), 400);
            continue;
        }
        client.send(GET).await;
        sent += 1;
        if turn % 4 == 1 {
            gateway.events.requests(sent).await;
            client.reset();
            continue;
        }
        if client.response().await.text() == "ok" {
            client.send(GET).await;
            sent += 1;
        }
    }
    let requests = gateway.events.requests(sent).await;
    let responses = gateway.events.responses(sent).await;
    let mut asked: Vec<_> = requests.iter().map(|event| event.exchange).collect();
    let mut answered: Vec<_> = responses.iter().map(|event| event.exchange).collect();
    asked.sort_unstable();
    answered.sort_unstable();
    assert_eq!(asked, answered);
    asked.dedup();
    assert_eq!(asked.len(), sent);
    let totals = gateway.proxy.totals();
    assert_eq!(
        (totals.requests, totals.responses),
        (sent as u64, sent as u64)
    );
    assert_eq!(totals.in_flight, 0);
    assert_eq!(totals.by_class.iter().sum::<u64>(), sent as u64);
}

#[tokio::test]
async fn a_mirror_gets_a_copy_and_never_holds_up_the_request() {
    let origin = Origin::saying("ok").await;
    let willing = Origin::saying("thrown away").await;
    let stuck = Origin::playing(vec![Step::Head, Step::AwaitEnd]).await;
    let request = "POST /m HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for (mirror, copies) in [(&willing, 3), (&stuck, 3)] {
        let route = Route {
            mirror: Some((mirror.address(), 100)),
            ..Route::to(&[&origin])
        };
        let gateway = Gateway::start(config(), vec![route]).await;
        let mut client = gateway.client().await;
        for _ in 0..copies {
            assert_eq!(client.ask(request).await.text(), "ok");
        }
        mirror.has_read(copies).await;
        assert_eq!(gateway.events.responses(copies).await.len(), copies);
    }
    for copy in willing.received() {
        assert!(copy.head.starts_with("POST /m HTTP/1.1\r\nhost: a\r\n"));
        assert_eq!(copy.body, b"hello");
    }
}

#[tokio::test]
async fn a_mirror_that_is_gone_or_too_slow_loses_its_copy_and_nothing_else() {
    let origin = Origin::saying("ok").await;
    let stuck = Origin::playing(vec![Step::Head, Step::Wait]).await;
    let route = Route {
        mirror: Some((stuck.address(), 100)),
        ..Route::to(&[&origin])
    };
    let gateway = Gateway::start(config(), vec![route]).await;
    let mut client = gateway.client().await;
    const BYTES: usize = 30_000_000;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BYTES}\r\n\r\n"
        ))
        .await;
    client.send(vec![b'x'; BYTES]).await;
    assert_eq!(client.response().await.text(), "ok");
    assert_eq!(origin.received()[0].body.len(), BYTES);
    in_time("the copy's loss", async {
        while gateway.proxy.totals().mirrors_dropped == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(gateway.events.response().await.outcome, Outcome::Completed);
}
