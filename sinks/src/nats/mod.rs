//! Anomalies to NATS, in both forms that the platform reads.
//!
//! ```text
//! spool ─► "nats"      ─► occurrence    ─► JetStream rauta.v1.<cluster>.<namespace>.<kind>, PubAck
//!      └─► "nats-core" ─► ObserverEvent ─► core tapio.events.<type>.<subtype>, echo
//! ```
//!
//! One thread with a runtime of its own, so that a NATS that is slow or gone slows nobody. Each
//! connection is a session: it ends at the first trouble, whatever was on its way is sent again in
//! the next one, and the server drops what it has already by `Nats-Msg-Id`. Nothing is buffered in
//! the client: what is not confirmed is in the spool.

mod backoff; // pauses between tries
mod config; // how it is set up
mod core; // the form of the Go programs, without JetStream
mod denial; // what the server does not let us publish
mod jetstream; // occurrences, each confirmed by the stream
mod listen; // the other end, for people
mod message; // what is published: subject, headers, document
mod refusal; // why no connection came about
mod session; // one connection
mod streams; // what streams there are, and ours
mod subject; // templates of subjects

pub use config::{Auth, Encoding, NatsConfig, StreamConfig, Tls, check_url};
pub use listen::{ListenError, Listener};
pub use subject::{SubjectError, SubjectTemplate};

use crate::prometheus::{Sample, Source};
use crate::spool::SpoolReader;
use crate::totals::{Failure, SinkTotals};
use rauta_schemas::Producer;
use session::{Ended, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

/// The sink, before its thread.
#[derive(Debug)]
pub struct NatsSink {
    config: NatsConfig,
    producer: Producer,
    occurrences: Option<jetstream::Lane>,
    observer_events: Option<core::Lane>,
    is_connected: Arc<AtomicBool>,
}

/// Tells [`NatsSink::run`] to end now, whatever waits; dropping it does the same.
pub type Stop = watch::Sender<bool>;

impl NatsSink {
    /// A sink for what these readers hand out: occurrences, and the Go programs' form.
    pub fn new(
        config: NatsConfig,
        producer: Producer,
        occurrences: Option<SpoolReader>,
        observer_events: Option<SpoolReader>,
    ) -> Self {
        Self {
            occurrences: occurrences.map(jetstream::Lane::new),
            observer_events: observer_events.map(core::Lane::new),
            config,
            producer,
            is_connected: Arc::default(),
        }
    }

    /// Is there a connection? For a scrape.
    pub fn source(&self) -> Source {
        let is_connected = Arc::clone(&self.is_connected);
        Box::new(move || {
            let sample = Sample::gauge(
                "rauta_sink_connected",
                "1 while the sink has a connection.",
                f64::from(u8::from(is_connected.load(Ordering::Relaxed))),
            );
            vec![sample.label("sink", "nats")]
        })
    }

    /// Delivers until the spool has ended and everything is confirmed, or `stop` says so. Blocks:
    /// it is a thread's whole work. Tells how many anomalies are lost by ending now, because only
    /// memory had them.
    ///
    /// # Errors
    /// Where the thread can have no runtime.
    pub fn run(mut self, mut stop: watch::Receiver<bool>) -> std::io::Result<u64> {
        let mut tries = session::Tries::new();
        loop {
            // With the runtime everything ends that belonged to the last connection.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let ended = runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => Ended::Done,
                    ended = self.session(&mut tries) => ended,
                }
            });
            runtime.shutdown_background();
            self.is_connected.store(false, Ordering::Relaxed);
            if ended == Ended::Done {
                break;
            }
        }
        let lost = self.occurrences.map_or(0, |lane| lane.stop());
        Ok(lost.max(self.observer_events.map_or(0, |lane| lane.stop())))
    }

    async fn session(&mut self, tries: &mut session::Tries) -> Ended {
        let connection = match tries.connect(&self.config).await {
            Ok(connected) => connected,
            Err(failure) => {
                self.totals()
                    .for_each(|totals| totals.add_failed(failure, 1));
                return Ended::Lost;
            }
        };
        self.is_connected.store(true, Ordering::Relaxed);
        let session = Session {
            client: connection.client,
            denials: connection.denials,
            config: &self.config,
            producer: &self.producer,
        };
        let ended = session
            .run(
                connection.events,
                &mut self.occurrences,
                &mut self.observer_events,
                tries,
            )
            .await;
        if ended == Ended::Unauthorized {
            self.totals()
                .for_each(|totals| totals.add_failed(Failure::Unauthorized, 1));
        }
        ended
    }

    fn totals(&self) -> impl Iterator<Item = &Arc<SinkTotals>> {
        let occurrences = self.occurrences.as_ref().map(jetstream::Lane::totals);
        let observer_events = self.observer_events.as_ref().map(core::Lane::totals);
        occurrences.into_iter().chain(observer_events)
    }
}
