//! A worker's thread: a runtime of its own, messages from the control side, one accept loop per
//! socket, and the tick that looks over deadlines and pools.

use super::{PortNumber, Routing, Worker};
use crate::config::Config;
use crate::totals::WorkerTotals;
use crate::watch::TICK;
use crate::{connection, listener};
use rauta_core::bus::Publisher;
use rauta_core::drain::{DrainWatch, Mode};
use rauta_schemas::{Address, ConnectionEvent, ConnectionReason, Event, FourTuple, ListenerId};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::spawn_local;

/// Messages that may wait for a worker; the control side sends one at a time.
const MESSAGES_MAX: usize = 8;

/// What the control side tells a worker.
pub(crate) enum Message {
    /// Serve this routing from now on.
    Swap {
        /// The routing.
        routing: Routing,
        /// Sockets to accept from, beside those of earlier swaps.
        sockets: Vec<(PortNumber, std::net::TcpListener)>,
        /// Sockets to close once their queues are empty.
        closing: Vec<PortNumber>,
        /// Told when the worker serves it; with what could not be used.
        done: oneshot::Sender<Vec<(PortNumber, String)>>,
    },
    /// Accept nothing new and end when the last connection has.
    Drain,
    /// End now.
    Stop,
}

/// A running worker, as the control side sees it.
pub(crate) struct Started {
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) thread: std::thread::JoinHandle<()>,
    pub(crate) totals: Arc<WorkerTotals>,
    /// Closed when the worker's thread ends.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// Starts worker `number` on a thread of its own.
pub(crate) fn start(
    number: u16,
    config: Config,
    publisher: Publisher,
    drain: DrainWatch,
) -> io::Result<Started> {
    let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
    let totals = Arc::new(WorkerTotals::default());
    let (end, ended) = oneshot::channel();
    let (report, reported) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new()
        .name(format!("rauta-worker-{number}"))
        .spawn({
            let totals = Arc::clone(&totals);
            move || {
                let runtime = Builder::new_current_thread()
                    .enable_all()
                    .build_local(LocalOptions::default());
                let (runtime, result) = match runtime {
                    Ok(runtime) => (Some(runtime), Ok(())),
                    Err(error) => (None, Err(error)),
                };
                // The receiver waits for exactly this.
                let _heard = report.send(result);
                if let Some(runtime) = runtime {
                    let worker = Rc::new(Worker::new(number, config, publisher, totals));
                    runtime.block_on(run(worker, inbox, drain));
                }
                drop(end);
            }
        })?;
    reported.recv().map_err(io::Error::other)??;
    Ok(Started {
        messages,
        thread,
        totals,
        ended,
    })
}

/// The worker's life, until it is stopped or drained.
async fn run(worker: Rc<Worker>, mut inbox: mpsc::Receiver<Message>, drain: DrainWatch) {
    spawn_local(tick(Rc::clone(&worker)));
    let mut sockets = Sockets {
        worker: Rc::clone(&worker),
        closing: HashMap::new(),
    };
    let mut drain_heard = false;
    loop {
        let message = tokio::select! {
            message = inbox.recv() => message.unwrap_or(Message::Stop),
            mode = drain.signaled(), if !drain_heard => {
                drain_heard = true;
                if mode == Mode::Immediate { Message::Stop } else { Message::Drain }
            }
            () = drain.immediate() => Message::Stop,
            () = worker.all_closed.notified() => {
                if sockets.is_empty() { return }
                continue;
            }
        };
        match message {
            Message::Swap {
                routing,
                sockets: new,
                closing,
                done,
            } => {
                worker.swap(routing);
                let failed = sockets.open(new);
                sockets.close(&closing);
                // The control side may have given up waiting; the swap stands all the same.
                let _unheard = done.send(failed);
            }
            Message::Drain => {
                worker.drain();
                sockets.close_all();
            }
            Message::Stop => return,
        }
    }
}

