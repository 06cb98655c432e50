//! Requests to a pod's own address, from outside the cluster.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UdpSocket};

/// How long a pod may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// What the HTTP echo server says of a request.
pub(crate) async fn http(ip: IpAddr, path: &str) -> anyhow::Result<Value> {
    let answer = within(async {
        let mut stream = TcpStream::connect((ip, 3000)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    });
    let answer = answer
        .await
        .with_context(|| format!("GET http://{ip}:3000{path}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without an end")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{ip} answers {head}");
    serde_json::from_str(body).with_context(|| format!("{ip} says {body:?}"))
}

/// The first line that a TCP server sends by itself.
pub(crate) async fn first_line(address: SocketAddr) -> anyhow::Result<String> {
    let line = within(async {
        let mut lines = BufReader::new(TcpStream::connect(address).await?).lines();
        lines.next_line().await
    });
    let line = line.await.with_context(|| format!("TCP {address}"))?;
    line.with_context(|| format!("{address} says nothing"))
}

/// The first bytes of an HTTP/2 server: its settings.
pub(crate) async fn speaks_http2(address: SocketAddr) -> anyhow::Result<()> {
    const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SETTINGS: u8 = 4;
    let head = within(async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(PREFACE_AND_SETTINGS).await?;
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        Ok(head)
    });
    let head = head.await.with_context(|| format!("HTTP/2 {address}"))?;
    ensure!(
        head[3] == SETTINGS,
        "{address} begins with a frame of type {}",
        head[3]
    );
    Ok(())
}

/// What the UDP echo server answers.
pub(crate) async fn udp(address: SocketAddr) -> anyhow::Result<Value> {
    let answer = within(async {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect(address).await?;
        socket.send(b"hello").await?;
        let mut answer = vec![0; 4096];
        let length = socket.recv(&mut answer).await?;
        answer.truncate(length);
        Ok(answer)
    });
    let answer = answer.await.with_context(|| format!("UDP {address}"))?;
    Ok(serde_json::from_slice(&answer)?)
}

/// Waits until nobody listens at an address any more.
pub(crate) async fn silent(address: SocketAddr, limit: u64) -> anyhow::Result<()> {
    let mut pause = tokio::time::interval(Duration::from_millis(100));
    let gone = async {
        loop {
            pause.tick().await;
            let attempt = TcpStream::connect(address);
            if !matches!(
                tokio::time::timeout(Duration::from_secs(1), attempt).await,
                Ok(Ok(_))
            ) {
                return;
            }
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(limit), gone).await;
    gone.with_context(|| format!("{address} still answers after {limit} s"))
}

async fn within<T>(work: impl Future<Output = std::io::Result<T>>) -> anyhow::Result<T> {
    Ok(tokio::time::timeout(LIMIT, work)
        .await
        .context("no answer within 5 s")??)
}
