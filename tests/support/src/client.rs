//! A client that sends exactly the bytes it is told.

use crate::in_time;
use crate::read::{Message, Reader};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection to the proxy.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    reader: Reader,
}

impl RawClient {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = in_time("a connection", TcpStream::connect(address)).await;
        let stream = stream.expect("the proxy listens");
        stream.set_nodelay(true).expect("the socket lives");
        Self {
            stream,
            reader: Reader::default(),
        }
    }

    /// The client's own address.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("the socket lives")
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time("sending", self.stream.write_all(bytes.as_ref()))
            .await
            .expect("the proxy reads");
    }

    /// Sends bytes to a proxy that may have closed already.
    pub async fn send_if_open(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        in_time("sending", self.stream.write_all(bytes.as_ref()))
            .await
            .is_ok()
    }

    /// Reads one response with its body.
    ///
    /// # Panics
    /// When the connection ends before its head does.
    pub async fn response(&mut self) -> Message {
        self.try_response()
            .await
            .expect("a response came before the connection's end")
    }

    /// Reads one response with its body; `None` if the connection ends before its head does.
    pub async fn try_response(&mut self) -> Option<Message> {
        let mut message = self.try_head().await?;
        let status = message.status();
        if status >= 200 && status != 204 && status != 304 {
            let reading = self.reader.body(&mut self.stream, &mut message, false);
            in_time("a response's body", reading).await;
        }
        Some(message)
    }

    /// Reads a response's head only.
    pub async fn try_head(&mut self) -> Option<Message> {
        let head = in_time("a response's head", self.reader.head(&mut self.stream)).await?;
        Some(Message {
            head,
            body: Vec::new(),
        })
    }

    /// Sends a request and reads its response.
    pub async fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        self.send(request).await;
        self.response().await
    }

    /// Reads exactly `count` bytes; fewer if the connection ends.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        in_time("bytes", self.reader.exactly(&mut self.stream, count)).await
    }

    /// Reads to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        in_time("the connection's end", async {
            while self.reader.fill(&mut self.stream).await {}
        })
        .await;
        std::mem::take(&mut self.reader.buffer)
    }

    /// Does the connection end now, without another byte?
    pub async fn is_closed(&mut self) -> bool {
        self.rest().await.is_empty()
    }

    /// Reads to the end of the connection: was it reset, rather than closed?
    pub async fn is_reset(&mut self) -> bool {
        let mut piece = vec![0; 64 * 1024];
        let end = async {
            loop {
                match self.stream.read(&mut piece).await {
                    Ok(0) => return false,
                    Ok(_) => {}
                    Err(error) => return error.kind() == ErrorKind::ConnectionReset,
                }
            }
        };
        in_time("the connection's end", end).await
    }

    /// Closes the sending side.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn end_sending(&mut self) {
        self.stream.shutdown().await.expect("the proxy reads");
    }

    /// Resets the connection.
    ///
    /// # Panics
    /// When the socket is gone.
    pub fn reset(self) {
        self.stream.set_zero_linger().expect("the socket lives");
    }
}
