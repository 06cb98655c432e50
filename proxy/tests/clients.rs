//! What clients do to a gateway: leave, linger, hold back, ask oddly. Each answer is right, each
//! connection is kept or closed as it must be, and each exchange is told.

mod harness;

use harness::{Gateway, Route, config};
use rauta_proxy::{Config, Limits};
use rauta_schemas::{ConnectionReason, Event, Outcome, Reason, Side};
use rauta_test_support::{Origin, Step};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn limited(change: impl FnOnce(&mut Limits)) -> Config {
    let mut config = config();
    change(&mut config.limits);
    config
}

#[tokio::test]
async fn a_malformed_request_is_refused_told_and_its_connection_closed() {
    let origin = Origin::saying("never").await;
    let gateway = Gateway::to(&origin).await;
    let requests = [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", 417),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ];
    for (request, status) in requests {
        let mut client = gateway.client().await;
        // What is sent behind it must never be taken for a request.
        client.send([request, GET].concat()).await;
        let response = client.response().await;
        assert_eq!(response.status(), status, "{request}");
        assert_eq!(response.field("connection"), Some("close"), "{request}");
        assert!(client.is_closed().await, "{request}");
    }
    let responses = gateway.events.responses(requests.len()).await;
    for (response, (request, status)) in responses.iter().zip(requests) {
        assert_eq!(response.status, status, "{request}");
        assert_eq!(
            (response.outcome, response.side),
            (Outcome::Answered, Side::Client)
        );
        assert_eq!(response.reason, Reason::BadRequest);
    }
    assert_eq!(
        gateway.events.requests(requests.len()).await.len(),
        requests.len()
    );
    assert!(origin.received().is_empty());
}

#[tokio::test]
async fn a_later_request_is_refused_like_a_first_one() {
    let origin = Origin::saying("ok").await;
    let config = limited(|limits| limits.head = Duration::from_millis(200));
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let second = [("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\n", 408)];
    for (count, (request, status)) in second.into_iter().enumerate() {
        let mut client = gateway.client().await;
        assert_eq!(client.ask(GET).await.status(), 200);
        assert_eq!(client.ask(request).await.status(), status, "{request}");
        assert!(client.is_closed().await, "{request}");
        let event = gateway
            .events
            .responses(2 * count + 2)
            .await
            .remove(2 * count + 1);
        let told = (event.status, event.outcome, event.side);
        assert_eq!(told, (status, Outcome::Answered, Side::Client), "{request}");
    }
}

#[tokio::test]
async fn every_final_response_says_when_it_was_made() {
    let silent = Origin::saying("ok").await;
    let made = "Sun, 06 Nov 1994 08:49:37 GMT";
    let telling = Origin::answering(format!(
        "HTTP/1.1 200 OK\r\ndate: {made}\r\ncontent-length: 0\r\n\r\n"
    ))
    .await;
    let at = |path: &str, origin| Route {
        path: path.to_owned(),
        ..Route::to(&[origin])
    };
    let routes = vec![at("/silent", &silent), at("/telling", &telling)];
    let gateway = Gateway::start(config(), routes).await;
    let mut client = gateway.client().await;
    for (path, status) in [("/silent", 200), ("/telling", 200), ("/none", 404)] {
        let response = client
            .ask(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        assert_eq!(response.status(), status, "{path}");
        let dates = response.all("date");
        let [date] = dates[..] else {
            panic!("{path}: {dates:?}");
        };
        assert_eq!((date.len(), date.ends_with(" GMT")), (29, true), "{path}");
        // A backend knows best.
        assert_eq!(date == made, path == "/telling", "{path}");
    }
    let refused = client.ask("GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!((refused.status(), refused.all("date").len()), (400, 1));
}

#[tokio::test]
async fn a_client_that_waits_for_100_gets_the_backends() {
    let script = vec![
        Step::Head,
        Step::send("HTTP/1.1 100 Continue\r\n\r\n"),
        Step::Bytes(5),
        Step::send(OK),
    ];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.send(head).await;
    assert_eq!(
        client.response().await.head,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    assert_eq!(client.ask("hello").await.text(), "ok");
    let received = origin.received();
    assert_eq!(received[0].field("expect"), Some("100-continue"));
    assert_eq!(received[1].body, b"hello");
}

#[tokio::test]
async fn an_unasked_100_is_swallowed_and_103_passed_on() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let origin = Origin::answering([early, OK].concat()).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let hints = client.ask(GET).await;
    assert_eq!((hints.status(), hints.field("link")), (103, Some("</a>")));
    assert_eq!(client.response().await.text(), "ok");
    // HTTP/1.0 knows no interim responses.
    let old = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    let response = client.ask(old).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.field("connection"), Some("keep-alive"));
}

#[tokio::test]
async fn an_early_answer_overtakes_the_rest_of_the_body() {
    let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let origin = Origin::playing(vec![Step::Head, Step::send(answer), Step::AwaitEnd]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegin")
        .await;
    let response = client.response().await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.field("connection"), Some("close"));
    assert!(client.is_closed().await);
    assert_eq!(gateway.events.response().await.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_client_that_ends_its_sending_still_gets_its_response() {
    let origin = Origin::playing(vec![Step::Request, Step::Wait, Step::send(OK)]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send(GET).await;
    client.end_sending().await;
    origin.has_read(1).await;
    origin.go_on();
    assert_eq!(client.response().await.text(), "ok");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_reset_cancels_the_request_at_the_backend_and_is_told() {
    let script = vec![Step::Request, Step::AwaitEnd];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    for ends_first in [false, true] {
        let mut client = gateway.client().await;
        client.send(GET).await;
        origin.has_read(1 + usize::from(ends_first)).await;
        if ends_first {
            client.end_sending().await;
        }
        client.reset();
        origin.has_ended(1 + usize::from(ends_first)).await;
    }
    for response in gateway.events.responses(2).await {
        assert_eq!((response.outcome, response.status), (Outcome::Abandoned, 0));
        assert_eq!(
            (response.side, response.reason),
            (Side::Client, Reason::ClientClosed)
        );
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_never_looks_complete_to_the_backend() {
    let origin = Origin::playing(vec![Step::Request, Step::send(OK)]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe")
        .await;
    client.end_sending().await;
    origin.has_ended(1).await;
    assert!(
        !origin
            .received()
            .iter()
            .any(|message| message.text().contains("0\r\n\r\n"))
    );
    assert_eq!(gateway.events.response().await.reason, Reason::ClientClosed);
}

#[tokio::test]
async fn a_broken_body_is_the_clients_fault() {
    let origin = Origin::playing(vec![Step::Head, Step::AwaitEnd]).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let request =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n";
    let response = client.ask(request).await;
    assert_eq!(response.status(), 400);
    assert!(client.is_closed().await);
    let event = gateway.events.response().await;
    assert_eq!(
        (event.side, event.reason),
        (Side::Client, Reason::BadRequest)
    );
}

#[tokio::test]
async fn a_head_that_never_ends_is_answered_408_and_an_empty_connection_is_closed() {
    let config = limited(|limits| limits.head = Duration::from_millis(200));
    let gateway = Gateway::start(config, vec![Route::default()]).await;
    let mut slow = gateway.client().await;
    let mut silent = gateway.client().await;
    slow.send("GET / HTTP/1.1\r\nHost:").await;
    assert_eq!(slow.response().await.status(), 408);
    assert!(slow.is_closed().await);
    assert!(silent.is_closed().await);
    let event = gateway.events.response().await;
    assert_eq!(
        (event.side, event.reason),
        (Side::Client, Reason::ClientTimeout)
    );
    let select = |event| match event {
        Event::Connection(connection) => Some(connection.reason),
        _ => None,
    };
    assert_eq!(
        gateway.events.select(1, select).await,
        [ConnectionReason::HeadTimeout]
    );
}

#[tokio::test]
async fn a_body_that_stalls_is_answered_408() {
    let origin = Origin::playing(vec![Step::Request]).await;
    let config = limited(|limits| limits.progress = Duration::from_millis(200));
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let mut client = gateway.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbegin")
        .await;
    assert_eq!(client.response().await.status(), 408);
    assert_eq!(
        gateway.events.response().await.reason,
        Reason::ClientTimeout
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 40_000_000, b'x');
    let origin = Origin::answering(answer).await;
    let config = limited(|limits| limits.progress = Duration::from_millis(200));
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let mut client = gateway.client().await;
    client.send(GET).await;
    let event = gateway.events.response().await;
    assert_eq!(
        (event.outcome, event.side),
        (Outcome::Abandoned, Side::Client)
    );
    assert_eq!((event.reason, event.status), (Reason::Stalled, 200));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let origin = Origin::saying("ok").await;
    let config = limited(|limits| limits.keep_alive = Duration::from_millis(200));
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let mut client = gateway.client().await;
    assert_eq!(client.ask(GET).await.status(), 200);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn what_is_left_of_a_small_body_is_thrown_away_before_the_next_request() {
    let gateway = Gateway::start(
        config(),
        vec![Route {
            path: "/x".into(),
            ..Route::default()
        }],
    )
    .await;
    let mut client = gateway.client().await;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{GET}",
        GET.len()
    );
    client.send([&request, GET].concat()).await;
    for _ in 0..2 {
        let response = client.response().await;
        assert_eq!(
            (response.status(), response.field("connection")),
            (404, None)
        );
    }
    assert_eq!(gateway.events.responses(2).await.len(), 2);
    let large = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
    let response = client.ask(large).await;
    assert_eq!(
        (response.status(), response.field("connection")),
        (404, Some("close"))
    );
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn connections_past_the_cap_are_closed_and_counted() {
    let origin = Origin::saying("ok").await;
    let config = limited(|limits| limits.connections_per_worker = 1);
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let mut first = gateway.client().await;
    assert_eq!(first.ask(GET).await.status(), 200);
    let mut second = gateway.client().await;
    assert!(second.is_closed().await);
    let select = |event| match event {
        Event::Connection(connection) => Some(connection.reason),
        _ => None,
    };
    assert_eq!(
        gateway.events.select(1, select).await,
        [ConnectionReason::Refused]
    );
    assert_eq!(gateway.proxy.totals().refused_connections, 1);
    assert_eq!(first.ask(GET).await.status(), 200);
}

#[tokio::test]
async fn head_has_no_body_and_its_length_is_kept() {
    let origin = Origin::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let head = client.try_head().await.expect("a response");
        assert_eq!(
            (head.status(), head.field("content-length")),
            (200, Some("5"))
        );
    }
    client
        .send("HEAD /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(client.try_head().await.is_some());
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn forwarding_fields_are_believed_from_trusted_peers_only() {
    let origin = Origin::saying("ok").await;
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
                   X-Request-Id: own\r\nX-Real-IP: 9.9.9.9\r\nForwarded: for=9.9.9.9\r\n\
                   Connection: x-hop\r\nX-Hop: 1\r\n\
                   traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    for is_trusted in [false, true] {
        let trusted = if is_trusted {
            vec!["127.0.0.0/8".parse().unwrap()]
        } else {
            Vec::new()
        };
        let config = Config {
            trusted,
            ..config()
        };
        let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
        assert_eq!(gateway.client().await.ask(request).await.status(), 200);
        let received = origin.received().pop().expect("a request");
        let kept = |value| if is_trusted { Some(value) } else { None };
        let chain = if is_trusted {
            "9.9.9.9, 127.0.0.1"
        } else {
            "127.0.0.1"
        };
        assert_eq!(received.all("x-forwarded-for"), [chain]);
        let proto = if is_trusted { "https" } else { "http" };
        assert_eq!(received.all("x-forwarded-proto"), [proto]);
        assert_eq!(received.field("x-real-ip"), kept("9.9.9.9"));
        assert_eq!(received.field("forwarded"), kept("for=9.9.9.9"));
        assert_eq!(received.field("x-request-id") == Some("own"), is_trusted);
        assert_eq!(received.field("x-hop"), None);
        let trace = received.field("traceparent").expect("a trace");
        assert!(
            trace.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && trace.ends_with("-01")
        );
        let event = gateway.events.response().await;
        assert_eq!(event.trace.trace_id[..2], [0x0a, 0xf7]);
    }
}

#[tokio::test]
async fn a_trusted_load_balancer_tells_who_the_client_is() {
    let origin = Origin::saying("ok").await;
    let trusted = vec!["127.0.0.0/8".parse().unwrap()];
    let config = Config {
        trusted,
        proxy_protocol: true,
        ..config()
    };
    let gateway = Gateway::start(config, vec![Route::to(&[&origin])]).await;
    let mut client = gateway.client().await;
    let forged = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n";
    client
        .send(["PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\r\n", forged].concat())
        .await;
    assert_eq!(client.response().await.status(), 200);
    assert_eq!(origin.received()[0].all("x-forwarded-for"), ["1.2.3.4"]);
    let told = gateway.events.requests(1).await.remove(0);
    assert_eq!(told.downstream.source.to_string(), "1.2.3.4:4096");

    let mut without = gateway.client().await;
    without.send(GET).await;
    assert!(without.is_closed().await);
    let select = |event| match event {
        Event::Connection(connection) => Some(connection.reason),
        _ => None,
    };
    assert_eq!(
        gateway.events.select(1, select).await,
        [ConnectionReason::ProxyHeader]
    );
    assert_eq!(gateway.events.requests(1).await.len(), 1);
}
