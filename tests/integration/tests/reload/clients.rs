//! Clients that send when they are told to: over connections that are kept, over a new one each
//! time, and over HTTP/2.

use crate::ledger::{Answer, Exchange};
use crate::pace;
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// An answer that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// The host that all requests name.
pub(crate) const HOST: &str = "shop.test";

/// What one client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) gateway: SocketAddr,
    /// Asked for in turns: `/r0/item` and so on.
    pub(crate) routes: usize,
    /// The backends' names, which are also their answers.
    pub(crate) backends: [&'static str; 2],
    pub(crate) heard: Arc<crate::ledger::Heard>,
}

impl Asking {
    fn path(&self, turn: usize) -> String {
        format!("/r{}/item", turn % self.routes)
    }

    fn answer(&self, body: &[u8]) -> anyhow::Result<Answer> {
        let found = self
            .backends
            .iter()
            .position(|name| name.as_bytes() == body);
        let said = found.with_context(|| format!("{:?}", String::from_utf8_lossy(body)))?;
        self.heard.note(said);
        Ok(said)
    }

    /// One request and its answer over HTTP/1.1.
    pub(crate) async fn over(
        &self,
        stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
        turn: usize,
    ) -> anyhow::Result<Answer> {
        let path = self.path(turn);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut read = Vec::with_capacity(512);
        loop {
            ensure!(
                stream.read_buf(&mut read).await? > 0,
                "ended after {read:?}"
            );
            let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") else {
                continue;
            };
            let body = &read[end + 4..];
            if body.len() == self.backends[0].len() {
                ensure!(
                    read.starts_with(b"HTTP/1.1 200 "),
                    "{path}: {:?}",
                    text(&read)
                );
                return self.answer(body);
            }
            let is_error = !read.starts_with(b"HTTP/1.1 200 ");
            ensure!(!is_error, "{path}: {:?}", text(&read));
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A client that sends one request after the other.
pub(crate) trait Client: Send {
    /// Sends the request of that turn and reads its answer.
    fn ask(&mut self, turn: usize) -> impl Future<Output = anyhow::Result<Answer>> + Send;
}

/// Has a client ask at each moment that is due, and keeps what came of it.
pub(crate) async fn follow(
    mut client: impl Client,
    first: usize,
    mut due: Receiver<Instant>,
) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    while let Some(due) = due.recv().await {
        let sent = pace::now();
        let turn = first + exchanges.len();
        let answer = match timeout(PATIENCE, client.ask(turn)).await {
            Ok(answer) => answer.map_err(|error| format!("{error:#}")),
            Err(_) => Err("no answer in time".to_owned()),
        };
        exchanges.push(Exchange {
            due,
            sent,
            done: pace::now(),
            answer,
        });
    }
    exchanges
}

/// Keeps one connection.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    pub(crate) asking: Asking,
    pub(crate) kept: Option<TcpStream>,
}

impl Client for KeepAlive {
    async fn ask(&mut self, turn: usize) -> anyhow::Result<Answer> {
        let mut stream = match self.kept.take() {
            Some(stream) => stream,
            None => connect(self.asking.gateway).await?,
        };
        let answer = self.asking.over(&mut stream, turn).await?;
        self.kept = Some(stream);
        Ok(answer)
    }
}

/// Makes a new connection for each request.
#[derive(Debug)]
pub(crate) struct NewEachTime(pub(crate) Asking);

impl Client for NewEachTime {
    async fn ask(&mut self, turn: usize) -> anyhow::Result<Answer> {
        let mut stream = connect(self.0.gateway).await?;
        self.0.over(&mut stream, turn).await
    }
}

/// Keeps one HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    pub(crate) asking: Asking,
    pub(crate) kept: Option<SendRequest<Bytes>>,
}

impl Client for Http2 {
    async fn ask(&mut self, turn: usize) -> anyhow::Result<Answer> {
        let sender = match self.kept.take() {
            Some(sender) => sender,
            None => {
                let stream = connect(self.asking.gateway).await?;
                let (sender, connection) = h2::client::handshake(stream).await?;
                tokio::spawn(connection);
                sender
            }
        };
        let (answer, sender) = stream(&self.asking, sender, turn).await?;
        self.kept = Some(sender);
        Ok(answer)
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address).await.context("connecting")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn stream(
    asking: &Asking,
    sender: SendRequest<Bytes>,
    turn: usize,
) -> anyhow::Result<(Answer, SendRequest<Bytes>)> {
    let mut sender = sender.ready().await?;
    let uri = format!("http://{HOST}{}", asking.path(turn));
    let (response, _) = sender.send_request(Request::get(&uri).body(())?, true)?;
    let (head, mut body) = response.await?.into_parts();
    let mut read = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        read.extend_from_slice(&part);
    }
    if head.status != 200 {
        bail!("{uri}: {} {:?}", head.status, text(&read));
    }
    Ok((asking.answer(&read)?, sender))
}
