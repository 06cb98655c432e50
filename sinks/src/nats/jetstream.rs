//! Occurrences to JetStream: published side by side, each delivered once its stream confirmed it.
//!
//! How many are on their way at once follows what the server keeps up with: one more for each that
//! is confirmed, half as many when one was not in time.

use super::backoff::Backoff;
use super::denial;
use super::message::{TooLarge, occurrence};
use super::session::{Lost, Session, Told, UNAUTHORIZED_FACTOR};
use crate::spool::{SpoolReader, Spooled};
use crate::totals::{DropReason, Failure, SinkTotals};
use async_nats::Client;
use async_nats::jetstream::context::{ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::{Context, ErrorCode};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// How long a confirmation may take.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that are on their way at once.
const WINDOW_MAX: usize = 256;
/// How many of these there are at first.
const WINDOW_START: usize = 64;
/// The longest pause after the server could not take one.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// A client's JetStream, with nothing that waits beyond our own window.
pub(super) fn context(client: &Client) -> Context {
    ContextBuilder::new()
        .timeout(ACK_TIMEOUT)
        .ack_timeout(ACK_TIMEOUT)
        .max_ack_inflight(2 * WINDOW_MAX)
        .backpressure_on_inflight(false)
        .build(client.clone())
}

/// What waits for confirmation, over all connections.
#[derive(Debug)]
pub(super) struct Lane {
    reader: SpoolReader,
    /// Everything that was taken from the spool and is not confirmed, by position.
    pending: BTreeMap<u64, Pending>,
    /// Those of them that are not on their way, in order.
    ready: VecDeque<u64>,
    /// Those of them that the server did not let us publish the last time.
    denied: BTreeSet<u64>,
    window: usize,
    backoff: Backoff,
}

#[derive(Debug)]
struct Pending {
    spooled: Arc<Spooled>,
    is_retry: bool,
}

/// A publish that is on its way.
#[derive(Debug)]
struct Flight {
    subject: String,
    abort: AbortHandle,
}

/// What became of one publish.
type Answer = (u64, Result<PublishAck, PublishError>);

/// One connection's share of a lane.
struct Run<'a> {
    lane: &'a mut Lane,
    session: &'a Session<'a>,
    context: &'a Context,
    told: &'a Told,
    in_flight: JoinSet<Answer>,
    /// The same by position.
    flights: BTreeMap<u64, Flight>,
    /// Denials up to here are known.
    denials: u64,
    resume: Option<Instant>,
    confirmed: Instant,
    has_worked: &'a Cell<bool>,
}

