//! The one backend, and the bare relay: what moving the bytes costs without any proxying.

use anyhow::Context;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

const BUFFER_BYTES: usize = 16 * 1024;

/// Answers every request with the same bytes; counts heads only, which is enough for GET.
pub(crate) fn serve(address: SocketAddr, body: usize) -> anyhow::Result<()> {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {body}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + body, b'x');
    let answer = Rc::new(answer);
    each_connection(address, move |stream| {
        answer_all(stream, Rc::clone(&answer))
    })
}

/// Copies bytes both ways.
pub(crate) fn relay(address: SocketAddr, backend: SocketAddr) -> anyhow::Result<()> {
    each_connection(address, move |mut client| async move {
        let mut server = TcpStream::connect(backend).await?;
        server.set_nodelay(true)?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    })
}

fn each_connection<F>(address: SocketAddr, serve: impl Fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = std::io::Result<()>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("{address}"))?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let served = serve(stream);
            spawn_local(async move {
                // A client that leaves is how every connection ends.
                drop(served.await);
            });
        }
    })
}

async fn answer_all(mut stream: TcpStream, answer: Rc<Vec<u8>>) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut matched = 0;
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        for byte in &buffer[..read] {
            matched = match (byte, matched) {
                (b'\r', 0 | 2) | (b'\n', 1 | 3) => matched + 1,
                (b'\r', _) => 1,
                _ => 0,
            };
            if matched == 4 {
                matched = 0;
                stream.write_all(&answer).await?;
            }
        }
    }
}
