//! A collector that plays faults: one per request, in order, and then takes in what comes.

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use rauta_sinks::otlp::Protocol;
use rauta_test_support::in_time;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval};
use tokio_rustls::TlsAcceptor;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What a collector answers to one request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// Takes it in.
    Accept,
    /// Takes it in but for some spans.
    Partial(i64),
    /// HTTP: this status, and when to come back.
    Status(u16, Option<u64>),
    /// gRPC: this code, and when to come back.
    Code(Code, Option<Duration>),
    /// A page for people.
    Html,
    /// Never answers.
    BlackHole,
    /// Answers a byte a second.
    Drip,
    /// Breaks the connection in the middle of its answer.
    Reset,
    /// Says that it reads no gzip, where it was sent some.
    NoGzip,
    /// Refuses more than this many spans as too large.
    AtMost(usize),
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) at: Instant,
    pub(crate) spans: usize,
    pub(crate) gzip: bool,
}

/// A running stub; it ends with its runtime.
#[derive(Clone, Debug)]
pub(crate) struct Stub {
    protocol: Protocol,
    plays: Arc<Mutex<VecDeque<Play>>>,
    taken: Arc<watch::Sender<Vec<Taken>>>,
}

type Body = BoxBody<Bytes, std::io::Error>;

impl Stub {
    /// A stub that will play this, listening nowhere yet.
    pub(crate) fn new(protocol: Protocol, plays: impl IntoIterator<Item = Play>) -> Self {
        Self {
            protocol,
            plays: Arc::new(Mutex::new(plays.into_iter().collect())),
            taken: Arc::new(watch::Sender::new(Vec::new())),
        }
    }

