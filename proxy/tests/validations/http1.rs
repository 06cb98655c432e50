//! Over HTTP/1. A refusal ends the connection, for nobody knows what its next byte means; a request
//! that is passed on leaves it open.

use super::{bytes, demand, distinct};
use crate::harness::Gateway;
use rauta_schemas::{Outcome, Reason, Side};
use rauta_test_support::{Origin, Step};

/// Stands behind each refused request: it must never be taken for one.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Refused: the validation, the status, and what is sent.
const REFUSED: &[(usize, u16, &str)] = &[
    (1, 400, "GET /p HTTP/1.1\r\n\r\n"),
    (1, 400, "GET /p HTTP/1.0\r\n\r\n"),
    (1, 400, "GET http://a.test/p HTTP/1.1\r\n\r\n"),
    (
        2,
        400,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
    ),
    (
        2,
        400,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n",
    ),
    (3, 400, "GET /p HTTP/1.1\r\nHost:\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: u@a.test\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: a.test/evil\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: a.test,b.test\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: a.test:65536\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: a.test:+80\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    (3, 400, "GET /p HTTP/1.1\r\nHost: \u{e4}.test\r\n\r\n"),
    (
        4,
        400,
        "GET http://b.test/p HTTP/1.1\r\nHost: u@a.test\r\n\r\n",
    ),
    (
        4,
        400,
        "GET http://u@b.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ),
    (
        5,
        400,
        "GET ftp://a.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ),
    (5, 400, "GET ://a.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (6, 400, "GET p HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (6, 400, "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (6, 400, "GET http:///p HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (
        6,
        501,
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n",
    ),
    (7, 400, "GET /p#frag HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (7, 400, "GET /p?q#frag HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (8, 400, "GET /\u{ff} HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (8, 400, "GET /\u{c3}\u{a4} HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (8, 400, "GET /p?\u{80} HTTP/1.1\r\nHost: a.test\r\n\r\n"),
    (
        9,
        501,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        9,
        400,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        9,
        400,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        9,
        501,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        9,
        400,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        9,
        400,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        9,
        400,
        "POST /p HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        12,
        417,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx",
    ),
    (
        12,
        417,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nExpect: y 100-continue\r\nContent-Length: 1\r\n\r\nx",
    ),
    (
        13,
        400,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: host\r\n\r\n",
    ),
    (
        13,
        400,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nConnection: Content-Length\r\nContent-Length: 1\r\n\r\nx",
    ),
    (
        13,
        400,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        13,
        400,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: :authority\r\n\r\n",
    ),
    (
        17,
        400,
        "GET http://b.test/p HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
    ),
];

/// Passed on: the validation, what is sent, and what the backend receives of it.
const PASSED: &[(usize, &str, &str)] = &[
    (
        3,
        "GET /p HTTP/1.1\r\nHost: A.Test:65535\r\n\r\n",
        "GET /p HTTP/1.1\r\nhost: A.Test:65535\r\n\r\n",
    ),
    (
        4,
        "GET http://b.test/p?q HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /p?q HTTP/1.1\r\nhost: b.test\r\n\r\n",
    ),
    (
        5,
        "GET HTTPS://a.test/p HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        6,
        "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        8,
        "GET /%C3%A4 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "GET /%C3%A4 HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        9,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:\tChunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
        "POST /p HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ),
    (
        13,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX: y\r\n\r\n",
        "GET /p HTTP/1.1\r\nhost: a.test\r\nx: y\r\n\r\n",
    ),
    (
        14,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        14,
        "GET /p HTTP/1.1\r\nHost: a.test\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        16,
        "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nContent-Length: 9\r\n\
         Transfer-Encoding: chunked\r\nHost: b\r\nAuthorization: b\r\nCookie: b\r\nX-Forwarded-For: b\r\nX-Sum: 1\r\n\r\n",
        "POST /p HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n",
    ),
];

/// One character is one byte.
fn latin(text: &str) -> Vec<u8> {
    text.chars()
        .map(|byte| u8::try_from(byte).expect("one byte"))
        .collect()
}

/// Refused for their size.
fn too_large() -> Vec<(usize, u16, String)> {
    let get = "GET /p HTTP/1.1\r\nHost: a.test\r\n";
    vec![
        (
            10,
            414,
            format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "a".repeat(8192)),
        ),
        (
            11,
            431,
            format!("{get}X: {}\r\n\r\n", "a".repeat(32 * 1024)),
        ),
        (11, 431, format!("{get}{}\r\n", "X: a\r\n".repeat(100))),
    ]
}

/// As large as may be.
fn large() -> Vec<(usize, String, String)> {
    let path = "a".repeat(8191);
    let value = "a".repeat(32 * 1024 - "GET /p HTTP/1.1\r\nHost: a.test\r\nX: \r\n\r\n".len());
    let fields = "x: a\r\n".repeat(99);
    [
        (10, format!("GET /{path} HTTP/1.1\r\nhost: a.test\r\n\r\n")),
        (
            11,
            format!("GET /p HTTP/1.1\r\nhost: a.test\r\nx: {value}\r\n\r\n"),
        ),
        (
            11,
            format!("GET /p HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n"),
        ),
    ]
    .map(|(number, sent)| (number, sent.clone(), sent))
    .into()
}

#[tokio::test]
async fn what_is_refused_ends_its_connection_and_no_byte_of_it_reaches_the_backend() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let rows = REFUSED
        .iter()
        .map(|(number, status, sent)| (*number, *status, (*sent).to_owned()));
    let rows: Vec<_> = rows.chain(too_large()).collect();
    for (number, status, sent) in &rows {
        let what = format!("{}: {sent:.200}", demand(*number));
        let mut client = gateway.client().await;
        client
            .send_if_open([latin(sent), latin(SMUGGLED)].concat())
            .await;
        let response = client.response().await;
        assert_eq!(response.status(), *status, "{what}");
        assert_eq!(response.field("connection"), Some("close"), "{what}");
        assert!(client.is_closed().await, "{what}");
    }
    let told = gateway.events.responses(rows.len()).await;
    for (event, (number, status, sent)) in told.iter().zip(&rows) {
        let what = format!("{}: {sent:.200}", demand(*number));
        let reason = match status {
            414 | 431 => Reason::TooLarge,
            _ => Reason::BadRequest,
        };
        let seen = (event.status, event.side, event.reason, event.outcome);
        assert_eq!(
            seen,
            (*status, Side::Client, reason, Outcome::Answered),
            "{what}"
        );
    }
    assert_eq!(
        gateway
            .client()
            .await
            .ask("GET /p HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .text(),
        "ok"
    );
    assert_eq!(origin.received().len(), 1);
}

#[tokio::test]
async fn what_is_passed_on_reaches_the_backend_as_exactly_these_bytes() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    let rows = PASSED
        .iter()
        .map(|(number, sent, received)| (*number, (*sent).to_owned(), (*received).to_owned()));
    for (count, (number, sent, received)) in rows.chain(large()).enumerate() {
        // All on one connection: each of them leaves it as it was.
        let response = client.ask(&sent).await;
        let what = format!("{}: {sent:.200}", demand(number));
        assert_eq!(
            (response.status(), &*response.text()),
            (200, "ok"),
            "{what}"
        );
        let all = origin.received();
        assert_eq!(
            (all.len(), bytes(&all[count])),
            (count + 1, received),
            "{what}"
        );
    }
}

/// 12: an expectation that is known is the backend's to meet.
#[tokio::test]
async fn an_expectation_that_is_known_reaches_the_backend() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let origin = Origin::playing(vec![
        Step::Head,
        Step::send(interim),
        Step::Bytes(1),
        Step::send(answer),
        Step::Again,
    ])
    .await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    for _ in 0..2 {
        let head =
            "POST /p HTTP/1.1\r\nHost: a.test\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n";
        client.send(head).await;
        assert_eq!(client.response().await.head, interim);
        assert_eq!(client.ask("x").await.text(), "ok");
    }
    let expected =
        "POST /p HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n";
    let received: Vec<_> = origin.received().iter().map(bytes).collect();
    assert_eq!(received, [expected, "x", expected, "x"]);
}

/// 15: bytes that a client sends before the switch wait for it.
#[tokio::test]
async fn no_byte_of_another_protocol_reaches_the_backend_before_it_has_switched() {
    let upgrade =
        "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let script = |answer: &str| {
        vec![
            Step::Head,
            Step::Wait,
            Step::SoFar,
            Step::send(answer),
            Step::Bytes(5),
        ]
    };
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let refused = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for answer in [switched, refused] {
        let is_switched = answer == switched;
        let honest = vec![Step::Request, Step::send(refused), Step::Again];
        let origin = Origin::playing_each(vec![script(answer), honest]).await;
        let gateway = Gateway::to(&origin).await;
        let mut client = gateway.client().await;
        client.send([upgrade, "early"].concat()).await;
        origin.has_read(1).await;
        // The same worker has served someone else meanwhile: what it would send, it has sent.
        let mut other = gateway.client().await;
        assert_eq!(
            other.ask("GET /p HTTP/1.1\r\nHost: a\r\n\r\n").await.text(),
            "ok"
        );
        origin.go_on();
        let response = client.try_head().await.expect("an answer");
        assert_eq!(response.status(), if is_switched { 101 } else { 200 });
        if is_switched {
            origin.has_read(4).await;
            assert_eq!(origin.received()[3].text(), "early");
        } else {
            // No switch: what follows is the next request, and no sound one.
            assert_eq!(client.bytes(2).await, b"ok");
            assert_eq!(client.ask("\r\n").await.status(), 400);
            assert!(client.is_closed().await);
        }
        let received = origin.received();
        let head =
            "GET /ws HTTP/1.1\r\nhost: a.test\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
        assert_eq!(bytes(&received[0]), head);
        assert_eq!(received[2].text(), "", "before the switch");
    }
}

/// 19: the parts of a body, the first of which is sound.
const BROKEN: &[(&str, &str, &str)] = &[
    ("5\r\nhello\r\n", "zz\r\n", "a chunk's size"),
    ("5\r\nhello\r\n", "5\nhello\r\n", "a size line's end"),
    ("5\r\nhello\r\n", "2\r\nokX0\r\n\r\n", "a chunk's end"),
    ("5\r\nhello\r\n", "1;a\rX\r\nx\r\n", "a chunk's extension"),
    ("5\r\nhello\r\n", "0\r\nX: 1\n\r\n", "a trailer's end"),
    (
        "5\r\nhello\r\n",
        "ffffffffffffffff1\r\n",
        "a size beyond all numbers",
    ),
];

#[tokio::test]
async fn a_broken_body_is_answered_400_and_never_looks_whole_to_the_backend() {
    for (sound, broken, what) in BROKEN {
        let origin = Origin::playing(vec![Step::Head, Step::Bytes(10), Step::Rest]).await;
        let gateway = Gateway::to(&origin).await;
        let mut client = gateway.client().await;
        let head = "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send([head, sound].concat()).await;
        origin.has_read(2).await;
        client.send([broken, SMUGGLED].concat()).await;
        let response = client.response().await;
        assert_eq!(response.status(), 400, "{what}");
        assert_eq!(response.field("connection"), Some("close"), "{what}");
        assert!(client.is_closed().await, "{what}");
        origin.has_read(3).await;
        let received: Vec<_> = origin.received().iter().map(bytes).collect();
        assert_eq!(received[1], *sound, "{what}");
        assert!(!received[2].contains("0\r\n"), "{what}: {received:?}");
        let event = gateway.events.response().await;
        assert_eq!(
            (event.side, event.reason),
            (Side::Client, Reason::BadRequest),
            "{what}"
        );
    }
}

#[test]
fn every_validation_that_http1_knows_has_a_row() {
    let refused = REFUSED.iter().map(|(number, ..)| *number);
    let passed = PASSED.iter().map(|(number, ..)| *number);
    let sized = too_large().into_iter().map(|(number, ..)| number);
    let own_tests = [12, 15, 19];
    let shown = distinct(refused.chain(passed).chain(sized).chain(own_tests));
    // 18 is about crumbs, which only HTTP/2 has.
    let due: Vec<_> = (1..=19).filter(|number| *number != 18).collect();
    assert_eq!(shown, due);
}
