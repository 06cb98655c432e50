//! How backends end streams and connections, and what becomes of the requests.

use crate::harness::{Gateway, Route, config};
use crate::origin::{Http2Origin, field};
use crate::peer::{Client, contents, get, post};
use bytes::Bytes;
use h2::Reason;
use http::Response;
use rauta_routing::Retry;
use rauta_schemas::{AttemptOutcome, EndpointTransition, Event, Outcome, Side};
use rauta_test_support::{Origin, Step};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

#[tokio::test]
async fn requests_share_connections_up_to_the_streams_that_the_backend_allows() {
    let go_on = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&go_on);
    let origin = Http2Origin::serving(2, move |call| {
        let gate = Arc::clone(&gate);
        async move {
            // The first is answered at once, so that the limit is known.
            if call.ordinal > 1 {
                gate.acquire().await.expect("the test lives").forget();
            }
            call.echo(None).await;
        }
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    assert_eq!(client.ask(get("/")).await.status(), 200);
    let mut waiting = Vec::new();
    for _ in 0..6 {
        waiting.push(client.open(get("/"), true).await.0);
    }
    // All of them reach the origin: none waits behind more streams than there is room for.
    origin.has_read(7).await;
    assert_eq!(origin.connections(), 3);
    go_on.add_permits(6);
    for response in waiting {
        assert_eq!(crate::peer::answer(response).await.status(), 200);
    }
    assert!(gateway.proxy.totals().upstream_reused >= 2);
}

#[tokio::test]
async fn a_refused_stream_is_tried_again_where_the_rule_says_so() {
    let origin = Http2Origin::serving(100, |mut call| async move {
        match call.ordinal % 2 {
            1 => call.respond.send_reset(Reason::REFUSED_STREAM),
            _ => drop(call.echo(None).await),
        }
    })
    .await;
    let retried = Route {
        path: "/retried".to_owned(),
        retry: Some(Retry {
            attempts: 1,
            backoff: None,
            codes: Vec::new(),
        }),
        ..origin.route()
    };
    let gateway = Gateway::start(config(), vec![retried, origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    assert_eq!(client.ask(get("/retried")).await.status(), 200);
    assert_eq!(client.ask(get("/")).await.status(), 503);
    let told = gateway.events.responses(2).await;
    let refused = AttemptOutcome::RefusedStream;
    assert_eq!(told[0].attempts, [refused, AttemptOutcome::Responded]);
    assert_eq!((told[1].attempts_count, told[1].attempts[0]), (1, refused));
    assert_eq!(told[1].side, Side::Backend);
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn after_goaway_open_streams_end_well_and_new_ones_go_elsewhere() {
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    let origin = Http2Origin::serving(100, move |call| {
        let gate = Arc::clone(&gate);
        async move {
            if call.request.uri().path() == "/slow" {
                gate.notified().await;
            }
            call.echo(None).await;
        }
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    let (slow, _) = client.open(get("/slow"), true).await;
    origin.has_read(1).await;
    origin.leave();
    // Whichever comes first, the GOAWAY or the request: it is answered.
    for _ in 0..20 {
        assert_eq!(client.ask(get("/")).await.status(), 200);
    }
    go_on.notify_one();
    assert_eq!(crate::peer::answer(slow).await.status(), 200);
    origin.has_ended(1).await;
    assert_eq!(client.ask(get("/")).await.status(), 200);
    assert_eq!(origin.connections(), 2);
    let told = gateway.events.responses(22).await;
    assert!(told.iter().all(|event| event.outcome == Outcome::Completed));
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_request_back_from_the_backend() {
    let (seen, mut sees) = mpsc::channel(64);
    let origin = Http2Origin::serving(100, move |mut call| {
        let seen = seen.clone();
        async move {
            let reset = std::future::poll_fn(|cx| call.respond.poll_reset(cx)).await;
            seen.try_send(reset.ok()).expect("the test lives");
        }
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    let (response, mut stream) = client.open(post("/"), false).await;
    origin.has_read(1).await;
    stream.send_reset(Reason::CANCEL);
    assert_eq!(sees.recv().await, Some(Some(Reason::CANCEL)));
    drop(response);
    let told = gateway.events.response().await;
    assert_eq!(
        (told.outcome, told.side),
        (Outcome::Abandoned, Side::Client)
    );
    assert_eq!(told.attempts[0], AttemptOutcome::Cancelled);

    let http1 = gateway.client().await;
    let mut http1 = http1;
    http1.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    origin.has_read(2).await;
    http1.reset();
    assert_eq!(sees.recv().await, Some(Some(Reason::CANCEL)));
}

#[tokio::test]
async fn a_response_that_breaks_off_never_ends_cleanly() {
    let go_on = Arc::new(Notify::new());
    let gate = Arc::clone(&go_on);
    let origin = Http2Origin::serving(100, move |mut call| {
        let gate = Arc::clone(&gate);
        async move {
            let mut response = Response::new(());
            *response.headers_mut() = field("x-own", "1");
            let sent = call.respond.send_response(response, false);
            let mut stream = sent.expect("an open stream");
            let sent = stream.send_data(Bytes::from_static(b"hell"), false);
            sent.expect("an open stream");
            gate.notified().await;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
    })
    .await;
    let gateway = Gateway::start(config(), vec![origin.route()]).await;
    let mut client = Client::connect(gateway.address).await;
    let (response, _) = client.open(get("/"), true).await;
    let response = response.await.expect("a head");
    go_on.notify_one();
    let error = contents(response.into_body()).await;
    let error = error.expect_err("a broken-off response");
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));

    let mut http1 = gateway.client().await;
    http1.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = http1.try_head().await.expect("a head");
    assert_eq!(head.field("x-own"), Some("1"));
    go_on.notify_one();
    let rest = http1.rest().await;
    let text = String::from_utf8_lossy(&rest);
    assert!(
        text.contains("hell") && !text.ends_with("0\r\n\r\n"),
        "{text}"
    );
    for told in gateway.events.responses(2).await {
        assert_eq!(
            (told.outcome, told.side),
            (Outcome::Truncated, Side::Backend)
        );
    }
}

#[tokio::test]
async fn a_backend_that_is_not_there_or_speaks_something_else() {
    let http1 = Origin::playing(vec![
        Step::send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"),
        // Closing with unread bytes would reset, and a reset may overtake the answer.
        Step::AwaitEnd,
    ])
    .await;
    let unbound = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let nobody = unbound.local_addr().expect("the socket lives");
    drop(unbound);
    let to = |path: &str, address| Route {
        path: path.to_owned(),
        endpoints: vec![address],
        is_http2: true,
        ..Route::default()
    };
    let routes = vec![to("/nobody", nobody), to("/http1", http1.address())];
    let gateway = Gateway::start(config(), routes).await;
    let mut client = Client::connect(gateway.address).await;
    assert_eq!(client.ask(get("/nobody")).await.status(), 503);
    assert_eq!(client.ask(get("/http1")).await.status(), 502);
    let told = gateway.events.responses(2).await;
    assert_eq!(told[0].attempts[0], AttemptOutcome::ConnectRefused);
    assert_eq!(told[1].attempts[0], AttemptOutcome::BadResponse);
    let ejections = gateway
        .events
        .select(1, |event| match event {
            Event::Endpoint(event) => Some(event.transition),
            _ => None,
        })
        .await;
    assert_eq!(ejections, [EndpointTransition::Ejected]);
}