impl Lane {
    pub(super) fn new(reader: SpoolReader) -> Self {
        Self {
            reader,
            pending: BTreeMap::new(),
            ready: VecDeque::new(),
            denied: BTreeSet::new(),
            window: WINDOW_START,
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

    /// Delivers until everything is delivered or the connection is lost.
    pub(super) async fn run(
        &mut self,
        session: &Session<'_>,
        context: &Context,
        mut surveyed: watch::Receiver<Option<bool>>,
        told: &Told,
        has_worked: &Cell<bool>,
    ) -> Result<(), Lost> {
        // A stream that is to be made is there then.
        drop(surveyed.wait_for(Option::is_some).await);
        self.ready = self.pending.keys().copied().collect();
        let run = Run {
            lane: self,
            session,
            context,
            told,
            in_flight: JoinSet::new(),
            flights: BTreeMap::new(),
            denials: session.denials.now(),
            resume: None,
            confirmed: Instant::now(),
            has_worked,
        };
        run.deliver().await
    }
}

impl Run<'_> {
    async fn deliver(mut self) -> Result<(), Lost> {
        loop {
            self.fill().await?;
            let at_end = self.lane.reader.is_at_end();
            if at_end && self.lane.pending.is_empty() {
                return Ok(());
            }
            let has_room = self.resume.is_none() && self.in_flight.len() < self.lane.window;
            let resume = self.resume.unwrap_or(self.confirmed);
            tokio::select! {
                Some(answer) = self.in_flight.join_next() => {
                    match answer {
                        Ok((position, answer)) => {
                            if self.flights.remove(&position).is_some() {
                                self.settle(position, answer)?;
                            }
                        }
                        // It was denied.
                        Err(error) if error.is_cancelled() => {}
                        // A task that panicked confirms nothing.
                        Err(_) => return Err(Lost),
                    }
                }
                () = self.session.denials.after(self.denials) => self.deny(),
                spooled = self.lane.reader.next(), if has_room && !at_end => {
                    if let Some(spooled) = spooled {
                        self.lane.take_in(spooled);
                    }
                }
                () = sleep_until(resume), if self.resume.is_some() => self.resume = None,
            }
        }
    }

    /// Publishes what there is, as far as the window goes.
    async fn fill(&mut self) -> Result<(), Lost> {
        while self.resume.is_none() && self.in_flight.len() < self.lane.window {
            if self.lane.ready.is_empty() {
                match self.lane.reader.try_next() {
                    Ok(Some(spooled)) => self.lane.take_in(spooled),
                    // Where it cannot be read, `next` waits until it can.
                    Ok(None) | Err(_) => return Ok(()),
                }
            }
            if let Some(position) = self.lane.ready.pop_front() {
                self.publish(position).await?;
            }
        }
        Ok(())
    }

    async fn publish(&mut self, position: u64) -> Result<(), Lost> {
        let (Some(template), Some(pending)) = (
            &self.session.config.subject,
            self.lane.pending.get_mut(&position),
        ) else {
            return Ok(());
        };
        let config = self.session.config;
        let payload_max = self.session.client.max_payload();
        let producer = self.session.producer;
        let made = occurrence(
            &pending.spooled,
            producer,
            template,
            config.encoding,
            payload_max,
        );
        let message = match made {
            Ok(message) => message,
            Err(TooLarge) => {
                self.give_up(position);
                return Ok(());
            }
        };
        let is_retry = std::mem::replace(&mut pending.is_retry, true);
        self.lane.totals().add_retried(u64::from(is_retry));
        let publish = PublishMessage::build()
            .payload(message.payload.into())
            .headers(message.headers);
        let subject = message.subject.clone();
        match self.context.send_publish(message.subject, publish).await {
            Ok(answer) => {
                let abort = self
                    .in_flight
                    .spawn(async move { (position, answer.await) });
                self.flights.insert(position, Flight { subject, abort });
                Ok(())
            }
            Err(error) => self.settle(position, Err(error)),
        }
    }

    /// What the server does not let us publish goes to the end, and everything pauses.
    fn deny(&mut self) {
        let denials = self.session.denials.since(self.denials);
        self.denials = denials.now;
        let is_denied = |flight: &Flight| denials.names(&flight.subject);
        let denied: Vec<u64> = (self.flights.iter())
            .filter(|(_, flight)| is_denied(flight))
            .map(|(position, _)| *position)
            .collect();
        if denied.is_empty() {
            return;
        }
        let template = self.session.config.subject.as_ref();
        let binding = template.map(|t| t.binding()).unwrap_or_default();
        let lane = &mut *self.lane;
        for position in &denied {
            if let Some(flight) = self.flights.remove(position) {
                flight.abort.abort();
                let text = denial::text("nats.subject", &flight.subject, &binding);
                self.told.warn("stream permission", text);
            }
        }
        let totals = lane.totals();
        totals.add_failed(Failure::Unauthorized, denied.len() as u64);
        lane.denied.extend(&denied);
        lane.ready.extend(denied);
        // The server does answer.
        self.confirmed = Instant::now();
        self.resume = Some(self.confirmed + lane.backoff.next() * UNAUTHORIZED_FACTOR);
    }

    fn settle(
        &mut self,
        position: u64,
        answer: Result<PublishAck, PublishError>,
    ) -> Result<(), Lost> {
        let lane = &mut *self.lane;
        let error = match answer {
            Ok(_) => {
                lane.pending.remove(&position);
                lane.reader.confirm(position);
                lane.window = (lane.window + 1).min(WINDOW_MAX);
                lane.backoff.reset();
                self.confirmed = Instant::now();
                self.has_worked.set(true);
                self.told
                    .mended("answers", "the server lets RAUTA hear its answers");
                self.told.fine("publish", "occurrences are confirmed");
                if lane.denied.remove(&position) && lane.denied.is_empty() {
                    let text = "the server lets RAUTA publish occurrences";
                    self.told.mended("stream permission", text);
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let Some(failure) = failure(&error) else {
            self.give_up(position);
            return Ok(());
        };
        lane.totals().add_failed(failure, 1);
        lane.ready.push_front(position);
        match failure {
            Failure::Unreachable => return Err(Lost),
            Failure::Timeout => {
                lane.window = (lane.window / 2).max(1);
                if self.confirmed.elapsed() >= ACK_TIMEOUT {
                    return Err(Lost);
                }
            }
            _ => {
                self.resume = Some(Instant::now() + lane.backoff.next());
                let why = error.source().map(ToString::to_string);
                let why = why.unwrap_or_else(|| error.to_string());
                let text = format!("occurrences are not taken ({why}); they wait in the spool");
                self.told.warn("publish", text);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, position: u64) {
        self.lane.pending.remove(&position);
        self.lane.denied.remove(&position);
        self.lane.reader.give_up(position, DropReason::TooLarge);
    }
}

impl Drop for Run<'_> {
    /// What was on its way when the connection went is a failed try.
    fn drop(&mut self) {
        let on_their_way = self.flights.len() as u64;
        self.lane
            .totals()
            .add_failed(Failure::Unreachable, on_their_way);
    }
}

impl Lane {
    fn take_in(&mut self, spooled: Arc<Spooled>) {
        self.ready.push_back(spooled.position);
        let is_retry = false;
        self.pending
            .insert(spooled.position, Pending { spooled, is_retry });
    }
}

/// Why it failed; `None` where it would always fail.
fn failure(error: &PublishError) -> Option<Failure> {
    match error.kind() {
        PublishErrorKind::StreamNotFound => Some(Failure::NotFound),
        PublishErrorKind::TimedOut => Some(Failure::Timeout),
        PublishErrorKind::BrokenPipe => Some(Failure::Unreachable),
        PublishErrorKind::MaxPayloadExceeded => None,
        PublishErrorKind::MaxAckPending => Some(Failure::Throttled),
        PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence => {
            Some(Failure::Rejected)
        }
        PublishErrorKind::Other => of_server(error),
    }
}

fn of_server(error: &PublishError) -> Option<Failure> {
    let source = error
        .source()?
        .downcast_ref::<async_nats::jetstream::Error>();
    let Some(said) = source else {
        return Some(Failure::Rejected);
    };
    match said.error_code() {
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => None,
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED => Some(Failure::Full),
        _ if said.code() >= 500 => Some(Failure::Unavailable),
        _ => Some(Failure::Rejected),
    }
}
