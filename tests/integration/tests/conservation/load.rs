//! Requests from many clients at once: as fast as they can, or at a fixed pace.

use super::client::Client;
use super::oracle::Oracle;
use super::plan::Kind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Clients at once: enough that those who wait for a timeout do not hold up the rest.
const CLIENTS: usize = 128;

/// Requests that a pipelining client takes beside its own.
const PIPELINED_WITH: usize = 2;

/// How long between two helpings of a pace.
const HELPING: Duration = Duration::from_millis(5);

/// Sends requests to the gateway.
pub(crate) struct Load {
    pub(crate) gateway: SocketAddr,
    pub(crate) oracle: Arc<Oracle>,
    /// What happens to request number `id`.
    pub(crate) kind: fn(usize) -> Kind,
    next: Arc<AtomicUsize>,
}

impl Load {
    pub(crate) fn new(gateway: SocketAddr, oracle: &Arc<Oracle>, kind: fn(usize) -> Kind) -> Self {
        Self {
            gateway,
            oracle: Arc::clone(oracle),
            kind,
            next: Arc::default(),
        }
    }

    /// Sends the next `count` requests as fast as the gateway answers. Gives requests a second.
    pub(crate) async fn at_saturation(&self, count: usize) -> f64 {
        self.send(count, None).await
    }

    /// Sends the next `count` requests, so many a second whether answered or not, as long as there
    /// are clients. Gives requests a second.
    pub(crate) async fn at_pace(&self, count: usize, a_second: f64) -> f64 {
        let permits = Arc::new(Semaphore::new(0));
        let pacing = tokio::spawn(pace(Arc::clone(&permits), count, a_second));
        let rate = self.send(count, Some(permits)).await;
        pacing.abort();
        rate
    }

    async fn send(&self, count: usize, permits: Option<Arc<Semaphore>>) -> f64 {
        let began = Instant::now();
        let end = self.next.load(Ordering::SeqCst) + count;
        let all_taken = Arc::new(OnceLock::new());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let client = Client::new(self.gateway, &self.oracle);
            let dispenser = Dispenser {
                next: Arc::clone(&self.next),
                end,
                permits: permits.clone(),
                all_taken: Arc::clone(&all_taken),
            };
            clients.spawn(play(client, dispenser, self.kind));
        }
        clients.join_all().await;
        // What clients took beyond the end was not sent.
        self.next.store(end, Ordering::SeqCst);
        // Those that wait for a timeout at the end are no part of the rate.
        let took = *all_taken.get_or_init(Instant::now) - began;
        count as f64 / took.as_secs_f64()
    }
}

/// Gives requests their numbers.
struct Dispenser {
    next: Arc<AtomicUsize>,
    end: usize,
    permits: Option<Arc<Semaphore>>,
    all_taken: Arc<OnceLock<Instant>>,
}

impl Dispenser {
    async fn take(&self) -> Option<usize> {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        if id >= self.end {
            self.all_taken.get_or_init(Instant::now);
            return None;
        }
        if let Some(permits) = &self.permits {
            permits.acquire().await.ok()?.forget();
        }
        Some(id)
    }
}

async fn play(mut client: Client, dispenser: Dispenser, kind: fn(usize) -> Kind) {
    while let Some(id) = dispenser.take().await {
        let kind = kind(id);
        let mut with = Vec::new();
        while kind == Kind::Pipelined && with.len() < PIPELINED_WITH {
            match dispenser.take().await {
                Some(id) => with.push(id),
                None => break,
            }
        }
        client.play(kind, id, &with).await;
    }
}

/// Lets requests go at their time, in small helpings.
async fn pace(permits: Arc<Semaphore>, count: usize, a_second: f64) {
    let began = Instant::now();
    let mut helpings = interval(HELPING);
    helpings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut given = 0;
    while given < count {
        helpings.tick().await;
        let due = (began.elapsed().as_secs_f64() * a_second) as usize;
        let helping = due.min(count) - given;
        permits.add_permits(helping);
        given += helping;
    }
}