/// Ten times a second: deadlines, progress of open exchanges, unused upstream connections.
async fn tick(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let now = worker.read_clocks();
        worker
            .watch
            .tick(now, |event| worker.publisher.publish(event));
        worker.pool.tick(worker.now_ms(), &worker.config.limits);
        worker.http2.sweep(worker.now_ms(), &worker.config.limits);
        worker.retries.tick();
    }
}

/// The sockets a worker accepts from.
struct Sockets {
    worker: Rc<Worker>,
    closing: HashMap<PortNumber, Rc<Notify>>,
}

impl Sockets {
    fn is_empty(&self) -> bool {
        self.closing
            .values()
            .all(|closing| Rc::strong_count(closing) == 1)
    }

    fn open(
        &mut self,
        sockets: Vec<(PortNumber, std::net::TcpListener)>,
    ) -> Vec<(PortNumber, String)> {
        let mut failed = Vec::new();
        for (number, socket) in sockets {
            match TcpListener::from_std(socket) {
                Ok(listener) => {
                    let closing = Rc::new(Notify::new());
                    self.closing.insert(number, Rc::clone(&closing));
                    spawn_local(accept(Rc::clone(&self.worker), number, listener, closing));
                }
                Err(error) => failed.push((number, error.to_string())),
            }
        }
        failed
    }

    fn close(&mut self, numbers: &[PortNumber]) {
        for closing in numbers
            .iter()
            .filter_map(|number| self.closing.remove(number))
        {
            closing.notify_one();
        }
    }

    fn close_all(&mut self) {
        for closing in self.closing.values() {
            closing.notify_one();
        }
    }
}

/// Accepts from one socket until it is told to close; then takes what still waits in its queue,
/// for the kernel would reset those connections.
async fn accept(
    worker: Rc<Worker>,
    number: PortNumber,
    listener: TcpListener,
    closing: Rc<Notify>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.notified() => break,
        };
        match accepted {
            Ok((tcp, peer)) => admit(&worker, number, tcp, peer),
            Err(error) if is_exhausted(&error) => {
                worker.totals.accept_pauses.add(1);
                tracing::warn!(%error, "accepting pauses: out of file descriptors or memory");
                tokio::time::sleep(TICK).await;
            }
            // The connection was gone before it was accepted: its own affair.
            Err(_) => {}
        }
    }
    if let Err(error) = listener::refuse_new(&listener) {
        tracing::warn!(%error, "a closing socket still takes handshakes; some may be reset");
    }
    // Handshakes that had begun end within a round trip.
    let ended = tokio::time::sleep(TICK);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            biased;
            accepted = listener.accept() => {
                if let Ok((tcp, peer)) = accepted {
                    admit(&worker, number, tcp, peer);
                }
            }
            () = &mut ended => break,
        }
    }
    drop((listener, closing));
    if worker.is_draining() && worker.open.get() == 0 {
        worker.all_closed.notify_one();
    }
}

fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn admit(worker: &Rc<Worker>, number: PortNumber, tcp: TcpStream, peer: SocketAddr) {
    worker.totals.accepted.add(1);
    let id = worker.next_connection();
    let local = tcp.local_addr().map_or(Address::UNKNOWN, Address::from);
    let addresses = FourTuple {
        source: peer.into(),
        destination: local,
    };
    let Some(admitted) = worker.admit() else {
        worker.totals.refused_connections.add(1);
        worker.publisher.publish(Event::Connection(ConnectionEvent {
            connection: id,
            wall_ns: rauta_core::clock::now().wall_ns,
            downstream: addresses,
            listener: ListenerId::NONE,
            requests: 0,
            reason: ConnectionReason::Refused,
        }));
        return;
    };
    // Heads and small bodies leave in one write already; waiting for more would only delay.
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    let worker = Rc::clone(worker);
    spawn_local(async move {
        connection::serve(&worker, number, tcp, id, addresses).await;
        drop(admitted);
    });
}