    /// Starts to listen, in the clear.
    pub(crate) fn listen(&self, listener: TcpListener) {
        let stub = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(stub.clone().serve(stream));
            }
        });
    }

    /// Starts to listen, with the TLS that is in force when a client comes.
    pub(crate) fn listen_tls(&self, listener: TcpListener, tls: watch::Receiver<TlsAcceptor>) {
        let stub = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (stub, tls) = (stub.clone(), tls.borrow().clone());
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        stub.serve(stream).await;
                    }
                });
            }
        });
    }

    /// Every request so far.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.taken.borrow().clone()
    }

    /// Waits until so many requests came.
    pub(crate) async fn wait_for(&self, requests: usize) -> Vec<Taken> {
        let mut taken = self.taken.subscribe();
        let waiting = taken.wait_for(|taken| taken.len() >= requests);
        let there = in_time("requests at the stub", waiting).await;
        there.expect("the stub lives").clone()
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let stream = TokioIo::new(stream);
        let protocol = self.protocol;
        let service = service_fn(move |request| self.clone().answer(request));
        // However a connection ends, the next one begins anew.
        match protocol {
            Protocol::Grpc => {
                let http2 = http2::Builder::new(TokioExecutor::new());
                http2.serve_connection(stream, service).await.ok();
            }
            Protocol::HttpProtobuf => {
                let http1 = http1::Builder::new();
                http1.serve_connection(stream, service).await.ok();
            }
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?;
        let (message, gzip) = self.message(&head.headers, body.to_bytes());
        let request = ExportTraceServiceRequest::decode(message).expect("a request for spans");
        let scopes = request.resource_spans.iter().flat_map(|r| &r.scope_spans);
        let spans = scopes.map(|scope| scope.spans.len()).sum();
        let play = {
            let mut plays = self.plays.lock().unwrap_or_else(PoisonError::into_inner);
            match plays.front() {
                Some(Play::AtMost(most)) if spans <= *most => Play::Accept,
                Some(Play::AtMost(_)) => plays.front().cloned().unwrap_or(Play::Accept),
                Some(_) | None => plays.pop_front().unwrap_or(Play::Accept),
            }
        };
        self.taken.send_modify(|taken| {
            let at = Instant::now();
            taken.push(Taken { at, spans, gzip });
        });
        self.play(play, gzip).await
    }

    /// What was sent, uncompressed.
    fn message(&self, headers: &HeaderMap, body: Bytes) -> (Bytes, bool) {
        let (gzip, body) = match self.protocol {
            Protocol::HttpProtobuf => (headers.contains_key(CONTENT_ENCODING), body),
            // A flag and four bytes of length come first.
            Protocol::Grpc => (body[0] == 1, body.slice(5..)),
        };
        if !gzip {
            return (body, false);
        }
        let mut plain = Vec::new();
        GzDecoder::new(&body[..])
            .read_to_end(&mut plain)
            .expect("what is said to be gzip is");
        (plain.into(), true)
    }

    async fn play(&self, play: Play, gzip: bool) -> Result<Response<Body>, std::io::Error> {
        let is_grpc = self.protocol == Protocol::Grpc;
        Ok(match play {
            Play::Accept => self.accepted(0, gzip),
            Play::Partial(rejected) => self.accepted(rejected, gzip),
            Play::Status(status, after) => {
                let mut response = Response::new(full(Bytes::new()));
                *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                if let Some(after) = after {
                    let after = HeaderValue::from(after);
                    response.headers_mut().insert(RETRY_AFTER, after);
                }
                response
            }
            Play::Code(code, after) => {
                let details = match after {
                    Some(_) => ErrorDetails::with_retry_info(after),
                    None => ErrorDetails::new(),
                };
                refused(Status::with_error_details(code, "played", details))
            }
            Play::Html => {
                let page = Bytes::from_static(b"<html>welcome</html>");
                let mut response = Response::new(full(page));
                let html = HeaderValue::from_static("text/html");
                response.headers_mut().insert(CONTENT_TYPE, html);
                response
            }
            Play::BlackHole => std::future::pending().await,
            Play::Drip => self.endless(Pace::Slow(interval(Duration::from_secs(1)))),
            Play::Reset => self.endless(Pace::Broken { is_begun: false }),
            Play::NoGzip if !gzip => self.accepted(0, gzip),
            Play::NoGzip if is_grpc => {
                refused(Status::unimplemented("cannot read compressed messages"))
            }
            Play::NoGzip => {
                let mut response = Response::new(full(Bytes::new()));
                *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                response
            }
            Play::AtMost(_) if is_grpc => refused(Status::resource_exhausted(
                "grpc: received message larger than max (9 vs. 4)",
            )),
            Play::AtMost(_) => {
                let mut response = Response::new(full(Bytes::new()));
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                response
            }
        })
    }

    /// Over gRPC what came compressed is answered compressed, as real collectors do.
    fn accepted(&self, rejected: i64, gzip: bool) -> Response<Body> {
        let message = ExportTraceServiceResponse {
            partial_success: (rejected > 0).then(|| ExportTracePartialSuccess {
                rejected_spans: rejected,
                error_message: "too old".into(),
            }),
        };
        let message = message.encode_to_vec();
        match self.protocol {
            Protocol::HttpProtobuf => {
                let mut response = Response::new(full(message.into()));
                let protobuf = HeaderValue::from_static("application/x-protobuf");
                response.headers_mut().insert(CONTENT_TYPE, protobuf);
                response
            }
            Protocol::Grpc => {
                let message = match gzip {
                    true => compressed(&message),
                    false => message,
                };
                let length = u32::try_from(message.len()).expect("short").to_be_bytes();
                let framed = [&[u8::from(gzip)], &length[..], &message[..]].concat();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                let frames = Full::new(Bytes::from(framed))
                    .map_err(|never| match never {})
                    .with_trailers(std::future::ready(Some(Ok(trailers))));
                let mut response = grpc(Response::new(BodyExt::boxed(frames)));
                if gzip {
                    let gzip = HeaderValue::from_static("gzip");
                    response.headers_mut().insert("grpc-encoding", gzip);
                }
                response
            }
        }
    }

    fn endless(&self, pace: Pace) -> Response<Body> {
        let mut response = Response::new(BodyExt::boxed(StreamBody::new(pace)));
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        response.headers_mut().insert(CONTENT_TYPE, protobuf);
        match self.protocol {
            Protocol::HttpProtobuf => response,
            Protocol::Grpc => grpc(response),
        }
    }
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(message).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

fn full(bytes: Bytes) -> Body {
    BodyExt::boxed(Full::new(bytes).map_err(|never| match never {}))
}

fn grpc(mut response: Response<Body>) -> Response<Body> {
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn refused(status: Status) -> Response<Body> {
    let (head, ()) = status.into_http::<()>().into_parts();
    Response::from_parts(head, full(Bytes::new()))
}

/// A body that never comes to its end.
enum Pace {
    Slow(Interval),
    Broken { is_begun: bool },
}

impl futures_util::Stream for Pace {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let byte = || Some(Ok(Frame::data(Bytes::from_static(&[0]))));
        match &mut *self {
            Self::Slow(interval) => interval.poll_tick(cx).map(|_| byte()),
            Self::Broken { is_begun } => {
                let item = match std::mem::replace(is_begun, true) {
                    false => byte(),
                    true => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
                };
                Poll::Ready(item)
            }
        }
    }
}
