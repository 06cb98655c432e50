//! What is left of a request's body once its answer is out: a little is thrown away, so that the
//! connection, or the answer itself, need not suffer for it.

use crate::body::Frame;
use crate::error::ProxyError;
use crate::watch::Watched;
use crate::worker::Worker;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// How long a body is thrown away at most.
const DISCARD: Duration = Duration::from_secs(5);

/// Throws away what `poll_body` brings, within the limits. True where that was the whole rest.
pub(super) async fn discard(
    worker: &Worker,
    watched: &Watched,
    mut poll_body: impl FnMut(&mut Context<'_>) -> Poll<Result<Option<Frame>, ProxyError>>,
) -> bool {
    let limits = &worker.config.limits;
    let mut left = limits.discard_bytes;
    watched.arm(worker.deadline(limits.progress.min(DISCARD)));
    let is_complete = poll_fn(|cx| {
        loop {
            if watched.is_expired() {
                return Poll::Ready(false);
            }
            match ready!(poll_body(cx)) {
                Ok(None) => return Poll::Ready(true),
                Err(_) => return Poll::Ready(false),
                Ok(Some(frame)) => match left.checked_sub(frame.len() as u64) {
                    Some(rest) => left = rest,
                    None => return Poll::Ready(false),
                },
            }
        }
    })
    .await;
    watched.disarm();
    is_complete
}
