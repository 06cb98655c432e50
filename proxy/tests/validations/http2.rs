//! Over HTTP/2, to an HTTP/1 backend. A refusal ends its stream; the connection carries on.

use super::{bytes, demand, distinct};
use crate::harness::Gateway;
use rauta_schemas::{Outcome, Side};
use rauta_test_support::Origin;
use rauta_test_support::http2::{End, FrameClient, Heard, data, headers};

/// RST_STREAM and GOAWAY say this of a message that breaks the protocol.
const PROTOCOL_ERROR: u32 = 1;

/// Changes to a sound request: a pseudo-header field is replaced, or left out where its value is
/// `-`; any other is added, and so is one whose name ends with a space, without the space.
type Changes<'a> = &'a [(&'a str, &'a str)];

/// Changes that take room of their own.
type Large<'a> = Vec<(&'a str, &'a str)>;

/// Refused with a status: the validation, the status, and what is not sound.
const REFUSED: &[(usize, u16, Changes<'_>)] = &[
    (1, 400, &[(":authority", "-")]),
    (2, 400, &[("host", "a.test"), ("host", "a.test")]),
    (
        2,
        400,
        &[(":authority", "-"), ("host", "a.test"), ("host", "b.test")],
    ),
    (3, 400, &[(":authority", "u@a.test")]),
    (3, 400, &[(":authority", "a.test,b.test")]),
    (3, 400, &[(":authority", "a.test:65536")]),
    (3, 400, &[(":authority", "-"), ("host", "u@a.test")]),
    (3, 400, &[(":authority", "-"), ("host", "a.test/evil")]),
    (5, 400, &[(":scheme", "ftp")]),
    (6, 400, &[(":path", "*")]),
    (
        6,
        501,
        &[(":method", "CONNECT"), (":scheme", "-"), (":path", "-")],
    ),
    (8, 400, &[(":path", "/\u{c3}\u{a4}")]),
    (8, 400, &[(":path", "/p?\u{c3}\u{a4}")]),
    (12, 417, &[("expect", "200-ok")]),
    (17, 400, &[("host", "b.test")]),
    (17, 400, &[("host", "a.test:8080")]),
];

/// Refused by a reset.
const RESET: &[(usize, Changes<'_>)] = &[
    (2, &[(":authority", "a.test"), (":authority ", "a.test")]),
    (3, &[(":authority", "a.test/evil")]),
    (3, &[(":authority", "a.test, b.test")]),
    (6, &[(":path", "-")]),
    (9, &[("transfer-encoding", "chunked")]),
    (9, &[("transfer-encoding", "gzip, chunked")]),
    (13, &[("connection", "x-hop"), ("x-hop", "1")]),
    (13, &[("connection", "host")]),
    (13, &[("keep-alive", "5")]),
    (13, &[("te", "gzip")]),
    (14, &[("upgrade", "h2c")]),
    (15, &[(":method", "CONNECT"), (":protocol", "websocket")]),
    (19, &[("content-length", "5")]),
    (19, &[("content-length", "0"), ("content-length", "1")]),
];

/// Passed on: the validation, the changes, and what the backend receives.
const PASSED: &[(usize, Changes<'_>, &str)] = &[
    (
        1,
        &[(":authority", "-"), ("host", "b.test")],
        "GET /p HTTP/1.1\r\nhost: b.test\r\n\r\n",
    ),
    (
        4,
        &[(":authority", "b.test:81")],
        "GET /p HTTP/1.1\r\nhost: b.test:81\r\n\r\n",
    ),
    (
        5,
        &[(":scheme", "https")],
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        6,
        &[(":method", "OPTIONS"), (":path", "*")],
        "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    // The fragment is cut off before RAUTA sees it: what it shows is that none is passed on.
    (
        7,
        &[(":path", "/p#frag")],
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        7,
        &[(":path", "/p?q#frag")],
        "GET /p?q HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        14,
        &[("http2-settings", "AAMAAABk")],
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        17,
        &[("host", "A.test:80")],
        "GET /p HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ),
    (
        18,
        &[
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", "b=2"),
            ("cookie", "c=3"),
        ],
        "GET /p HTTP/1.1\r\nhost: a.test\r\ncookie: a=1; b=2; c=3\r\nx: y\r\n\r\n",
    ),
];

fn get<'a>(changes: Changes<'a>) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/p"),
        (":authority", "a.test"),
    ];
    for change in changes {
        match fields.iter_mut().find(|(name, _)| *name == change.0) {
            Some(field) if change.0.starts_with(':') => *field = *change,
            _ => fields.push((change.0.trim_end(), change.1)),
        }
    }
    // Pseudo-header fields come first.
    fields.sort_by_key(|(name, _)| !name.starts_with(':'));
    fields.retain(|(name, value)| *value != "-" || !name.starts_with(':'));
    fields
}

async fn ask(client: &mut FrameClient, changes: Changes<'_>) -> Heard {
    let stream = client.open(&get(changes), true).await;
    client.hear(stream).await
}

/// An honest request is answered on the same connection, and is the `count`th that the backend got.
async fn carries_on(client: &mut FrameClient, origin: &Origin, count: usize, what: &str) {
    let heard = ask(client, &[]).await;
    let whole = Heard {
        statuses: vec![200],
        body: b"ok".to_vec(),
        end: End::Whole,
    };
    assert_eq!(heard, whole, "{what}");
    assert_eq!(origin.received().len(), count, "{what}");
}

#[tokio::test]
async fn what_is_refused_ends_its_stream_alone_and_no_byte_of_it_reaches_the_backend() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = FrameClient::connect(gateway.address).await;
    let target = format!("/{}", "a".repeat(8192));
    let value = "a".repeat(32 * 1024);
    let sized: [(usize, u16, Large<'_>); 4] = [
        (10, 414, vec![(":path", &target)]),
        (11, 431, vec![("x", &value)]),
        (11, 431, vec![("x", "y"); 101]),
        (11, 431, vec![("cookie", "a"); 101]),
    ];
    let sized = sized
        .iter()
        .map(|(number, status, changes)| (*number, *status, &**changes));
    let rows: Vec<_> = REFUSED.iter().copied().chain(sized).collect();
    for (count, (number, status, changes)) in rows.iter().enumerate() {
        let what = format!("{}: {:.200}", demand(*number), format!("{changes:?}"));
        let heard = ask(&mut client, changes).await;
        assert_eq!(
            (heard.statuses, heard.end),
            (vec![*status], End::Whole),
            "{what}"
        );
        carries_on(&mut client, &origin, count + 1, &what).await;
    }
    // A header list beyond 32 KiB is answered before RAUTA sees it.
    for event in gateway.events.responses(2 * rows.len() - 1).await {
        let is_refused = event.status != 200;
        let side = if is_refused { Side::Client } else { Side::None };
        assert_eq!(event.side, side, "{event:?}");
    }
    assert_eq!(gateway.proxy.totals().accepted, 1);
}

#[tokio::test]
async fn what_breaks_the_protocol_resets_its_stream_alone() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = FrameClient::connect(gateway.address).await;
    for (count, (number, changes)) in RESET.iter().enumerate() {
        let what = format!("{}: {changes:?}", demand(*number));
        let heard = ask(&mut client, changes).await;
        assert_eq!(
            (heard.statuses, heard.end),
            (vec![], End::Reset(PROTOCOL_ERROR)),
            "{what}"
        );
        carries_on(&mut client, &origin, count + 1, &what).await;
    }
    assert_eq!(gateway.proxy.totals().accepted, 1);
}

/// What the decoder of fields itself refuses has no stream yet: RFC 9113 section 5.4.1 lets that
/// end the connection. Nothing of it is passed on.
#[tokio::test]
async fn a_byte_that_no_field_may_hold_ends_the_connection_and_never_reaches_the_backend() {
    let rows: [(usize, Changes<'_>); 8] = [
        (8, &[(":path", "/\u{ff}")]),
        (3, &[(":authority", "\u{ff}.test")]),
        (13, &[("x", "a\r\nconnection: host")]),
        (13, &[("x", "a\nb")]),
        (13, &[("x", "a\0b")]),
        (13, &[("x y", "a")]),
        (13, &[("X", "a")]),
        (2, &[(":host", "a.test")]),
    ];
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    for (number, changes) in rows {
        let what = format!("{}: {changes:?}", demand(number));
        let mut client = FrameClient::connect(gateway.address).await;
        let heard = ask(&mut client, changes).await;
        assert_eq!(
            (heard.statuses, heard.end),
            (vec![], End::Goaway(PROTOCOL_ERROR)),
            "{what}"
        );
    }
    let mut client = FrameClient::connect(gateway.address).await;
    carries_on(&mut client, &origin, 1, "others").await;
}

#[tokio::test]
async fn what_is_passed_on_reaches_the_backend_as_exactly_these_bytes() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = FrameClient::connect(gateway.address).await;
    let target = format!("/{}", "a".repeat(8191));
    let head = format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n");
    let fields = format!(
        "GET /p HTTP/1.1\r\nhost: a.test\r\n{}\r\n",
        "x: y\r\n".repeat(100)
    );
    let sized: [(usize, Large<'_>, &str); 2] = [
        (10, vec![(":path", &target)], &head),
        (11, vec![("x", "y"); 100], &fields),
    ];
    let sized = sized
        .iter()
        .map(|(number, changes, received)| (*number, &**changes, *received));
    for (count, (number, changes, received)) in PASSED.iter().copied().chain(sized).enumerate() {
        let what = format!("{}: {:.200}", demand(number), format!("{changes:?}"));
        let heard = ask(&mut client, changes).await;
        assert_eq!(
            (heard.statuses, heard.end),
            (vec![200], End::Whole),
            "{what}"
        );
        let all = origin.received();
        assert_eq!(
            (all.len(), &*bytes(&all[count])),
            (count + 1, received),
            "{what}"
        );
    }
}

/// 16: trailers in a header section of their own.
#[tokio::test]
async fn trailers_of_a_stream_frame_route_and_authenticate_nothing() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = FrameClient::connect(gateway.address).await;
    let stream = client.open(&get(&[(":method", "POST")]), false).await;
    client.send(data(stream, b"x", false)).await;
    let trailers = [
        ("content-length", "9"),
        ("host", "b"),
        ("authorization", "b"),
        ("cookie", "b"),
        ("x-forwarded-for", "b"),
        ("x-sum", "1"),
    ];
    client.send(headers(stream, &trailers, true)).await;
    assert_eq!(client.hear(stream).await.statuses, [200]);
    let received = "POST /p HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n\
                    1\r\nx\r\n0\r\nx-sum: 1\r\n\r\n";
    assert_eq!(bytes(&origin.received()[0]), received);

    // The `h2` crate takes pseudo-header fields out of trailers unseen: none is passed on.
    let stream = client.open(&get(&[(":method", "POST")]), false).await;
    client.send(data(stream, b"x", false)).await;
    client
        .send(headers(stream, &[(":path", "/evil"), ("x-sum", "1")], true))
        .await;
    assert_eq!(client.hear(stream).await.statuses, [200]);
    assert_eq!(bytes(&origin.received()[1]), received);
}

/// 19: bodies that are not as long as they said.
#[tokio::test]
async fn a_body_of_another_length_than_declared_is_the_clients_fault() {
    let origin = Origin::saying("ok").await;
    let gateway = Gateway::to(&origin).await;
    let mut client = FrameClient::connect(gateway.address).await;
    for (count, (body, is_last)) in [(&b"hel"[..], true), (b"hello!", false)]
        .into_iter()
        .enumerate()
    {
        let changes = [(":method", "POST"), ("content-length", "5")];
        let stream = client.open(&get(&changes), false).await;
        client.send(data(stream, body, is_last)).await;
        let heard = client.hear(stream).await;
        assert_eq!(
            (heard.statuses, heard.end),
            (vec![], End::Reset(PROTOCOL_ERROR))
        );
        let told = gateway
            .events
            .responses(2 * count + 1)
            .await
            .remove(2 * count);
        assert_eq!(
            (told.outcome, told.side, told.status),
            (Outcome::Abandoned, Side::Client, 0)
        );
        assert_eq!(ask(&mut client, &[]).await.statuses, [200]);
        gateway.events.responses(2 * count + 2).await;
    }
    let whole: Vec<_> = origin
        .received()
        .iter()
        .filter(|message| message.head.starts_with("POST"))
        .map(bytes)
        .collect();
    assert!(
        whole.iter().all(|message| !message.ends_with("hello")),
        "{whole:?}"
    );
}

#[test]
fn every_validation_that_http2_knows_has_a_row() {
    let refused = REFUSED.iter().map(|(number, ..)| *number);
    let reset = RESET.iter().map(|(number, ..)| *number);
    let passed = PASSED.iter().map(|(number, ..)| *number);
    // By their size, and in tests of their own.
    let others = [10, 11, 16];
    let shown = distinct(refused.chain(reset).chain(passed).chain(others));
    assert_eq!(shown, (1..=19).collect::<Vec<_>>());
}
