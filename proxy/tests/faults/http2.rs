//! What HTTP/2 backends do wrong, frame by frame. What ends a stream leaves the connection to the
//! others; what ends the connection has the next request go on another.

use crate::harness::{Gateway, Route, config};
use crate::play::{Fault, Seen, answering, greeting};
use rauta_schemas::{Reason, Side};
use rauta_test_support::http2::{data, frame, goaway, headers, kind, reset};
use rauta_test_support::{Origin, Script, Step};
use std::time::Duration;

/// Is the connection of use to the next request?
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Kept,
    Left,
}

use After::{Kept, Left};

/// A backend that answers the first stream with these bytes and, where the connection is kept, the
/// next ones as it should.
fn script(sent: impl AsRef<[u8]>, after: After) -> Script {
    let mut script = greeting();
    script.extend([Step::Frame(kind::HEADERS), Step::send(sent)]);
    match after {
        Kept => script.extend(answering([3, 5, 7])),
        Left => script.push(Step::AwaitEnd),
    }
    script
}

fn fault(what: &'static str, script: Script, seen: Seen, reason: Reason, after: After) -> Fault {
    Fault {
        what,
        script,
        seen,
        reason,
        is_http2: true,
        is_left: after == Left,
    }
}

/// A response's head on the first stream.
fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, fields, false)
}

fn ok() -> Vec<u8> {
    head(&[(":status", "200")])
}

