//! A backend that plays a script: what it reads it keeps, what it sends is the test's to say.

use crate::http2::{frame, kind};
use crate::read::{Message, Reader};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// One thing that an origin does with a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads a whole request and keeps it.
    Request,
    /// Reads a request's head only, and keeps it.
    Head,
    /// Reads this many bytes and keeps them as a body of its own; over if fewer come.
    Bytes(usize),
    /// Reads to the end of the proxy's sending and keeps that as a body of its own.
    Rest,
    /// Keeps what has come so far as a body of its own, without waiting for more.
    SoFar,
    /// Reads HTTP/2 frames, the preface before the first, until one of this kind has come.
    Frame(u8),
    /// Reads HTTP/2 frames until a PING has come, and answers it.
    Pong,
    /// Sends bytes.
    Send(Vec<u8>),
    /// Answers with 200, this name in a field `served-by`, and the last request as it was read.
    Echo(String),
    /// Goes on when the test says so: [`Origin::go_on`].
    Wait,
    /// Waits for the end of the proxy's sending.
    AwaitEnd,
    /// Closes the sending side.
    EndSending,
    /// Closes.
    Close,
    /// Resets.
    Reset,
    /// Starts the script over.
    Again,
}

impl Step {
    /// Sends these bytes.
    pub fn send(bytes: impl AsRef<[u8]>) -> Self {
        Self::Send(bytes.as_ref().to_vec())
    }
}

/// What an origin does with one connection; at the script's end it closes.
pub type Script = Vec<Step>;

/// A backend on a port of its own.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    received: Mutex<Vec<Message>>,
    connections: watch::Sender<usize>,
    requests: watch::Sender<usize>,
    ended: watch::Sender<usize>,
    go_on: Notify,
}

impl Origin {
    /// Answers each request on each connection with these bytes.
    pub async fn answering(response: impl AsRef<[u8]>) -> Self {
        Self::playing(vec![Step::Request, Step::send(response), Step::Again]).await
    }

    /// Answers each request with 200 and this body.
    pub async fn saying(body: &str) -> Self {
        let length = body.len();
        Self::answering(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    /// Answers each request at this address with the request and the name of who it reached.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn echoing_at(address: SocketAddr, name: &str) -> Self {
        let script = vec![Step::Request, Step::Echo(name.to_owned()), Step::Again];
        Self::playing_at(address, vec![script]).await
    }

    /// Plays one script on every connection.
    pub async fn playing(script: Script) -> Self {
        Self::playing_each(vec![script]).await
    }

    /// Plays the first script on the first connection and so on; the last on all later ones.
    ///
    /// # Panics
    /// When loopback has no port left.
    pub async fn playing_each(scripts: Vec<Script>) -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::playing_at(any_port, scripts).await
    }

