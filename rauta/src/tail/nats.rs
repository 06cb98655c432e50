//! Anomalies of all RAUTAs that publish to a NATS server: the last ones that a stream keeps, then
//! each new one.

use super::Show;
use crate::cli::TailArgs;
use crate::{Misuse, log};
use rauta_sinks::nats::{ListenError, Listener};

/// Shows the last anomalies that a stream keeps, then, unless it is read once, each new one.
pub(super) async fn follow(url: &str, arguments: &TailArgs, mut show: Show) -> anyhow::Result<()> {
    let credentials = arguments.nats_credentials.as_deref();
    let tell = |text: &str| log::error_line(&format!("--nats: {text}"));
    let (subject, last) = (&arguments.subject, arguments.last);
    let listener = Listener::connect(url, credentials, subject, last, tell).await;
    let mut listener = listener.map_err(|error| match &error {
        ListenError::Subscribe { .. } => Misuse(format!("--nats: {error}")).into(),
        ListenError::Connect { .. } => anyhow::Error::from(error).context("--nats"),
    })?;
    while let Some(document) = listener.next_kept() {
        show.document(&String::from_utf8_lossy(&document))?;
    }
    if arguments.once {
        return Ok(());
    }
    while let Some(document) = listener.next().await {
        show.document(&String::from_utf8_lossy(&document))?;
    }
    Ok(())
}
