//! One attempt after the other, until a response's head is there or the failure stands: choose an
//! endpoint, take or make a connection, send the request.

use super::connect::{acquire, at_hand};
use super::{Outgoing, Response, Upstream};
use crate::connection::Downstream;
use crate::error::ProxyError;
use crate::fields;
use crate::filter::mirror::Copies;
use crate::forward::{self, RequestBody, Sides};
use crate::record::{Exchange, Step};
use crate::retry::{Attempts, Next};
use crate::timeout::Timers;
use crate::worker::Worker;
use rauta_core::clock;
use rauta_routing::{Affinity, Backend, Endpoint, EndpointChoice, Rule, client_ip_hash};
use rauta_schemas::{Address, AttemptOutcome, EndpointId, RouteKind};
use smallvec::SmallVec;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// A request that reached a backend, which has answered.
pub(crate) struct Sent {
    pub(crate) answered: Answered,
    /// What is left of the request's body.
    pub(crate) body: RequestBody,
}

/// The connection that a response's head came on.
pub(crate) struct Answered {
    pub(crate) upstream: Upstream,
    pub(crate) response: Response,
    first_byte_ns: u64,
    /// Counts as open at its endpoint until the exchange is over.
    _open: Open,
}

/// What one request brings to all of its attempts.
pub(crate) struct Sending<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) exchange: &'a Exchange,
    pub(crate) rule: &'a Rule,
    pub(crate) backend: &'a Backend,
    pub(crate) client: Address,
}

/// An open request at an endpoint, as the balancer counts it.
pub(crate) struct Open {
    worker: Rc<Worker>,
    endpoint: EndpointId,
}

impl Open {
    fn new(worker: &Rc<Worker>, endpoint: EndpointId) -> Self {
        worker.balancer.borrow_mut().open(endpoint);
        Self {
            worker: Rc::clone(worker),
            endpoint,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.worker.balancer.borrow_mut().close(self.endpoint);
    }
}

/// Sends `request` until a backend has answered it.
pub(crate) async fn send(
    sending: &Sending<'_>,
    downstream: &mut Downstream,
    timers: &mut Timers,
    request: &Outgoing,
    copies: Copies,
) -> Result<Sent, ProxyError> {
    let worker = sending.worker;
    let retry = sending.rule.retry.as_ref();
    let mut again: Option<Box<Outgoing>> = None;
    let mut body = RequestBody::new(retry.map(|_| worker.config.limits.replay_bytes), copies);
    let mut tried: SmallVec<[EndpointId; 4]> = SmallVec::new();
    let mut made = 0;
    worker.retries.earn(worker.config.limits.retry_percent);
    loop {
        let endpoint = choose(sending, &tried)?;
        made += 1;
        let began_ns = clock::monotonic_ns();
        sending.exchange.chose_endpoint(endpoint, began_ns);
        timers.begin_attempt();
        let outgoing = again.as_deref().unwrap_or(request);
        let to = (endpoint, &mut body, began_ns);
        let result = pin!(attempt(sending, downstream, timers, outgoing, to)).await;
        let attempts = Attempts {
            retry,
            method: &request.method,
            body: request.body,
            is_replayable: body.is_replayable(),
            made,
        };
        let (mut next, mut outcome) = match &result {
            Ok(Answered { response, .. }) => match attempts.after_status(response.status) {
                Next::GiveUp => (Next::GiveUp, AttemptOutcome::Responded),
                next => (next, AttemptOutcome::RetriedStatus),
            },
            Err(error) => (attempts.after(*error), error.attempt()),
        };
        if next == Next::Retry && !worker.retries.spend() {
            worker.totals.retries_denied.add(1);
            next = Next::GiveUp;
            outcome = result
                .as_ref()
                .map_or(outcome, |_| AttemptOutcome::Responded);
        }
        let (ended_ns, status) = match &result {
            Ok(answered) => (answered.first_byte_ns, Some(answered.response.status)),
            Err(_) => (clock::monotonic_ns(), None),
        };
        let took_ns = ended_ns.saturating_sub(began_ns);
        sending.exchange.attempted(outcome, status, took_ns);
        if next == Next::GiveUp {
            return result.map(|answered| Sent { answered, body });
        }
        drop(result);
        worker.totals.retries.add(1);
        body.rewind();
        let outgoing = again.get_or_insert_with(|| Box::new(request.clone()));
        fields::set_attempt(&mut outgoing.headers, sending.exchange, made);
        if next == Next::Replay {
            // Its other unused connections are as old: most likely as dead.
            worker.pool.forget(endpoint.address);
            continue;
        }
        tried.push(endpoint.id());
        let random = worker.random.borrow_mut().f64();
        if let Some(backoff) = attempts.backoff(random) {
            pause(timers, backoff).await?;
        }
    }
}

/// Waits before the next attempt, within the request's limits.
async fn pause(timers: &mut Timers, backoff: Duration) -> Result<(), ProxyError> {
    let waiting = async {
        tokio::time::sleep(backoff).await;
        Ok(())
    };
    timers.race(pin!(waiting)).await
}

/// The endpoint for the next attempt, one that was not tried if there is one.
fn choose<'a>(sending: &Sending<'a>, tried: &[EndpointId]) -> Result<&'a Endpoint, ProxyError> {
    let worker = sending.worker;
    let random = {
        let mut random = worker.random.borrow_mut();
        [random.u64(..), random.u64(..)]
    };
    let client_ip_hash = match sending.backend.affinity {
        Affinity::None => 0,
        Affinity::ClientIp => client_ip_hash(sending.client.ip()),
    };
    let choice = EndpointChoice {
        client_ip_hash,
        tried,
        now_ms: worker.now_ms(),
        random,
    };
    let picked = worker
        .balancer
        .borrow()
        .pick_endpoint(sending.backend, &choice);
    picked
        .map(|endpoint| &**endpoint)
        .ok_or(ProxyError::NoEndpoint)
}

async fn attempt(
    sending: &Sending<'_>,
    downstream: &mut Downstream,
    timers: &mut Timers,
    request: &Outgoing,
    (endpoint, body, began_ns): (&Endpoint, &mut RequestBody, u64),
) -> Result<Answered, ProxyError> {
    let Sending {
        worker, exchange, ..
    } = sending;
    let open = Open::new(worker, endpoint.id());
    let (mut upstream, connected_ns) = match at_hand(worker, sending.backend, endpoint) {
        Some(upstream) => (upstream, began_ns),
        None => {
            let watched = Rc::clone(downstream.watched());
            // Boxed, so that requests which find a connection do not carry a handshake's state.
            let mut connecting = Box::pin(acquire(worker, &watched, sending.backend, endpoint));
            let upstream = timers.race(connecting.as_mut()).await?;
            (upstream, clock::monotonic_ns())
        }
    };
    upstream.start(worker, request);
    exchange.connected(&upstream, connected_ns);
    // Streams that the client feeds, and rules with limits of their own, know better.
    let is_patient = sending.rule.kind == RouteKind::Grpc || timers.are_set();
    let mut sides = Sides {
        exchange,
        downstream,
        upstream: &mut upstream,
    };
    let response = timers
        .race(pin!(forward::head(
            worker,
            &mut sides,
            body,
            is_patient,
            request.is_upgrade,
        )))
        .await?;
    let first_byte_ns = exchange.reached(Step::FirstByte);
    Ok(Answered {
        upstream,
        response,
        first_byte_ns,
        _open: open,
    })
}
