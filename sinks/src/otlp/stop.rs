//! The end of the sink: what is left may be sent until a deadline.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Ends the sink.
#[derive(Debug)]
pub(super) struct Stopper(watch::Sender<Option<Instant>>);

/// Knows whether the sink ends, and when at the latest.
#[derive(Clone, Debug)]
pub(super) struct Stop(watch::Receiver<Option<Instant>>);

pub(super) fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// What is left may be sent for so long.
    pub(super) fn stop(&self, within: Duration) {
        // Nobody listens where all is sent.
        self.0.send_replace(Some(Instant::now() + within));
    }
}

impl Stop {
    /// Waits until the sink is asked to end.
    pub(super) async fn asked(&mut self) {
        // Whoever could ask is gone: the end as well.
        drop(self.0.wait_for(Option::is_some).await);
    }

    /// Is the sink asked to end?
    pub(super) fn is_asked(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until the time is over that what is left has.
    pub(super) async fn deadline(&mut self) {
        self.asked().await;
        let at = *self.0.borrow();
        if let Some(at) = at {
            sleep_until(at).await;
        }
    }
}
