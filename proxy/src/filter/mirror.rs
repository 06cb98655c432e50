//! RequestMirror: a copy of the request goes to another backend, whose response is thrown away.
//!
//! The copy is a task of its own with a queue of its own, filled as the client's body is read. A
//! mirror that is slow, or gone, loses its copy; the request itself never waits for one. Copies are
//! no exchanges: they make no events, only counts.

use crate::body::Frame;
use crate::upstream::{self, Outgoing, Upstream};
use crate::worker::{Routing, Worker};
use http::header::{EXPECT, UPGRADE};
use rauta_http1::BodyLength;
use rauta_routing::{Affinity, Backend, EndpointChoice, Mirror, client_ip_hash};
use rauta_schemas::{Address, BackendId};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::task::spawn_local;

/// The queues of a request's copies.
pub(crate) type Copies = SmallVec<[Copy; 1]>;

/// Starts the copies of `request` that `mirrors` ask for.
pub(crate) fn start(
    worker: &Rc<Worker>,
    routing: &Routing,
    mirrors: &[&Mirror],
    request: &Outgoing,
    client: Address,
) -> Copies {
    let mut copies = Copies::new();
    for mirror in mirrors {
        let chance = worker.random.borrow_mut().u32(..mirror.denominator.max(1));
        if chance >= mirror.numerator || request.is_upgrade {
            continue;
        }
        let name = mirror.backend.as_ref();
        let id = name.map(|name| BackendId::from(name.number()));
        let Some(backend) = id.and_then(|id| routing.snapshot.backends.get(&id)) else {
            continue;
        };
        if worker.mirrors.get() >= worker.config.limits.mirrors_per_worker {
            worker.totals.mirrors_dropped.add(1);
            continue;
        }
        let queue = Rc::new(Queue {
            room: Cell::new(worker.config.limits.replay_bytes),
            ..Queue::default()
        });
        if request.body == BodyLength::Empty {
            queue.state.set(State::Ended);
        }
        let task = Task {
            worker: Rc::clone(worker),
            backend: Arc::clone(backend),
            queue: Rc::clone(&queue),
            client,
        };
        worker.mirrors.set(worker.mirrors.get() + 1);
        spawn_local(task.run(request.clone()));
        copies.push(Copy { queue });
    }
    copies
}

/// A copy's queue, as the request fills it. Dropped before its end, the copy is broken off.
pub(crate) struct Copy {
    queue: Rc<Queue>,
}

impl Copy {
    /// Takes in a piece of the body. Where the mirror is too slow for the room, it loses its copy.
    pub(crate) fn push(&self, frame: &Frame) {
        let room = self.queue.room.get().checked_sub(frame.len());
        match room.filter(|_| self.queue.state.get() == State::Open) {
            Some(room) => {
                self.queue.room.set(room);
                self.queue.frames.borrow_mut().push_back(frame.clone());
                self.queue.wake();
            }
            None => self.queue.set(State::Broken),
        }
    }

    /// The body is complete.
    pub(crate) fn end(&self) {
        if self.queue.state.get() == State::Open {
            self.queue.set(State::Ended);
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.queue.state.get() == State::Open {
            self.queue.set(State::Broken);
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Ended,
    Broken,
}

#[derive(Default)]
struct Queue {
    frames: RefCell<VecDeque<Frame>>,
    room: Cell<usize>,
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
}

impl Queue {
    fn set(&self, state: State) {
        self.state.set(state);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// The next piece; `None` at the end; an error where the copy is broken off.
    fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, Lost>> {
        if self.state.get() == State::Broken {
            return Poll::Ready(Err(Lost));
        }
        if let Some(frame) = self.frames.borrow_mut().pop_front() {
            self.room.set(self.room.get() + frame.len());
            return Poll::Ready(Ok(Some(frame)));
        }
        if self.state.get() == State::Ended {
            return Poll::Ready(Ok(None));
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// The copy did not reach its mirror; nobody is told why, it is only counted.
struct Lost;

impl From<crate::error::ProxyError> for Lost {
    fn from(_: crate::error::ProxyError) -> Self {
        Self
    }
}

struct Task {
    worker: Rc<Worker>,
    backend: Arc<Backend>,
    queue: Rc<Queue>,
    client: Address,
}

impl Task {
    async fn run(self, mut request: Outgoing) {
        request.headers.remove(&EXPECT);
        request.headers.remove(&UPGRADE);
        let totals = &self.worker.totals;
        match self.send(&request).await {
            Ok(()) => totals.mirrored.add(1),
            Err(Lost) => totals.mirrors_dropped.add(1),
        }
        self.queue.set(State::Broken);
    }

    async fn send(&self, request: &Outgoing) -> Result<(), Lost> {
        let worker = &self.worker;
        let watched = worker.watch.enter();
        poll_fn(|cx| {
            watched.set_waker(cx.waker());
            Poll::Ready(())
        })
        .await;
        let random = worker.random.borrow_mut().u64(..);
        let client_ip_hash = match self.backend.affinity {
            Affinity::None => 0,
            Affinity::ClientIp => client_ip_hash(self.client.ip()),
        };
        let random = [random, random.rotate_left(32)];
        let choice = EndpointChoice {
            client_ip_hash,
            tried: &[],
            now_ms: worker.now_ms(),
            random,
        };
        let picked = worker
            .balancer
            .borrow()
            .pick_endpoint(&self.backend, &choice)
            .cloned();
        let endpoint = picked.ok_or(Lost)?;
        let mut upstream = match upstream::at_hand(worker, &self.backend, &endpoint) {
            Some(upstream) => upstream,
            None => upstream::acquire(worker, &watched, &self.backend, &endpoint).await?,
        };
        upstream.start(worker, request);
        watched.arm(worker.deadline(worker.config.limits.response_head));
        let (mut is_passed, mut has_head) = (false, false);
        poll_fn(|cx| {
            if watched.is_expired() {
                return Poll::Ready(Err(Lost));
            }
            if !is_passed && let Poll::Ready(passed) = self.poll_pass(cx, &mut upstream) {
                passed?;
                is_passed = true;
            }
            self.poll_answer(cx, &mut upstream, &mut has_head)
        })
        .await?;
        if is_passed {
            upstream.release(worker);
        }
        Ok(())
    }

    fn poll_pass(&self, cx: &mut Context<'_>, upstream: &mut Upstream) -> Poll<Result<(), Lost>> {
        let worker = &self.worker;
        loop {
            ready!(upstream.poll_ready(cx, worker))?;
            match self.queue.poll_frame(cx)? {
                Poll::Ready(Some(frame)) => upstream.send(worker, frame)?,
                Poll::Ready(None) => {
                    upstream.finish(worker)?;
                    return upstream.poll_flush(cx, worker).map_err(Lost::from);
                }
                Poll::Pending => {
                    ready!(upstream.poll_flush(cx, worker))?;
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_answer(
        &self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        has_head: &mut bool,
    ) -> Poll<Result<(), Lost>> {
        while !*has_head {
            *has_head = !ready!(upstream.poll_head(cx, &self.worker))?
                .status
                .is_informational();
        }
        while ready!(upstream.poll_body(cx, &self.worker))?.is_some() {}
        Poll::Ready(Ok(()))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.worker.mirrors.set(self.worker.mirrors.get() - 1);
    }
}
