//! The Go programs' form to core NATS, which confirms nothing: a message to ourselves behind each
//! batch comes back only after the server took what went before it.

use super::backoff::Backoff;
use super::denial::{self, INBOXES};
use super::message::{TooLarge, observer_event};
use super::session::{Lost, Session, Told, UNAUTHORIZED_FACTOR};
use crate::spool::{SpoolReader, Spooled};
use crate::totals::{DropReason, Failure, SinkTotals};
use async_nats::Subscriber;
use futures_util::StreamExt;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long the echo may take.
const ECHO_TIMEOUT: Duration = Duration::from_secs(5);
/// The most between two echoes.
const BATCH_MAX: usize = 64;
/// The longest pause after a denial, before it is lengthened.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What of a batch the server did not take: subjects by position.
type Denied = BTreeMap<u64, String>;

/// What waits to be published, over all connections.
#[derive(Debug)]
pub(super) struct Lane {
    reader: SpoolReader,
    /// Taken from the spool, and not known to have arrived.
    pending: VecDeque<Arc<Spooled>>,
    /// How many of these were tried already; they come first.
    tried: usize,
    backoff: Backoff,
}

impl Lane {
    pub(super) fn new(reader: SpoolReader) -> Self {
        Self {
            reader,
            pending: VecDeque::new(),
            tried: 0,
            backoff: Backoff::new(PAUSE_MAX),
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
        told: &Told,
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
            self.totals().add_retried(self.tried as u64);
            self.tried = self.pending.len();
            let denied = timeout(ECHO_TIMEOUT, self.publish(session, &inbox, &mut echoes)).await;
            let denied = match denied {
                Ok(Ok(denied)) => denied,
                Ok(Err(Lost)) => return Err(self.failed(Failure::Unreachable)),
                Err(_) => return Err(self.failed(Failure::Timeout)),
            };
            has_worked.set(true);
            told.mended("answers", "the server lets RAUTA hear its answers");
            if denied.is_empty() {
                self.settle(None);
                self.backoff.reset();
                told.mended("core permission", "the server takes events of core NATS");
            } else {
                self.keep(&denied, session, told);
                sleep(self.backoff.next() * UNAUTHORIZED_FACTOR).await;
            }
        }
    }

    async fn publish(
        &mut self,
        session: &Session<'_>,
        inbox: &str,
        echoes: &mut Subscriber,
    ) -> Result<Denied, Lost> {
        let Some(template) = &session.config.core_subject else {
            return Ok(Denied::new());
        };
        let start = session.denials.now();
        let mut published = Denied::new();
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
            published.insert(spooled.position, message.subject.clone());
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
        let is_echoed = tokio::select! {
            echoed = echo(echoes) => echoed.map(|()| true)?,
            () = session.denials.of(inbox, start) => false,
        };
        // Errors that came before the echo are noted when the client has had its turn again.
        client.flush().await.map_err(|_| Lost)?;
        for position in too_large {
            self.reader.give_up(position, DropReason::TooLarge);
            self.pending.retain(|spooled| spooled.position != position);
        }
        let denials = session.denials.since(start);
        if is_echoed {
            published.retain(|_, subject| denials.may_name(subject));
        } else {
            published.values_mut().for_each(|s| INBOXES.clone_into(s));
        }
        Ok(published)
    }

    /// What was denied waits for the next try; the rest is done with.
    fn keep(&mut self, denied: &Denied, session: &Session<'_>, told: &Told) {
        for spooled in &self.pending {
            if !denied.contains_key(&spooled.position) {
                self.reader.confirm(spooled.position);
            }
        }
        self.pending.retain(|s| denied.contains_key(&s.position));
        self.tried = self.pending.len();
        let totals = self.totals();
        totals.add_failed(Failure::Unauthorized, self.pending.len() as u64);
        let template = session.config.core_subject.as_ref();
        for subject in denied.values() {
            let binding = match template {
                Some(template) if subject != INBOXES => template.binding(),
                _ => INBOXES.to_owned(),
            };
            let text = denial::text("nats.core_subject", subject, &binding);
            told.warn("core permission", text);
        }
    }

    /// Everything pending is done with.
    fn settle(&mut self, dropped: Option<DropReason>) {
        self.tried = 0;
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
