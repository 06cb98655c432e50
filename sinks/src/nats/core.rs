//! The Go programs' form to core NATS, which confirms nothing: a message to ourselves behind each
//! batch comes back only after the server took what went before it.

use super::message::{TooLarge, observer_event};
use super::session::{Lost, Session};
use crate::spool::{SpoolReader, Spooled};
use crate::totals::{DropReason, Failure, SinkTotals};
use async_nats::Subscriber;
use futures_util::StreamExt;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the echo may take.
const ECHO_TIMEOUT: Duration = Duration::from_secs(5);
/// The most between two echoes.
const BATCH_MAX: usize = 64;

/// What waits to be published, over all connections.
#[derive(Debug)]
pub(super) struct Lane {
    reader: SpoolReader,
    /// Taken from the spool, and not known to have arrived.
    pending: VecDeque<Arc<Spooled>>,
    is_retry: bool,
}

impl Lane {
    pub(super) fn new(reader: SpoolReader) -> Self {
        Self {
            reader,
            pending: VecDeque::new(),
            is_retry: false,
        }
    }

    pub(super) fn totals(&self) -> &Arc<SinkTotals> {
        self.reader.totals()
    }

    /// See [`SpoolReader::stop`].
    pub(super) fn stop(self) -> u64 {
        self.reader.stop()
    }

    /// Publishes until everything is published or the connection is lost. `captured`: does a
    /// stream take these subjects? Then nothing is published.
    pub(super) async fn run(
        &mut self,
        session: &Session<'_>,
        mut captured: watch::Receiver<Option<bool>>,
        has_worked: &Cell<bool>,
    ) -> Result<(), Lost> {
        drop(captured.wait_for(Option::is_some).await);
        let inbox = session.client.new_inbox();
        let echoes = session.client.subscribe(inbox.clone()).await;
        let mut echoes = echoes.map_err(|_| Lost)?;
        loop {
            if self.pending.is_empty() {
                match self.reader.next().await {
                    Some(spooled) => self.pending.push_back(spooled),
                    None => return Ok(()),
                }
            }
            while self.pending.len() < BATCH_MAX
                && let Ok(Some(spooled)) = self.reader.try_next()
            {
                self.pending.push_back(spooled);
            }
            if *captured.borrow() == Some(true) {
                self.settle(Some(DropReason::Captured));
                continue;
            }
            if self.is_retry {
                self.totals().add_retried(self.pending.len() as u64);
            }
            self.is_retry = true;
            match timeout(ECHO_TIMEOUT, self.publish(session, &inbox, &mut echoes)).await {
                Ok(Ok(())) => self.settle(None),
                Ok(Err(Lost)) => return Err(self.failed(Failure::Unreachable)),
                Err(_) => return Err(self.failed(Failure::Timeout)),
            }
            self.is_retry = false;
            has_worked.set(true);
        }
    }

    async fn publish(
        &mut self,
        session: &Session<'_>,
        inbox: &str,
        echoes: &mut Subscriber,
    ) -> Result<(), Lost> {
        let Some(template) = &session.config.core_subject else {
            return Ok(());
        };
        let client = &session.client;
        let mut too_large = Vec::new();
        for spooled in &self.pending {
            let made = observer_event(spooled, session.producer, template, client.max_payload());
            let message = match made {
                Ok(message) => message,
                Err(TooLarge) => {
                    too_large.push(spooled.position);
                    continue;
                }
            };
            client
                .publish_with_headers(message.subject, message.headers, message.payload.into())
                .await
                .map_err(|_| Lost)?;
        }
        client
            .publish(inbox.to_owned(), Vec::new().into())
            .await
            .map_err(|_| Lost)?;
        client.flush().await.map_err(|_| Lost)?;
        echo(echoes).await?;
        for position in too_large {
            self.reader.give_up(position, DropReason::TooLarge);
            self.pending.retain(|spooled| spooled.position != position);
        }
        Ok(())
    }

    /// Everything pending is done with.
    fn settle(&mut self, dropped: Option<DropReason>) {
        for spooled in self.pending.drain(..) {
            match dropped {
                None => self.reader.confirm(spooled.position),
                Some(reason) => self.reader.give_up(spooled.position, reason),
            }
        }
    }

    fn failed(&self, failure: Failure) -> Lost {
        self.totals().add_failed(failure, self.pending.len() as u64);
        Lost
    }
}

/// Waits for our own message.
async fn echo(echoes: &mut Subscriber) -> Result<(), Lost> {
    echoes.next().await.map(drop).ok_or(Lost)
}
