//! One signal's way out: a batch at a time, sent until it is taken in or given up.
//!
//! ```text
//! batch ─► too large? split ─► send ─┬► taken in: sent, what was rejected dropped
//!               ▲       ▲            ├► retryable: wait (back-off, or as told) ─► send
//!               │       └────────────┤  ... for at most Patience::give_up, then dropped
//!               └──── too large ─────┤
//!                                    └► anything else: dropped
//! ```

use super::batch::{Batch, Speaker};
use super::config::{Signal, Target};
use super::stop::Stop;
use super::transport::{Answer, Failed, Next, Transport};
use crate::totals::{DropReason, Failure, SinkTotals};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// gRPC servers take 4 MiB by default; what is larger is split before it is sent.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024 - 16 * 1024;

/// How long and how often a request is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The wait after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The longest wait of RAUTA's own choosing.
    pub longest: Duration,
    /// A request is dropped that was tried for so long; `None`: never.
    pub give_up: Option<Duration>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            longest: Duration::from_secs(30),
            give_up: Some(Duration::from_secs(300)),
        }
    }
}

/// What sends a request; a test takes its place.
pub(super) trait Sends {
    /// Sends one request and waits for what comes of it.
    async fn send(&mut self, body: &Bytes, gzip: bool) -> Answer;
    /// The connection was of no use: begin anew.
    fn renew(&mut self);
    /// Where requests go, for the log.
    fn url(&self) -> String;
}

/// The way to a collector, made anew when it is of no use: certificates may have changed.
#[derive(Debug)]
pub(super) struct Way {
    target: Target,
    signal: Signal,
    transport: Transport,
}

impl Way {
    pub(super) fn new(target: Target, signal: Signal) -> Result<Self, super::TlsError> {
        let transport = Transport::new(&target, signal)?;
        Ok(Self {
            target,
            signal,
            transport,
        })
    }

    /// Are requests to be compressed?
    pub(super) fn gzip(&self) -> bool {
        self.target.gzip
    }
}

impl Sends for Way {
    async fn send(&mut self, body: &Bytes, gzip: bool) -> Answer {
        self.transport.send(body, gzip, self.target.timeout).await
    }

    fn renew(&mut self) {
        if self.target.url.scheme_str() != Some("https") {
            return;
        }
        match Transport::new(&self.target, self.signal) {
            Ok(transport) => self.transport = transport,
            Err(error) => tracing::warn!(%error, "OTLP certificates cannot be read anew"),
        }
    }

    fn url(&self) -> String {
        self.target.url.to_string()
    }
}

/// What became of consecutive items of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// How many they are.
    pub(super) items: u64,
    /// How many of them were taken in.
    pub(super) sent: u64,
    /// Why the others were not.
    pub(super) dropped: DropReason,
    /// Was their request taken in? Then those that were not are refused for good.
    pub(super) is_taken: bool,
}

/// One signal's way out.
#[derive(Debug)]
pub(super) struct Delivery<S> {
    pub(super) way: S,
    pub(super) signal: Signal,
    pub(super) gzip: bool,
    pub(super) speaker: Arc<Speaker>,
    pub(super) totals: Arc<SinkTotals>,
    pub(super) patience: Patience,
    pub(super) stop: Stop,
    /// The collector asked for silence until then.
    pub(super) not_before: Option<Instant>,
    /// Did the last request fail? Each change is logged once.
    pub(super) is_troubled: bool,
}

impl<S: Sends> Delivery<S> {
    /// Sends a batch, and tells what became of its items, in their order.
    pub(super) async fn deliver(&mut self, batch: Batch) -> Vec<Part> {
        let mut parts = Vec::with_capacity(1);
        let mut waiting = VecDeque::from([batch]);
        while let Some(batch) = waiting.pop_front() {
            let items = batch.len();
            let body = batch.encode();
            let is_small = body.len() <= REQUEST_BYTES_MAX;
            let fate = match is_small {
                true => self.settle(items, &body).await,
                false => Err(DropReason::TooLarge),
            };
            if fate == Err(DropReason::TooLarge)
                && let Some((first, second)) = batch.split(&self.speaker)
            {
                waiting.push_front(second);
                waiting.push_front(first);
                continue;
            }
            parts.push(match fate {
                Ok(rejected) => Part {
                    items,
                    sent: items.saturating_sub(rejected),
                    dropped: DropReason::Rejected,
                    is_taken: true,
                },
                Err(dropped) => Part {
                    items,
                    sent: 0,
                    dropped,
                    is_taken: false,
                },
            });
        }
        parts
    }

    /// Counts what became of a batch.
    pub(super) fn count(&self, parts: &[Part]) {
        for part in parts {
            self.totals.add_sent(part.sent);
            self.totals
                .add_dropped(part.dropped, part.items - part.sent);
        }
    }

