//! What HTTP/1 backends do wrong. A connection on which anything was wrong carries no other
//! request.

use crate::harness::Gateway;
use crate::play::{Fault, GET, OK, Seen};
use rauta_schemas::Reason;
use rauta_test_support::{Origin, Script, Step};

/// Somebody else's answer.
const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL";

/// Sent in place of a response; then the connection closes. All are answered 502.
const REFUSED: &[(&str, &str, Reason)] = &[
    ("closes empty", "", Reason::BackendReset),
    (
        "closes inside the head",
        "HTTP/1.1 200 OK\r\nX:",
        Reason::BackendReset,
    ),
    ("garbage", "garbage\r\n\r\n", Reason::BadResponse),
    (
        "garbage without an end",
        "\0\u{1}\u{2}",
        Reason::BadResponse,
    ),
    (
        "bare line feeds",
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        Reason::BadResponse,
    ),
    ("status 99", "HTTP/1.1 99 X\r\n\r\n", Reason::BadResponse),
    ("status 099", "HTTP/1.1 099 X\r\n\r\n", Reason::BadResponse),
    (
        "status 600",
        "HTTP/1.1 600 X\r\ncontent-length: 0\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "status 1000",
        "HTTP/1.1 1000 X\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "two lengths",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 45\r\n\r\nok",
        Reason::BadResponse,
    ),
    (
        "length and coding",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "an unknown coding",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "a bad chunk size",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        Reason::BadResponse,
    ),
    (
        "an unasked switch",
        "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "a zero byte",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "a folded field",
        "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n",
        Reason::BadResponse,
    ),
    (
        "a space before the colon",
        "HTTP/1.1 200 OK\r\nX : a\r\ncontent-length: 0\r\n\r\n",
        Reason::BadResponse,
    ),
];

/// A response's first part, and what comes once the client has seen that; then the connection
/// closes.
const CUT: &[(&str, &str, &str, Reason)] = &[
    (
        "half of its length",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegin",
        "more",
        Reason::BackendReset,
    ),
    (
        "no last chunk",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n",
        "",
        Reason::BackendReset,
    ),
    (
        "half a chunk",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n",
        "9\r\nmore",
        Reason::BackendReset,
    ),
    (
        "half a trailer",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n",
        "0\r\nx: y\r\n",
        Reason::BackendReset,
    ),
    (
        "a bad chunk size later",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n",
        "zz\r\n",
        Reason::BadResponse,
    ),
    (
        "a chunk longer than its size",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n",
        "2\r\nmore0\r\n\r\n",
        Reason::BadResponse,
    ),
];

/// Whole responses with something behind them.
const FOLLOWED: &[(&str, &str, u16, &str)] = &[
    ("more than its length", OK, 200, "ok"),
    (
        "204 with a body",
        "HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\n",
        204,
        "",
    ),
    (
        "304 with a body",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\n",
        304,
        "",
    ),
];

fn fault(what: &'static str, script: Script, seen: Seen, reason: Reason) -> Fault {
    Fault {
        what,
        script,
        seen,
        reason,
        is_http2: false,
        is_left: true,
    }
}

#[tokio::test]
async fn what_is_no_response_is_answered_502() {
    for (what, sent, reason) in REFUSED {
        let script = vec![Step::Request, Step::send(sent)];
        fault(what, script, Seen::Answered(502), *reason)
            .play()
            .await;
    }
    let resets = [
        ("resets", vec![Step::Request, Step::Reset]),
        (
            "resets inside the head",
            vec![
                Step::Request,
                Step::send("HTTP/1.1 200 OK\r\nX:"),
                Step::Reset,
            ],
        ),
    ];
    for (what, script) in resets {
        fault(what, script, Seen::Answered(502), Reason::BackendReset)
            .play()
            .await;
    }
}

#[tokio::test]
async fn what_is_too_much_is_answered_502() {
    let fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(2000));
    let rows = [
        (
            "5000 early hints",
            "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5000),
        ),
        (
            "5000 continues",
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(5000),
        ),
        (
            "a head of 2 MB",
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2_000_000)),
        ),
        ("2000 fields", fields),
    ];
    for (what, sent) in rows {
        let script = vec![Step::Request, Step::send(sent)];
        fault(what, script, Seen::Answered(502), Reason::BadResponse)
            .play()
            .await;
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_is_seen_to_be_cut() {
    for (what, first, then, reason) in CUT {
        let script = vec![
            Step::Request,
            Step::send(first),
            Step::Wait,
            Step::send(then),
        ];
        fault(what, script, Seen::Cut, *reason).play().await;
    }
    let by_reset = [
        ("resets inside its length", CUT[0].1),
        ("resets between chunks", CUT[1].1),
        (
            "resets where the end would complete it",
            "HTTP/1.1 200 OK\r\n\r\nbegin",
        ),
    ];
    for (what, first) in by_reset {
        let script = vec![Step::Request, Step::send(first), Step::Wait, Step::Reset];
        fault(what, script, Seen::Cut, Reason::BackendReset)
            .play()
            .await;
    }
}

#[tokio::test]
async fn an_http10_client_sees_a_cut_as_a_reset() {
    let first = CUT[1].1;
    let script = vec![Step::Request, Step::send(first), Step::Wait];
    let origin = Origin::playing(script).await;
    let gateway = Gateway::to(&origin).await;
    let mut client = gateway.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.try_head().await.expect("a head").status(), 200);
    origin.go_on();
    assert!(client.is_reset().await);
}

#[tokio::test]
async fn bytes_behind_a_response_never_reach_another_exchange() {
    for (what, sent, status, body) in FOLLOWED {
        let script = vec![
            Step::Request,
            Step::send([sent, EVIL].concat()),
            Step::AwaitEnd,
        ];
        let seen = Seen::Passed(*status, body);
        fault(what, script, seen, Reason::None).play().await;
    }
}

/// The same with bytes that come when the connection is unused already.
#[tokio::test]
async fn a_response_that_nobody_asked_for_never_reaches_anybody() {
    let late = vec![
        Step::Request,
        Step::send(OK),
        Step::Wait,
        Step::send(EVIL),
        Step::SoFar,
        Step::AwaitEnd,
    ];
    let honest = vec![Step::Request, Step::send(OK), Step::Again];
    let origin = Origin::playing_each(vec![late, honest]).await;
    let gateway = Gateway::to(&origin).await;
    assert_eq!(gateway.client().await.ask(GET).await.text(), "ok");
    gateway.events.response().await;
    origin.go_on();
    origin.has_read(2).await;
    assert_eq!(gateway.client().await.ask(GET).await.text(), "ok");
    assert_eq!(origin.connections(), 2);
}
