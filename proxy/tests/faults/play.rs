//! One fault of a backend, played to an HTTP/1 and to an HTTP/2 client, and then an honest exchange
//! of somebody else, who must not notice.

#![expect(unreachable_pub, reason = "modules of one test program")]

use crate::harness::{Gateway, Route, config};
use rauta_schemas::{HttpResponseEvent, Outcome, Reason, Side};
use rauta_test_support::http2::{End, FrameClient, data, frame, headers, kind};
use rauta_test_support::{Origin, RawClient, Script, Step};

pub const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const HEAD: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", "a"),
];

/// RST_STREAM's code for a response that breaks off.
const INTERNAL_ERROR: u32 = 2;

/// At most so many interim responses reach a client.
const INTERIM_MAX: usize = 10;

/// What the client sees.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// RAUTA's own answer with this status.
    Answered(u16),
    /// A response of 200 that breaks off: the script waits until its head has arrived.
    Cut,
    /// The backend's response: what is wrong comes after it.
    Passed(u16, &'static str),
}

/// A backend's fault.
pub struct Fault {
    pub what: &'static str,
    /// What the backend does on its first connection.
    pub script: Script,
    pub seen: Seen,
    pub reason: Reason,
    /// Does the backend speak HTTP/2?
    pub is_http2: bool,
    /// Is the first connection of no use any more?
    pub is_left: bool,
}

impl Fault {
    /// Plays it to both clients.
    pub async fn play(&self) {
        for is_http2_client in [false, true] {
            let what = format!("{} (http/2 client: {is_http2_client})", self.what);
            let scripts = vec![self.script.clone(), self.honest()];
            let origin = Origin::playing_each(scripts).await;
            let route = Route {
                is_http2: self.is_http2,
                ..Route::to(&[&origin])
            };
            let gateway = Gateway::start(config(), vec![route]).await;
            if is_http2_client {
                self.to_http2(&gateway, &origin, &what).await;
            } else {
                self.to_http1(&gateway, &origin, &what).await;
            }
            self.is_told(&gateway.events.response().await, &what);
            let mut other = gateway.client().await;
            assert_eq!(other.ask(GET).await.text(), "ok", "{what}");
            if self.is_left {
                assert_eq!(origin.connections(), 2, "{what}");
            }
        }
    }

    fn honest(&self) -> Script {
        if !self.is_http2 {
            return vec![Step::Request, Step::send(OK), Step::Again];
        }
        [greeting(), answering([1, 3, 5])].concat()
    }

    async fn to_http1(&self, gateway: &Gateway, origin: &Origin, what: &str) {
        let mut client = gateway.client().await;
        client.send(GET).await;
        let (status, body) = match self.seen {
            Seen::Cut => return is_cut(&mut client, origin, what).await,
            Seen::Answered(status) => (status, None),
            Seen::Passed(status, body) => (status, Some(body)),
        };
        let mut response = client.response().await;
        let mut interim = 0;
        while response.status() < 200 {
            interim += 1;
            response = client.response().await;
        }
        assert!(interim <= INTERIM_MAX, "{what}: {interim}");
        assert_eq!(response.status(), status, "{what}");
        let received = match response.field("transfer-encoding") {
            Some(_) => response.unchunked(),
            None => response.body.clone(),
        };
        assert!(
            body.is_none_or(|body| received == body.as_bytes()),
            "{what}"
        );
        // The client did nothing wrong: its connection lives on.
        assert_eq!(response.field("connection"), None, "{what}");
        assert_eq!(client.ask(GET).await.text(), "ok", "{what}");
    }

    async fn to_http2(&self, gateway: &Gateway, origin: &Origin, what: &str) {
        let mut client = FrameClient::connect(gateway.address).await;
        let stream = client.open(&HEAD, true).await;
        let (status, body) = match self.seen {
            Seen::Cut => {
                assert_eq!(client.status(stream).await, 200, "{what}");
                origin.go_on();
                let end = client.hear(stream).await.end;
                assert_eq!(end, End::Reset(INTERNAL_ERROR), "{what}");
                return carries_on(&mut client, what).await;
            }
            Seen::Answered(status) => (status, None),
            Seen::Passed(status, body) => (status, Some(body)),
        };
        let heard = client.hear(stream).await;
        let (last, interim) = heard.statuses.split_last().expect("a status");
        assert!(interim.len() <= INTERIM_MAX, "{what}: {}", interim.len());
        assert_eq!((*last, heard.end), (status, End::Whole), "{what}");
        assert!(
            body.is_none_or(|body| heard.body == body.as_bytes()),
            "{what}"
        );
        carries_on(&mut client, what).await;
    }

    fn is_told(&self, event: &HttpResponseEvent, what: &str) {
        let (status, outcome, side) = match self.seen {
            Seen::Answered(status) => (status, Outcome::Answered, Side::Backend),
            Seen::Cut => (200, Outcome::Truncated, Side::Backend),
            Seen::Passed(status, _) => (status, Outcome::Completed, Side::None),
        };
        assert_eq!(
            (event.status, event.outcome, event.side),
            (status, outcome, side),
            "{what}"
        );
        assert_eq!(
            (event.reason, event.attempts_count),
            (self.reason, 1),
            "{what}"
        );
    }
}

/// The first part has left before the fault shows, and the rest never looks whole.
async fn is_cut(client: &mut RawClient, origin: &Origin, what: &str) {
    let head = client.try_head().await.expect("a head");
    assert_eq!(head.status(), 200, "{what}");
    origin.go_on();
    let rest = client.rest().await;
    let declared = head
        .field("content-length")
        .and_then(|length| length.parse().ok());
    match declared {
        Some(declared) => assert!(rest.len() < declared, "{what}"),
        None => assert!(!rest.ends_with(b"0\r\n\r\n"), "{what}"),
    }
}

/// The other streams of the connection know nothing of it.
async fn carries_on(client: &mut FrameClient, what: &str) {
    let stream = client.open(&HEAD, true).await;
    let heard = client.hear(stream).await;
    assert_eq!(
        (heard.statuses, heard.body, heard.end),
        (vec![200], b"ok".to_vec(), End::Whole),
        "{what}"
    );
}

/// How an HTTP/2 backend begins: RAUTA asks for a sign of life before it sends a request.
pub fn greeting() -> Script {
    let settings = frame(kind::SETTINGS, 0, 0, b"");
    vec![Step::send(settings), Step::Pong]
}

/// An HTTP/2 backend answers these streams, as they come.
pub fn answering(streams: [u32; 3]) -> Script {
    let answer = |stream| {
        let head = headers(
            stream,
            &[(":status", "200"), ("content-length", "2")],
            false,
        );
        Step::send([head, data(stream, b"ok", true)].concat())
    };
    let turn = |stream| [Step::Frame(kind::HEADERS), answer(stream)];
    let mut script: Script = streams.into_iter().flat_map(turn).collect();
    script.push(Step::AwaitEnd);
    script
}