    /// Sends one request until it is taken in (and how many of its items were not), or dropped.
    async fn settle(&mut self, items: u64, body: &Bytes) -> Result<u64, DropReason> {
        let began = Instant::now();
        let mut wait = self.patience.first;
        loop {
            if let Some(until) = self.not_before.take() {
                tokio::select! {
                    () = sleep_until(until) => {}
                    () = self.stop.deadline() => return Err(DropReason::Stopped),
                }
            }
            let answer = tokio::select! {
                answer = self.way.send(body, self.gzip) => answer,
                () = self.stop.deadline() => return Err(DropReason::Stopped),
            };
            let failed = match answer {
                Answer::Accepted { rejected, why } => {
                    self.accepted(rejected, &why);
                    return Ok(rejected.min(items));
                }
                Answer::Failed(failed) => failed,
            };
            self.totals.add_failed(failed.failure, 1);
            let after = match failed.next {
                Next::Retry(after) => after,
                Next::Reconnect => {
                    self.way.renew();
                    None
                }
                Next::Split => {
                    self.troubled(&failed);
                    return Err(DropReason::TooLarge);
                }
                Next::Decompress if self.gzip => {
                    tracing::warn!(
                        signal = self.signal.label(),
                        why = failed.why,
                        "the collector reads no gzip; sending as it is"
                    );
                    self.gzip = false;
                    continue;
                }
                Next::Decompress | Next::Drop => {
                    self.troubled(&failed);
                    return Err(DropReason::Rejected);
                }
            };
            self.troubled(&failed);
            let now = Instant::now();
            let pause = self.pause(&mut wait, after);
            let elapsed = now.duration_since(began);
            if self
                .patience
                .give_up
                .is_some_and(|most| elapsed + pause > most)
            {
                // The collector's wish holds for the next request as well.
                self.not_before = after.map(|after| now + after.min(AFTER_MAX));
                return Err(DropReason::RetryExhausted);
            }
            self.not_before = Some(now + pause);
            self.totals.add_retried(items);
        }
    }

    /// How long to wait: what the collector says and a little more, else twice as long as before;
    /// spread, so that many senders do not come back together.
    fn pause(&self, wait: &mut Duration, after: Option<Duration>) -> Duration {
        let spread = fastrand::f64();
        match after {
            Some(after) => after.min(AFTER_MAX).mul_f64(1.0 + spread / 10.0),
            None => {
                let own = wait.mul_f64(0.5 + spread);
                *wait = wait.saturating_mul(2).min(self.patience.longest);
                own
            }
        }
    }

    fn accepted(&mut self, rejected: u64, why: &str) {
        if rejected > 0 {
            self.totals.add_failed(Failure::Rejected, 1);
            tracing::warn!(
                signal = self.signal.label(),
                rejected,
                why,
                "the collector took in a part only"
            );
        } else if !why.is_empty() {
            tracing::debug!(signal = self.signal.label(), why, "the collector warns");
        }
        if std::mem::take(&mut self.is_troubled) {
            tracing::info!(signal = self.signal.label(), "OTLP export works again");
        }
    }

    fn troubled(&mut self, failed: &Failed) {
        if !std::mem::replace(&mut self.is_troubled, true) {
            tracing::warn!(
                signal = self.signal.label(),
                to = self.way.url(),
                reason = failed.failure.label(),
                why = failed.why,
                then = failed.consequence(),
                fix = failed.advice(),
                "OTLP export fails"
            );
        }
    }
}

