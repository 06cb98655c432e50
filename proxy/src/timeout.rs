//! The time limits of a rule, precise to the millisecond. Rules without any pay nothing for them;
//! all other limits are deadlines under the worker's watch.

use crate::error::ProxyError;
use rauta_routing::Timeouts;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// The limits of one exchange that are running.
#[derive(Default)]
pub(crate) struct Timers {
    request: Option<Pin<Box<Sleep>>>,
    attempt: Option<Pin<Box<Sleep>>>,
    per_attempt: Option<Duration>,
}

impl Timers {
    /// Starts the limit of the whole request.
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        Self {
            request: timeouts.request.map(|limit| Box::pin(sleep(limit))),
            attempt: None,
            per_attempt: timeouts.backend_request,
        }
    }

    /// Starts the limit of one attempt.
    pub(crate) fn begin_attempt(&mut self) {
        self.attempt = self.per_attempt.map(|limit| Box::pin(sleep(limit)));
    }

    /// Is any limit set, so that the worker's own for silent backends does not apply?
    pub(crate) fn are_set(&self) -> bool {
        self.request.is_some() || self.per_attempt.is_some()
    }

    /// The future's result, or the limit that ran out first. The future is pinned by the caller:
    /// handed over, it would be copied more than once.
    pub(crate) async fn race<T>(
        &mut self,
        mut future: Pin<&mut impl Future<Output = Result<T, ProxyError>>>,
    ) -> Result<T, ProxyError> {
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Pending if self.are_set() => self.poll_expired(cx).map(Err),
            polled => polled,
        })
        .await
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        if let Some(request) = &mut self.request
            && request.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(ProxyError::RequestTimeout);
        }
        if let Some(attempt) = &mut self.attempt
            && attempt.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(ProxyError::BackendTimeout);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;

    #[tokio::test(start_paused = true)]
    async fn the_limit_that_runs_out_first_names_the_error() {
        let ms = Duration::from_millis;
        for (request, attempt, error) in [
            (Some(ms(50)), Some(ms(20)), ProxyError::BackendTimeout),
            (Some(ms(10)), Some(ms(20)), ProxyError::RequestTimeout),
            (None, Some(ms(20)), ProxyError::BackendTimeout),
        ] {
            let mut timers = Timers::new(&Timeouts {
                request,
                backend_request: attempt,
            });
            timers.begin_attempt();
            let raced: Result<(), _> = timers.race(pin!(std::future::pending())).await;
            assert_eq!(raced, Err(error));
        }
        let mut timers = Timers::new(&Timeouts {
            request: Some(ms(1)),
            backend_request: None,
        });
        assert_eq!(timers.race(pin!(async { Ok(1) })).await, Ok(1));
    }
}
