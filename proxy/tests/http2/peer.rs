//! An HTTP/2 client on one connection.

#![expect(unreachable_pub, reason = "modules of one test program")]

use bytes::Bytes;
use h2::client::{self, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rauta_test_support::in_time;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// One connection to the proxy, with prior knowledge.
pub struct Client {
    pub send: SendRequest<Bytes>,
    /// Grows the window that each stream begins with.
    grow: mpsc::Sender<u32>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::with(client::Builder::new(), address).await
    }

    pub async fn with(builder: client::Builder, address: SocketAddr) -> Self {
        let tcp = in_time("a connection", TcpStream::connect(address)).await;
        let tcp = tcp.expect("the proxy listens");
        let shaken = in_time("a handshake", builder.handshake(tcp)).await;
        let (send, mut connection) = shaken.expect("the proxy speaks http/2");
        let (grow, mut grows) = mpsc::channel(1);
        let driving = async move {
            loop {
                tokio::select! {
                    ended = &mut connection => return ended,
                    Some(bytes) = grows.recv() => connection.set_initial_window_size(bytes)?,
                }
            }
        };
        Self {
            send,
            grow,
            connection: tokio::spawn(driving),
        }
    }

    /// Gives every stream a window of `bytes`.
    pub async fn grow(&self, bytes: u32) {
        self.grow.send(bytes).await.expect("the connection lives");
    }

    /// Waits until the proxy has ended the connection.
    pub async fn ended(self) -> Result<(), h2::Error> {
        let Self {
            send, connection, ..
        } = self;
        let ended = in_time("the connection's end", connection).await;
        drop(send);
        ended.expect("no panic")
    }

    /// Opens a stream.
    pub async fn open(
        &mut self,
        request: Request<()>,
        is_all: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let ready = in_time("room for a stream", self.send.clone().ready()).await;
        let mut send = ready.expect("the connection lives");
        send.send_request(request, is_all).expect("a sound request")
    }

    /// Sends a request without a body and reads the whole answer.
    pub async fn ask(&mut self, request: Request<()>) -> Answer {
        let (response, _) = self.open(request, true).await;
        answer(response).await
    }
}

/// A GET on the host `shop.test`.
pub fn get(path: &str) -> Request<()> {
    let uri = format!("http://shop.test{path}");
    Request::get(uri).body(()).expect("a sound request")
}

/// A POST on the host `shop.test`.
pub fn post(path: &str) -> Request<()> {
    let uri = format!("http://shop.test{path}");
    Request::post(uri).body(()).expect("a sound request")
}

/// A whole response.
#[derive(Debug)]
pub struct Answer {
    pub head: Response<()>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let value = self.head.headers().get(name)?;
        Some(value.to_str().expect("plain text"))
    }

    pub fn trailer(&self, name: &str) -> Option<&str> {
        let value = self.trailers.as_ref()?.get(name)?;
        Some(value.to_str().expect("plain text"))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads a response to its end.
pub async fn answer(response: ResponseFuture) -> Answer {
    try_answer(response).await.expect("a whole response")
}

/// Reads a response to its end, or to the error that cuts it off.
pub async fn try_answer(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, stream) = in_time("a response's head", response).await?.into_parts();
    let (body, trailers) = in_time("a response's body", contents(stream)).await?;
    Ok(Answer {
        head: Response::from_parts(head, ()),
        body,
        trailers,
    })
}

/// Reads a body with its trailers.
pub async fn contents(mut stream: RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok((body, stream.trailers().await?))
}