/// A collector that asks for more patience than a day is asked again after a day.
const AFTER_MAX: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::batch::Items;
    use crate::otlp::stop;
    use crate::totals;
    use opentelemetry_proto::tonic::trace::v1::Span;

    /// Answers as it is told, and notes when it was asked, and whether with gzip.
    #[derive(Debug, Default)]
    struct Script {
        answers: VecDeque<Answer>,
        asked: Vec<(Instant, bool)>,
        renewed: u32,
    }

    impl Sends for Script {
        async fn send(&mut self, _body: &Bytes, gzip: bool) -> Answer {
            self.asked.push((Instant::now(), gzip));
            match self.answers.len() {
                // The last answer stands.
                1 => self.answers[0].clone(),
                _ => self.answers.pop_front().expect("an answer"),
            }
        }

        fn renew(&mut self) {
            self.renewed += 1;
        }

        fn url(&self) -> String {
            String::new()
        }
    }

    const OK: Answer = Answer::Accepted {
        rejected: 0,
        why: String::new(),
    };

    fn failed(next: Next) -> Answer {
        Answer::Failed(Failed {
            next,
            failure: Failure::Unavailable,
            why: "no".into(),
        })
    }

    fn delivery(answers: impl Into<VecDeque<Answer>>) -> (stop::Stopper, Delivery<Script>) {
        let (stopper, stop) = stop::channel();
        let delivery = Delivery {
            way: Script {
                answers: answers.into(),
                ..Script::default()
            },
            signal: Signal::Traces,
            gzip: true,
            speaker: Arc::new(Speaker::default()),
            totals: SinkTotals::new("otlp", totals::Signal::Traces),
            patience: Patience::default(),
            stop,
            not_before: None,
            is_troubled: false,
        };
        (stopper, delivery)
    }

    fn spans(count: usize) -> Batch {
        Batch::new(
            &Speaker::default(),
            Items::Spans(vec![Span::default(); count]),
        )
    }

    fn gaps(asked: &[(Instant, bool)]) -> Vec<Duration> {
        asked
            .windows(2)
            .map(|pair| pair[1].0.duration_since(pair[0].0))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_are_spread_and_end_after_five_minutes() {
        let (_stopper, mut delivery) = delivery([failed(Next::Retry(None))]);
        let began = Instant::now();
        let parts = delivery.deliver(spans(3)).await;
        let [part] = parts[..] else {
            panic!("{parts:?}")
        };
        assert_eq!((part.items, part.sent), (3, 0));
        assert_eq!(part.dropped, DropReason::RetryExhausted);
        assert!(
            began.elapsed() <= Duration::from_secs(300),
            "{:?}",
            began.elapsed()
        );
        let gaps = gaps(&delivery.way.asked);
        let mut wait = Duration::from_millis(500);
        for gap in &gaps {
            assert!(
                *gap >= wait / 2 && *gap <= wait * 3 / 2 + Duration::from_millis(2),
                "{gaps:?}"
            );
            wait = (wait * 2).min(Duration::from_secs(30));
        }
        assert!(gaps.len() > 8, "{gaps:?}");
        assert_eq!(delivery.totals.retried(), 3 * gaps.len() as u64);
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_s_delay_is_honoured() {
        let delay = Duration::from_secs(40);
        let (_stopper, mut delivery) = delivery([failed(Next::Retry(Some(delay))), OK]);
        delivery.deliver(spans(1)).await;
        let gap = gaps(&delivery.way.asked)[0];
        assert!(
            gap >= delay && gap <= delay * 11 / 10 + Duration::from_millis(2),
            "{gap:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_longer_than_the_patience_drops_the_request_and_holds_for_the_next() {
        let delay = Duration::from_secs(600);
        let (_stopper, mut delivery) = delivery([failed(Next::Retry(Some(delay))), OK]);
        let dropped = delivery.deliver(spans(1)).await;
        assert_eq!(dropped[0].dropped, DropReason::RetryExhausted);
        let sent = delivery.deliver(spans(1)).await;
        assert_eq!(sent[0].sent, 1);
        assert!(gaps(&delivery.way.asked)[0] >= delay);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_large_is_halved_until_it_fits() {
        let large = || failed(Next::Split);
        let (_stopper, mut delivery) = delivery([large(), OK, large(), OK, large(), large(), OK]);
        let parts = delivery.deliver(spans(8)).await;
        let items: Vec<u64> = parts.iter().map(|part| part.items).collect();
        assert_eq!(items, [4, 2, 1, 1]);
        let sent: u64 = parts.iter().map(|part| part.sent).sum();
        assert_eq!(sent, 7, "a span that is too large by itself is dropped");
        assert_eq!(parts[2].dropped, DropReason::TooLarge);
    }

    #[tokio::test(start_paused = true)]
    async fn a_partial_success_is_counted_and_not_sent_again() {
        let partial = Answer::Accepted {
            rejected: 2,
            why: "too old".into(),
        };
        let (_stopper, mut delivery) = delivery([partial]);
        let parts = delivery.deliver(spans(5)).await;
        delivery.count(&parts);
        assert_eq!(delivery.way.asked.len(), 1);
        assert_eq!(delivery.totals.sent(), 3);
        assert_eq!(delivery.totals.dropped(DropReason::Rejected), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn compression_is_given_up_where_the_collector_reads_none() {
        let (_stopper, mut delivery) = delivery([failed(Next::Decompress), OK]);
        assert_eq!(delivery.deliver(spans(1)).await[0].sent, 1);
        let compressed: Vec<bool> = delivery.way.asked.iter().map(|(_, gzip)| *gzip).collect();
        assert_eq!(compressed, [true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_rauta_ends_the_waiting() {
        let (stopper, mut delivery) = delivery([failed(Next::Reconnect)]);
        stopper.stop(Duration::from_secs(5));
        let began = Instant::now();
        let parts = delivery.deliver(spans(1)).await;
        assert_eq!(parts[0].dropped, DropReason::Stopped);
        assert!(began.elapsed() <= Duration::from_millis(5_010));
        assert!(delivery.way.renewed > 0);
    }
}
