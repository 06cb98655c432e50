//! Asks the admin server of a running RAUTA.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer's head takes no longer, and neither does a document after it.
const PATIENCE: Duration = Duration::from_secs(10);
/// No document is larger.
const BODY_BYTES_MAX: usize = 64 << 20;

/// Asks for a path with its query, and waits for an answer of 2xx; any other is an error that
/// holds what was answered.
pub(crate) async fn ask(
    address: SocketAddr,
    target: &str,
    accept: &'static str,
) -> anyhow::Result<Response<Incoming>> {
    let response = timeout(PATIENCE, asked(address, target, accept))
        .await
        .with_context(|| format!("--admin: {address} does not answer"))??;
    let status = response.status();
    if !status.is_success() {
        let told = document(response).await.unwrap_or_default();
        let told = String::from_utf8_lossy(&told);
        bail!("--admin: {address} answers {status}: {}", told.trim());
    }
    Ok(response)
}

/// The whole body of an answer.
pub(crate) async fn document(response: Response<Incoming>) -> anyhow::Result<Bytes> {
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
    let collected = timeout(PATIENCE, body)
        .await
        .context("--admin: the answer does not end")?;
    let collected = collected.map_err(|error| anyhow::anyhow!("--admin: {error}"))?;
    Ok(collected.to_bytes())
}

async fn asked(
    address: SocketAddr,
    target: &str,
    accept: &'static str,
) -> anyhow::Result<Response<Incoming>> {
    let stream = TcpStream::connect(address).await.with_context(|| {
        format!(
            "--admin: nothing answers at {address}; is `rauta run` running, and with this --admin?"
        )
    })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the one who reads the body.
    tokio::spawn(connection);
    let request = Request::get(target)
        .header(HOST, address.to_string())
        .header(ACCEPT, accept)
        .body(Empty::<Bytes>::new())?;
    Ok(sender.send_request(request).await?)
}
