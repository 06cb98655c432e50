//! The thread that sends: one task per signal, each with a queue and a way out of its own, so
//! that a collector that stops taking one signal holds up no other.

use super::batch::{Batch, Items, Speaker};
use super::config::Signal;
use super::delivery::{Delivery, Part, Way};
use super::deltas::Deltas;
use super::log;
use super::metric;
use super::old_http;
use super::span;
use super::spans::Kept;
use crate::prometheus::Page;
use crate::spool::{SpoolReader, Spooled};
use crate::totals::{DropReason, SinkTotals};
use opentelemetry_proto::tonic::trace::v1::Span;
use rauta_core::clock;
use rauta_schemas::{Names, Producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

/// How often the queue is looked at. Waking the sink for each exchange would cost the pipeline
/// more than the exchange does.
const LOOK: Duration = Duration::from_millis(100);

/// Spans of one request at most, but for those of the last exchange.
const SPANS_MAX: usize = 2_048;

/// Sends spans.
pub(super) struct Traces {
    pub(super) queue: mpsc::Receiver<Kept>,
    pub(super) waiting: Arc<AtomicU64>,
    pub(super) names: Names,
    /// Do they carry attributes of HTTP by their old names too?
    pub(super) has_old_names: bool,
    pub(super) delivery: Delivery<Way>,
}

impl Traces {
    /// Runs until the pipeline has ended and the queue is empty, or the time for that is over.
    pub(super) async fn run(mut self) {
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.delivery.stop.clone();
        loop {
            if !stop.is_asked() {
                tokio::select! {
                    _ = look.tick() => {}
                    () = stop.asked() => {}
                }
            }
            while let Some(spans) = self.take() {
                let count = spans.len() as u64;
                let batch = Batch::new(&self.delivery.speaker, Items::Spans(spans));
                let parts = self.delivery.deliver(batch).await;
                self.delivery.count(&parts);
                self.waiting.fetch_sub(count, Ordering::Relaxed);
                self.show();
            }
            self.show();
            if stop.is_asked() && self.queue.is_empty() {
                return;
            }
        }
    }

    fn take(&mut self) -> Option<Vec<Span>> {
        let mut spans = Vec::new();
        while spans.len() < SPANS_MAX
            && let Ok(kept) = self.queue.try_recv()
        {
            span::append(&kept, &self.names, &mut spans);
        }
        if self.has_old_names {
            spans.iter_mut().for_each(old_http::add);
        }
        (!spans.is_empty()).then_some(spans)
    }

    fn show(&self) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        self.delivery.totals.set_queued(waiting);
    }
}

/// Sends metrics.
pub(super) struct Metrics {
    pub(super) page: Arc<Page>,
    pub(super) every: Duration,
    pub(super) start_ns: u64,
    pub(super) deltas: Deltas,
    pub(super) delivery: Delivery<Way>,
}

impl Metrics {
    /// Runs until the sink is asked to end, and sends what there is then.
    pub(super) async fn run(mut self) {
        let mut tick = interval(self.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A later reading says all that an earlier one said: it is tried until the next is due.
        self.delivery.patience.give_up = Some(self.every);
        let mut stop = self.delivery.stop.clone();
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.asked() => {}
            }
            let is_last = stop.is_asked();
            let span = metric::Span {
                start_ns: self.start_ns,
                now_ns: clock::now().wall_ns,
            };
            let reading = self.page.reading();
            let metrics = metric::metrics(&reading.families, span);
            let metrics = self.deltas.reduce(metrics, &reading.observed, span.now_ns);
            let batch = Batch::new(&self.delivery.speaker, Items::Metrics(metrics));
            self.delivery.totals.set_queued(batch.len());
            let parts = self.delivery.deliver(batch).await;
            self.deltas.settle(&parts);
            self.delivery.count(&parts);
            self.delivery.totals.set_queued(0);
            if is_last {
                return;
            }
        }
    }
}

/// Records of one request at most; an anomaly has some 4 KiB.
const RECORDS_MAX: usize = 256;

/// Sends anomalies out of the spool.
pub(super) struct Logs {
    pub(super) reader: SpoolReader,
    pub(super) producer: Producer,
    pub(super) delivery: Delivery<Way>,
}

impl Logs {
    /// Runs until the spool has ended, or the time for what is left is over. What was not sent then
    /// stays in the spool.
    pub(super) async fn run(mut self) {
        // The spool is bounded and counts: nothing is given up for being late.
        self.delivery.patience.give_up = None;
        let mut stop = self.delivery.stop.clone();
        loop {
            let next = tokio::select! {
                next = self.reader.next() => next,
                () = stop.deadline() => None,
            };
            let Some(next) = next else { break };
            let mut spooled = vec![next];
            while spooled.len() < RECORDS_MAX
                && let Ok(Some(next)) = self.reader.try_next()
            {
                spooled.push(next);
            }
            let observed_ns = clock::now().wall_ns;
            let record = |spooled: &Arc<Spooled>| log::record(spooled, &self.producer, observed_ns);
            let records = spooled.iter().map(record).collect();
            let batch = Batch::new(&self.delivery.speaker, Items::Records(records));
            let parts = self.delivery.deliver(batch).await;
            self.settle(&spooled, &parts);
        }
        self.reader.stop();
    }

    /// Which of a part were rejected, no collector says: the last ones count as such.
    fn settle(&mut self, spooled: &[Arc<Spooled>], parts: &[Part]) {
        let mut spooled = spooled.iter();
        for part in parts {
            for index in 0..part.items {
                let Some(one) = spooled.next() else { return };
                if index < part.sent {
                    self.reader.confirm(one.position);
                } else if part.dropped != DropReason::Stopped {
                    self.reader.give_up(one.position, part.dropped);
                }
            }
        }
    }
}

/// A signal's way out.
pub(super) fn delivery(
    way: Way,
    signal: Signal,
    shared: &Shared,
    totals: &Arc<SinkTotals>,
) -> Delivery<Way> {
    Delivery {
        gzip: way.gzip(),
        way,
        signal,
        speaker: Arc::clone(&shared.speaker),
        totals: Arc::clone(totals),
        patience: shared.patience,
        stop: shared.stop.clone(),
        not_before: None,
        is_troubled: false,
    }
}

/// What the signals have in common.
pub(super) struct Shared {
    pub(super) speaker: Arc<Speaker>,
    pub(super) patience: super::Patience,
    pub(super) stop: super::stop::Stop,
}
