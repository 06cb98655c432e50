//! An origin for gRPC that answers every method with what it was asked: the one message type has
//! one field, `string text = 1`, so that a message is read and written by hand.

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Answers at an address of the overlay until it is dropped.
pub(crate) struct GrpcOrigin(JoinHandle<()>);

impl GrpcOrigin {
    /// Answers there as this Service: `<service> <path> <text>`.
    pub(crate) async fn at(address: SocketAddr, service: &str) -> Self {
        let listener = TcpListener::bind(address).await;
        let listener = listener.expect("the address is free");
        Self(tokio::spawn(accept(listener, service.into())))
    }
}

impl Drop for GrpcOrigin {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, service: Arc<str>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, Arc::clone(&service)));
    }
}

async fn connection(stream: TcpStream, service: Arc<str>) {
    let mut calls = JoinSet::new();
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let service = Arc::clone(&service);
        calls.spawn(async move {
            // A client that is gone needs no answer.
            answer(request, respond, &service).await.ok();
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: &str,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let mut message = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        message.extend_from_slice(&piece);
    }
    let text = format!("{service} {} {}", head.uri.path(), text_of(&message));
    let response = Response::builder().header("content-type", "application/grpc");
    let response = response.body(()).expect("a response without faults");
    let mut stream = respond.send_response(response, false)?;
    stream.send_data(framed(&text).into(), false)?;
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// The text of a framed message: a flag, four bytes of length, the field's tag and length, a text.
fn text_of(message: &[u8]) -> String {
    let text = message.get(7..).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// A text of less than 128 bytes as a framed message.
fn framed(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 126, "a longer text has longer lengths");
    let mut message = vec![0, 0, 0, 0, length + 2, 0x0a, length];
    message.extend_from_slice(text.as_bytes());
    message
}
