//! The control side of the data plane: starts the workers, binds sockets, hands snapshots over and
//! sums up. Everything here may wait; nothing here touches a request.

use crate::config::Config;
use crate::listener;
use crate::tls;
use crate::totals::Totals;
use crate::worker::{self, Message, PortNumber, Routing, Started};
use rauta_core::bus::Bus;
use rauta_core::drain::DrainWatch;
use rauta_routing::{Port, Snapshot};
use rauta_schemas::ListenerId;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};

/// Why the data plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration holds mistakes.
    #[error("the proxy's configuration is wrong: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The system gives no random numbers, without which there is no TLS.
    #[error("tls cannot be set up")]
    Tls(#[source] rustls::Error),
    /// A worker's thread or its runtime could not be made.
    #[error("worker {worker} cannot start")]
    Worker {
        /// Its number.
        worker: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// What became of one port of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Every worker serves it, here: as asked, but with port 0 replaced by what was given.
    Serving(SocketAddr),
    /// It is not served; why.
    Failed(String),
}

/// What became of a snapshot that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The snapshot's generation.
    pub generation: u64,
    /// Each port by the address that the snapshot names, in its order.
    pub ports: Vec<(SocketAddr, PortState)>,
    /// Listeners with a certificate that cannot be used, and why. With another that can they are
    /// served all the same; without, they close every connection.
    pub refused: Vec<(ListenerId, String)>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open when the time was up, and were cut.
    pub cut: u64,
}

/// The running data plane.
pub struct Proxy {
    workers: Vec<Started>,
    control: Mutex<Control>,
}

/// What only the control side changes.
struct Control {
    bound: HashMap<SocketAddr, Bound>,
    last_number: u32,
    /// Earlier snapshots: kept until no worker holds them, so that freeing a large one costs no
    /// worker's time.
    retired: Vec<Arc<Snapshot>>,
    tls: tls::Builder,
    /// After how long a client that acknowledges nothing is gone.
    vanished: Duration,
}

struct Bound {
    number: PortNumber,
    address: SocketAddr,
}

impl Proxy {
    /// Starts the workers; they serve nothing until a snapshot is applied.
    ///
    /// # Errors
    /// Mistakes in `config`, or threads that the system does not give.
    pub fn start(config: Config, bus: &Bus, drain: DrainWatch) -> Result<Self, Error> {
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            return Err(Error::Config(mistakes));
        }
        let control = Control {
            bound: HashMap::new(),
            last_number: 0,
            retired: Vec::new(),
            tls: tls::Builder::new().map_err(Error::Tls)?,
            vanished: config.limits.vanished(),
        };
        let mut workers = Vec::with_capacity(config.workers);
        for number in (0..).take(config.workers) {
            let publisher = bus.publisher(&format!("worker-{number}"));
            let started = worker::start(number, config.clone(), publisher, drain.clone());
            workers.push(started.map_err(|source| Error::Worker {
                worker: number,
                source,
            })?);
        }
        Ok(Self {
            workers,
            control: Mutex::new(control),
        })
    }

    /// Serves `snapshot` from now on. Returns when every worker does; a port that cannot be bound
    /// leaves the others alone and is tried again with the next snapshot.
    pub async fn apply(&self, snapshot: Arc<Snapshot>) -> Applied {
        let mut control = self.control.lock().await;
        let mut plan = Plan::default();
        for port in &snapshot.ports {
            let state = control.place(port, self.workers.len(), &mut plan);
            plan.states.push((port.address, state));
        }
        control.close_absent(&snapshot, &mut plan);
        let (tls, refused) = control.tls.build(&snapshot);
        let tls = Arc::new(tls);
        let mut answers = Vec::with_capacity(self.workers.len());
        plan.ports.sort_unstable_by_key(|(number, _)| *number);
        for (at, worker) in self.workers.iter().enumerate() {
            let (done, answer) = oneshot::channel();
            let routing = Routing {
                snapshot: Arc::clone(&snapshot),
                ports: plan.ports.clone(),
                tls: Arc::clone(&tls),
            };
            let sockets = plan
                .sockets
                .iter_mut()
                .filter_map(|(number, sockets)| Some((*number, sockets.get_mut(at)?.take()?)));
            let message = Message::Swap {
                routing,
                sockets: sockets.collect(),
                closing: plan.closing.clone(),
                done,
            };
            // A worker that is gone serves nothing; the drain that ended it knows.
            if worker.messages.send(message).await.is_ok() {
                answers.push(answer);
            }
        }
        for answer in answers {
            for (number, error) in answer.await.unwrap_or_default() {
                plan.fail(number, &error);
            }
        }
        control.retire(&snapshot);
        Applied {
            generation: snapshot.generation,
            ports: plan.states,
            refused,
        }
    }

    /// The sums of all workers' counters.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for worker in &self.workers {
            totals.add(&worker.totals);
        }
        totals
    }

    /// Stops: nothing new is accepted, what is in flight finishes, at most for `deadline`.
    pub async fn drain(self, deadline: Duration) -> Drained {
        for worker in &self.workers {
            // A worker that has ended already needs no telling; nor does it below.
            let _ended = worker.messages.send(Message::Drain).await;
        }
        let until = tokio::time::Instant::now() + deadline;
        let mut cut = 0;
        for mut worker in self.workers {
            if tokio::time::timeout_at(until, &mut worker.ended)
                .await
                .is_err()
            {
                cut += worker.totals.open.get();
                let _ended = worker.messages.send(Message::Stop).await;
                let _ended = worker.ended.await;
            }
            if worker.thread.join().is_err() {
                tracing::error!("a worker's thread panicked");
            }
        }
        Drained { cut }
    }
}

