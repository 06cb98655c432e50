//! An HTTP/2 origin in the test's own process.

#![expect(unreachable_pub, reason = "modules of one test program")]

use crate::harness::Route;
use crate::peer::contents;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, HeaderValue, Request, Response};
use rauta_test_support::in_time;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// One request on one stream.
pub struct Call {
    /// Which of the origin's requests it is, from 1.
    pub ordinal: usize,
    pub request: Request<RecvStream>,
    pub respond: SendResponse<Bytes>,
}

impl Call {
    /// Reads the body and answers 200 with `body` and `trailers`.
    pub async fn echo(self, trailers: Option<HeaderMap>) -> Received {
        let Self {
            request,
            mut respond,
            ..
        } = self;
        let (head, body) = request.into_parts();
        let (body, received) = contents(body).await.expect("a whole request");
        let mut stream = respond
            .send_response(Response::new(()), false)
            .expect("an open stream");
        stream
            .send_data(Bytes::from(body.clone()), trailers.is_none())
            .expect("an open stream");
        if let Some(trailers) = trailers {
            stream.send_trailers(trailers).expect("an open stream");
        }
        Received {
            head: Request::from_parts(head, ()),
            body,
            trailers: received,
        }
    }
}

/// A request as the origin read it.
pub struct Received {
    pub head: Request<()>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

/// One field as a map.
pub fn field(name: &'static str, value: &'static str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(name, HeaderValue::from_static(value));
    fields
}

/// Counts that tests wait for.
#[derive(Clone)]
struct Counts {
    connections: Arc<watch::Sender<usize>>,
    ended: Arc<watch::Sender<usize>>,
    calls: Arc<watch::Sender<usize>>,
}

/// A listening origin.
pub struct Http2Origin {
    address: SocketAddr,
    leave: Arc<Notify>,
    counts: Counts,
}

impl Http2Origin {
    /// Answers each request by `serve`, at most `streams` at once on a connection.
    pub async fn serving<F>(streams: u32, serve: impl Fn(Call) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has ports");
        let counts = Counts {
            connections: Arc::default(),
            ended: Arc::default(),
            calls: Arc::default(),
        };
        let origin = Self {
            address: listener.local_addr().expect("the socket lives"),
            leave: Arc::default(),
            counts: counts.clone(),
        };
        let (leave, serve) = (Arc::clone(&origin.leave), Arc::new(serve));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counts.connections.send_modify(|count| *count += 1);
                let (counts, leave) = (counts.clone(), Arc::clone(&leave));
                let serve = Arc::clone(&serve);
                tokio::spawn(async move {
                    connection(tcp, streams, &counts, &leave, serve).await;
                    counts.ended.send_modify(|count| *count += 1);
                });
            }
        });
        origin
    }

    /// A route with everything to this origin.
    pub fn route(&self) -> Route {
        Route {
            endpoints: vec![self.address],
            is_http2: true,
            ..Route::default()
        }
    }

    /// Tells the connections that are open now to open no further streams.
    pub fn leave(&self) {
        self.leave.notify_waiters();
    }

    pub fn connections(&self) -> usize {
        *self.counts.connections.borrow()
    }

    /// Waits until `count` requests came.
    pub async fn has_read(&self, count: usize) {
        reaches(&self.counts.calls, count).await;
    }

    /// Waits until `count` connections have ended.
    pub async fn has_ended(&self, count: usize) {
        reaches(&self.counts.ended, count).await;
    }
}

async fn reaches(counter: &watch::Sender<usize>, count: usize) {
    let mut seen = counter.subscribe();
    let reached = in_time("the origin", seen.wait_for(|now| *now >= count)).await;
    reached.expect("the origin lives");
}

async fn connection<F>(
    tcp: TcpStream,
    streams: u32,
    counts: &Counts,
    leave: &Notify,
    serve: Arc<impl Fn(Call) -> F>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = Builder::new();
    builder.max_concurrent_streams(streams);
    let Ok(mut connection) = builder.handshake(tcp).await else {
        return;
    };
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = leave.notified() => {
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else {
            return;
        };
        counts.calls.send_modify(|count| *count += 1);
        let ordinal = *counts.calls.borrow();
        tokio::spawn(serve(Call {
            ordinal,
            request,
            respond,
        }));
    }
}
