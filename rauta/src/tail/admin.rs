//! Anomalies from a running RAUTA's admin server: the last ones, then each new one as server-sent
//! events. A RAUTA that restarts is found again.

use super::Show;
use super::lines::Lines;
use crate::admin::client;
use crate::cli::TailArgs;
use crate::log;
use anyhow::Context;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// Between two attempts at a RAUTA that has gone.
const AGAIN: Duration = Duration::from_millis(500);
/// Where the admin server keeps the last anomalies, and tells each new one.
const EVENTS: &str = "/events";

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
        match client::ask(address, EVENTS, "text/event-stream").await {
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
    let response = client::ask(address, EVENTS, "application/json").await?;
    serde_json::from_slice(&client::document(response).await?)
        .with_context(|| format!("{address}{EVENTS} is no list of anomalies"))
}