/// What one snapshot changes.
#[derive(Default)]
struct Plan {
    states: Vec<(SocketAddr, PortState)>,
    ports: Vec<(PortNumber, Arc<Port>)>,
    /// New sockets, one for each worker.
    sockets: Vec<(PortNumber, Vec<Option<TcpListener>>)>,
    closing: Vec<PortNumber>,
}

impl Plan {
    fn fail(&mut self, number: PortNumber, error: &str) {
        let address = self.ports.iter().find(|(other, _)| *other == number);
        for (port, state) in &mut self.states {
            if address.is_some_and(|(_, of_number)| of_number.address == *port) {
                *state = PortState::Failed(error.to_owned());
            }
        }
    }
}

impl Control {
    /// Finds or makes the sockets of a port.
    fn place(&mut self, port: &Arc<Port>, workers: usize, plan: &mut Plan) -> PortState {
        if let Some(bound) = self.bound.get(&port.address) {
            plan.ports.push((bound.number, Arc::clone(port)));
            return PortState::Serving(bound.address);
        }
        let (sockets, address) = match bind(port.address, workers, self.vanished) {
            Ok(bound) => bound,
            Err(error) => {
                return PortState::Failed(format!("cannot listen on {}: {error}", port.address));
            }
        };
        self.last_number += 1;
        let number = PortNumber(self.last_number);
        self.bound.insert(port.address, Bound { number, address });
        plan.sockets
            .push((number, sockets.into_iter().map(Some).collect()));
        plan.ports.push((number, Arc::clone(port)));
        PortState::Serving(address)
    }

    fn close_absent(&mut self, snapshot: &Snapshot, plan: &mut Plan) {
        self.bound.retain(|address, bound| {
            let is_wanted = snapshot.ports.iter().any(|port| port.address == *address);
            if !is_wanted {
                plan.closing.push(bound.number);
            }
            is_wanted
        });
    }

    fn retire(&mut self, snapshot: &Arc<Snapshot>) {
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        self.retired.push(Arc::clone(snapshot));
    }
}

fn bind(
    address: SocketAddr,
    workers: usize,
    vanished: Duration,
) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let sockets = listener::bind(address, workers, vanished)?;
    let given = sockets
        .first()
        .map_or(Ok(address), TcpListener::local_addr)?;
    Ok((sockets, given))
}
