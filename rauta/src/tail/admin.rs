//! Anomalies from a running RAUTA's admin server: the last ones, then each new one as server-sent
//! events. A RAUTA that restarts is found again.

use super::Show;
use super::lines::Lines;
use crate::cli::TailArgs;
use crate::log;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer's head takes no longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts at a RAUTA that has gone.
const AGAIN: Duration = Duration::from_millis(500);
/// All kept anomalies are no more than this.
const LIST_BYTES_MAX: usize = 64 << 20;

/// Shows the last anomalies that are kept, then, unless it is read once, each new one.
pub(super) async fn follow(
    address: SocketAddr,
    arguments: &TailArgs,
    mut show: Show,
) -> anyhow::Result<()> {
    let kept = kept(address).await?;
    let new = kept.len().saturating_sub(arguments.last);
    for (at, document) in kept.iter().enumerate() {
        match at < new {
            true => show.pass_over(&document.to_string()),
            false => show.document(&document.to_string())?,
        }
    }
    if arguments.once {
        return Ok(());
    }
    let mut again = tokio::time::interval(AGAIN);
    let mut is_told = false;
    loop {
        again.tick().await;
        match ask(address, "text/event-stream").await {
            Ok(response) => {
                if std::mem::take(&mut is_told) {
                    log::error_line(&format!("{address} answers again"));
                }
                stream(response.into_body(), &mut show).await?;
            }
            Err(error) if !is_told => {
                log::error_line(&format!("{error:#}; waits until it answers again"));
                is_told = true;
            }
            Err(_) => {}
        }
    }
}

/// Shows what comes until the stream ends.
async fn stream(mut body: Incoming, show: &mut Show) -> anyhow::Result<()> {
    let mut lines = Lines::default();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else {
            continue;
        };
        for line in lines.push(&data) {
            if let Some(document) = line.strip_prefix("data: ") {
                show.document(document)?;
            } else if let Some(remark) = line.strip_prefix(": ") {
                log::error_line(&format!("the stream was too fast for its reader: {remark}"));
            }
        }
    }
    Ok(())
}

async fn kept(address: SocketAddr) -> anyhow::Result<Vec<Value>> {
    let body = ask(address, "application/json").await?.into_body();
    let collected = Limited::new(body, LIST_BYTES_MAX).collect().await;
    let collected = collected.map_err(|error| anyhow::anyhow!("{address}/events: {error}"))?;
    serde_json::from_slice(&collected.to_bytes())
        .with_context(|| format!("{address}/events is no list of anomalies"))
}

async fn ask(address: SocketAddr, accept: &'static str) -> anyhow::Result<Response<Incoming>> {
    timeout(PATIENCE, asked(address, accept))
        .await
        .with_context(|| format!("--admin: {address} does not answer"))?
}

async fn asked(address: SocketAddr, accept: &'static str) -> anyhow::Result<Response<Incoming>> {
    let stream = TcpStream::connect(address).await.with_context(|| {
        format!(
            "--admin: nothing answers at {address}; is `rauta run` running, and with this --admin?"
        )
    })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Its end is seen by the one who reads the body.
    tokio::spawn(connection);
    let request = Request::get("/events")
        .header(HOST, address.to_string())
        .header(ACCEPT, accept)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    if !response.status().is_success() {
        bail!("--admin: {address}/events answers {}", response.status());
    }
    Ok(response)
}