#[tokio::test]
async fn a_stream_that_is_reset_before_its_response_is_answered() {
    const REFUSED_STREAM: u32 = 7;
    for code in [0, 1, 2, 5, REFUSED_STREAM, 8, 11, 13, 0xdead] {
        let status = if code == REFUSED_STREAM { 503 } else { 502 };
        let script = script(reset(1, code), Kept);
        let seen = Seen::Answered(status);
        fault("a reset", script, seen, Reason::BackendReset, Kept)
            .play()
            .await;
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_inside_its_response_is_seen_to_be_cut() {
    for code in [0, 2, 7, 8, 11] {
        let mut script = script([ok(), data(1, b"begin", false)].concat(), Left);
        script.pop();
        script.extend([Step::Wait, Step::send(reset(1, code))]);
        script.extend(answering([3, 5, 7]));
        fault("a reset", script, Seen::Cut, Reason::BackendReset, Kept)
            .play()
            .await;
    }
}

#[tokio::test]
async fn a_head_that_breaks_the_protocol_is_answered_502() {
    let many = vec![("x", "y"); 2000];
    let large = "y".repeat(2_000_000);
    let many: Vec<_> = [(":status", "200")].into_iter().chain(many).collect();
    let rows: [(&'static str, Vec<u8>, After); 12] = [
        ("no status", head(&[("x", "y")]), Kept),
        ("a switch", head(&[(":status", "101")]), Kept),
        ("status 600", headers(1, &[(":status", "600")], true), Kept),
        (
            "a connection field",
            head(&[(":status", "200"), ("connection", "close")]),
            Kept,
        ),
        (
            "a coding",
            head(&[(":status", "200"), ("transfer-encoding", "chunked")]),
            Kept,
        ),
        (
            "a late pseudo-header",
            head(&[("x", "y"), (":status", "200")]),
            Kept,
        ),
        (
            "two lengths",
            head(&[
                (":status", "200"),
                ("content-length", "2"),
                ("content-length", "45"),
            ]),
            Kept,
        ),
        ("2000 fields", head(&many), Kept),
        ("status 99", head(&[(":status", "99")]), Left),
        ("status 1000", head(&[(":status", "1000")]), Left),
        (
            "a zero byte",
            head(&[(":status", "200"), ("x", "a\0b")]),
            Left,
        ),
        (
            "a head of 2 MB",
            head(&[(":status", "200"), ("x", &large)]),
            Left,
        ),
    ];
    for (what, sent, after) in rows {
        let seen = Seen::Answered(502);
        fault(what, script(sent, after), seen, Reason::BadResponse, after)
            .play()
            .await;
    }
}

#[tokio::test]
async fn too_many_interim_responses_are_answered_502() {
    for status in ["103", "100"] {
        let sent = head(&[(":status", status)]).repeat(5000);
        let script = script(sent, Kept);
        let fault = fault(
            "interim responses",
            script,
            Seen::Answered(502),
            Reason::BadResponse,
            Kept,
        );
        fault.play().await;
    }
}

#[tokio::test]
async fn frames_that_break_the_protocol_are_answered_502_and_end_the_connection() {
    let rows = [
        ("data before the head", data(1, b"x", false)),
        ("data on no stream", data(0, b"x", false)),
        (
            "an index that no table has",
            frame(kind::HEADERS, 4, 1, &[0x80]),
        ),
        (
            "a continuation of nothing",
            frame(kind::CONTINUATION, 4, 1, b""),
        ),
        (
            "an unasked push",
            frame(kind::PUSH, 4, 1, &[0, 0, 0, 2, 0x88]),
        ),
        ("a reset of no stream", frame(kind::RESET, 0, 0, &[0; 4])),
        (
            "a window that overflows",
            frame(kind::WINDOW, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        ),
        (
            "settings of an odd length",
            frame(kind::SETTINGS, 0, 0, b"x"),
        ),
        (
            "a frame beyond all limits",
            vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1],
        ),
        (
            "http/1",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
    ];
    for (what, sent) in rows {
        let seen = Seen::Answered(502);
        fault(what, script(sent, Left), seen, Reason::BadResponse, Left)
            .play()
            .await;
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_declared_never_ends_well() {
    let rows = [
        ("too short", data(1, b"", true)),
        ("too long", data(1, b"123456", false)),
    ];
    for (what, then) in rows {
        let ten = head(&[(":status", "200"), ("content-length", "10")]);
        let mut script = script([ten, data(1, b"begin", false)].concat(), Left);
        script.pop();
        script.extend([Step::Wait, Step::send(then)]);
        script.extend(answering([3, 5, 7]));
        fault(what, script, Seen::Cut, Reason::BadResponse, Kept)
            .play()
            .await;
    }
}

#[tokio::test]
async fn a_farewell_lets_streams_end_and_leaves_out_what_was_not_looked_at() {
    let farewell = [goaway(1, 0), ok(), data(1, b"ok", true)].concat();
    let seen = Seen::Passed(200, "ok");
    fault(
        "goodbye after this",
        script(farewell, Left),
        seen,
        Reason::None,
        Left,
    )
    .play()
    .await;

    let refused = script(goaway(0, 0), Left);
    fault(
        "goodbye before this",
        refused,
        Seen::Answered(503),
        Reason::BackendReset,
        Left,
    )
    .play()
    .await;

    let mut broken = script([ok(), data(1, b"begin", false)].concat(), Left);
    broken.pop();
    broken.extend([Step::Wait, Step::send(goaway(1, 2))]);
    fault(
        "goodbye in the middle",
        broken,
        Seen::Cut,
        Reason::BackendReset,
        Left,
    )
    .play()
    .await;
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_streams_with_it() {
    let steps = |first: Vec<u8>, last: Vec<Step>| {
        let mut script = script(first, Left);
        script.pop();
        script.extend(last);
        script
    };
    let begun = [ok(), data(1, b"begin", false)].concat();
    let rows = [
        (
            "closes empty",
            steps(Vec::new(), vec![Step::Close]),
            Seen::Answered(502),
        ),
        (
            "resets",
            steps(Vec::new(), vec![Step::Reset]),
            Seen::Answered(502),
        ),
        (
            "closes inside",
            steps(begun.clone(), vec![Step::Wait]),
            Seen::Cut,
        ),
        (
            "resets inside",
            steps(begun, vec![Step::Wait, Step::Reset]),
            Seen::Cut,
        ),
    ];
    for (what, script, seen) in rows {
        fault(what, script, seen, Reason::BackendReset, Left)
            .play()
            .await;
    }
}

#[tokio::test]
async fn bytes_behind_a_response_never_reach_another_exchange() {
    let whole = [ok(), data(1, b"ok", true)].concat();
    let rows = [
        (
            "data after the end",
            [whole.clone(), data(1, b"EVIL", false)].concat(),
            200,
            "ok",
        ),
        (
            "another head after the end",
            [
                whole,
                headers(1, &[(":status", "200"), ("x", "EVIL")], true),
            ]
            .concat(),
            200,
            "ok",
        ),
        (
            "204 with a body",
            [head(&[(":status", "204")]), data(1, b"EVIL", true)].concat(),
            204,
            "",
        ),
        (
            "304 with a body",
            [head(&[(":status", "304")]), data(1, b"EVIL", true)].concat(),
            304,
            "",
        ),
    ];
    for (what, sent, status, body) in rows {
        // Whether the connection is of use afterwards is not for the client to notice.
        let script = script(sent, Kept);
        let seen = Seen::Passed(status, body);
        fault(what, script, seen, Reason::None, Kept).play().await;
    }
}

/// What a backend's first SETTINGS say of one parameter.
fn settings(parameter: u8, value: u32) -> Step {
    let mut payload = vec![0, parameter];
    payload.extend(value.to_be_bytes());
    Step::send(frame(kind::SETTINGS, 0, 0, &payload))
}

#[tokio::test]
async fn a_backend_that_allows_nothing_is_not_waited_for_without_end() {
    const STREAMS_MAX: u8 = 3;
    const WINDOW: u8 = 4;
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let short = Duration::from_millis(300);
    let rows = [
        (
            vec![settings(STREAMS_MAX, 0), Step::Pong, Step::AwaitEnd],
            Reason::ConnectTimeout,
        ),
        (
            vec![
                settings(WINDOW, 0),
                Step::Pong,
                Step::Frame(kind::HEADERS),
                Step::AwaitEnd,
            ],
            Reason::Stalled,
        ),
        (
            vec![greeting()[0].clone(), Step::AwaitEnd],
            Reason::ConnectTimeout,
        ),
    ];
    for (script, reason) in rows {
        let origin = Origin::playing(script).await;
        let route = Route {
            is_http2: true,
            ..Route::to(&[&origin])
        };
        let mut config = config();
        config.limits.progress = short;
        config.limits.connect = short;
        let gateway = Gateway::start(config, vec![route]).await;
        let response = gateway.client().await.ask(post).await;
        let event = gateway.events.response().await;
        let told = (response.status(), event.side, event.reason);
        assert_eq!(told, (504, Side::Backend, reason));
    }
}