    /// The same at an address that manifests name beforehand.
    ///
    /// # Panics
    /// When the address is taken.
    pub async fn playing_at(address: SocketAddr, scripts: Vec<Script>) -> Self {
        let listener = TcpListener::bind(address)
            .await
            .expect("the address is free");
        let address = listener.local_addr().expect("the socket lives");
        let state = Arc::new(State {
            received: Mutex::default(),
            connections: watch::Sender::new(0),
            requests: watch::Sender::new(0),
            ended: watch::Sender::new(0),
            go_on: Notify::new(),
        });
        let task = tokio::spawn(accept(listener, scripts, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has read so far, in order.
    pub fn received(&self) -> Vec<Message> {
        self.state
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections it has taken.
    pub fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// Lets one waiting script go on, now or when it gets there.
    pub fn go_on(&self) {
        self.state.go_on.notify_one();
    }

    /// Waits until it has read `count` requests.
    pub async fn has_read(&self, count: usize) {
        reaches("requests", &self.state.requests, count).await;
    }

    /// Waits until `count` of its connections are over.
    pub async fn has_ended(&self, count: usize) {
        reaches("the end of connections", &self.state.ended, count).await;
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn reaches(what: &str, counter: &watch::Sender<usize>, count: usize) {
    let mut counter = counter.subscribe();
    let waited = crate::in_time(what, counter.wait_for(|now| *now >= count)).await;
    assert!(waited.is_ok(), "the origin lives");
}

async fn accept(listener: TcpListener, scripts: Vec<Script>, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    let mut count = 0;
    while let Ok((stream, _)) = listener.accept().await {
        let script = scripts
            .get(count)
            .or(scripts.last())
            .cloned()
            .unwrap_or_default();
        count += 1;
        state
            .connections
            .send_modify(|connections| *connections += 1);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            play(stream, &script, &state).await;
            state.ended.send_modify(|ended| *ended += 1);
        });
    }
}

async fn play(mut stream: TcpStream, script: &Script, state: &State) {
    let mut reader = Reader::default();
    let mut last = Message::default();
    let mut at = 0;
    while let Some(step) = script.get(at) {
        at += 1;
        match step {
            Step::Request | Step::Head => {
                let is_whole = matches!(step, Step::Request);
                let Some(message) = request(&mut reader, &mut stream, is_whole).await else {
                    return;
                };
                last.clone_from(&message);
                keep(state, message);
            }
            Step::Bytes(count) => {
                let body = reader.exactly(&mut stream, *count).await;
                let is_cut = body.len() < *count;
                keep_body(state, body);
                if is_cut {
                    return;
                }
            }
            Step::Rest => {
                while reader.fill(&mut stream).await {}
                keep_body(state, std::mem::take(&mut reader.buffer));
            }
            Step::SoFar => {
                let mut piece = vec![0; 64 * 1024];
                // Nothing to read, and nothing more to read, are the same here.
                let count = stream.try_read(&mut piece).unwrap_or(0);
                reader.buffer.extend_from_slice(&piece[..count]);
                keep_body(state, std::mem::take(&mut reader.buffer));
            }
            Step::Frame(kind) => {
                if reader.frame(&mut stream, *kind).await.is_none() {
                    return;
                }
            }
            Step::Pong => {
                if pong(&mut reader, &mut stream).await.is_none() {
                    return;
                }
            }
            Step::Send(bytes) => {
                if stream.write_all(bytes).await.is_err() {
                    return;
                }
            }
            Step::Echo(name) => {
                if stream.write_all(&echo(name, &last)).await.is_err() {
                    return;
                }
            }
            Step::Wait => state.go_on.notified().await,
            Step::AwaitEnd => while reader.fill(&mut stream).await {},
            Step::EndSending => {
                if stream.shutdown().await.is_err() {
                    return;
                }
            }
            Step::Close => return,
            Step::Reset => {
                // A socket that is gone already needs no reset.
                let _gone = stream.set_zero_linger();
                return;
            }
            Step::Again => at = 0,
        }
    }
}

/// A request's head, with its body if it is to be read whole.
async fn request(reader: &mut Reader, stream: &mut TcpStream, is_whole: bool) -> Option<Message> {
    let mut message = Message {
        head: reader.head(stream).await?,
        body: Vec::new(),
    };
    if is_whole {
        reader.body(stream, &mut message, true).await;
    }
    Some(message)
}

/// Answers the next PING; `None` if the connection ends before it.
async fn pong(reader: &mut Reader, stream: &mut TcpStream) -> Option<()> {
    let payload = reader.frame(stream, kind::PING).await?;
    let pong = frame(kind::PING, 1, 0, &payload);
    stream.write_all(&pong).await.ok()
}

fn keep_body(state: &State, body: Vec<u8>) {
    let head = String::new();
    keep(state, Message { head, body });
}

/// A response with the request as plain text.
fn echo(name: &str, request: &Message) -> Vec<u8> {
    let length = request.head.len() + request.body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nserved-by: {name}\r\ncontent-type: text/plain\r\n\
         content-length: {length}\r\n\r\n{}",
        request.head
    );
    [head.as_bytes(), &request.body].concat()
}

fn keep(state: &State, message: Message) {
    state
        .received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(message);
    state.requests.send_modify(|requests| *requests += 1);
}
