//! The life of one request. Start reading here.
//!
//! ```text
//! listener by host ► route ► request filters ► backend ► endpoint ► forward ► response filters
//!        └────────────┴────────────┴──────────────┴─────────┴─────────┴──► respond
//! ```
//!
//! Every step is a call into the file of its name. The snapshot is read once and let go of as soon
//! as the response's head is on its way, so that long streams pin nothing. What happened is kept by
//! the [`Exchange`], which publishes it however the request ends.

use crate::connection::{Client, Downstream, HeadFault};
use crate::error::ProxyError;
use crate::fields::NewTrace;
use crate::filter::{self, Later, Received, mirror};
use crate::forward::{self, Sides};
use crate::record::{Exchange, Opening, Step};
use crate::respond::{self, Asked};
use crate::timeout::Timers;
use crate::upstream::{self, Outgoing, Sending, Sent, Upstream};
use crate::worker::{Routing, Worker};
use crate::{fields, tunnel};
use http::header::USER_AGENT;
use http::{HeaderName, StatusCode, Version};
use rauta_core::clock::Now;
use rauta_http1::{Headers, Request};
use rauta_routing::{
    Backend, BackendTarget, Listener, Matched, Port, RequestView, Rule, WeightedBackend,
};
use rauta_schemas::{BackendId, HttpVersion, ListenerId, Outcome};
use std::pin::pin;
use std::rc::Rc;

/// A request's head as it came in, or what is wrong with it.
pub(crate) type Head = Result<Request, HeadFault>;

/// Serves one request to its end. Never fails: whatever goes wrong becomes an answer, or the end of
/// the connection, and an event.
pub(crate) async fn handle(
    worker: &Rc<Worker>,
    client: &mut Client,
    downstream: &mut Downstream,
    start: Now,
    mut head: Head,
) {
    let routing = worker.routing();
    let place = head
        .as_ref()
        .ok()
        .and_then(|request| place(&routing, client, request));
    let opening = opening(client, start, &head, place.as_ref());
    let exchange = Exchange::open(worker, downstream.watched(), &opening, head.as_ref().ok());
    let asked = head.as_ref().map_or(Asked::default(), |request| {
        Asked::new(&request.method, &request.headers)
    });
    let parties = Parties {
        worker,
        exchange: &exchange,
    };
    // Pinned where they are made, here and below: awaited by value, such states would be copied at
    // each level.
    let begun = match &mut head {
        Ok(request) => pin!(begin(&parties, client, downstream, request, place)).await,
        Err(fault) => Err((*fault).into()),
    };
    // What the head holds of the client's read buffer is wanted whole again.
    drop(head);
    drop(routing);
    let result = match begun {
        Ok(begun) => pin!(complete(&parties, downstream, begun)).await,
        Err(error) => Err(error),
    };
    pin!(conclude(&parties, downstream, result, &asked)).await;
}

/// From the listener to the response's head.
async fn begin(
    parties: &Parties<'_>,
    client: &mut Client,
    downstream: &mut Downstream,
    request: &mut Request,
    place: Option<Place<'_>>,
) -> Result<Begun, ProxyError> {
    let Parties { worker, exchange } = *parties;
    let place = place.ok_or(ProxyError::NoRoute)?;
    if client
        .listener
        .is_some_and(|by_sni| by_sni != place.listener.id())
    {
        return Err(ProxyError::Misdirected);
    }
    if worker.is_overloaded() {
        worker.totals.refused_requests.add(1);
        return Err(ProxyError::Overload);
    }
    let Matched { rule, prefix_len } = route(place.listener, request).ok_or(ProxyError::NoRoute)?;
    exchange.matched(rule);

    let mut outgoing = outgoing(parties, client, (place.port, rule), request)?;
    let received = received(client, place.port, request, prefix_len);
    let mut later = Later::default();
    if let Some(answer) = filter::on_request(&rule.filters, &received, &mut outgoing, &mut later) {
        respond::answer(worker, downstream, exchange, answer)?;
        return Ok(Begun::Answered);
    }
    let (share, backend) = choose_backend(worker, rule, place.routing)?;
    exchange.chose_backend(backend);
    if let Some(answer) = filter::on_request(&share.filters, &received, &mut outgoing, &mut later) {
        respond::answer(worker, downstream, exchange, answer)?;
        return Ok(Begun::Answered);
    }

    let mut timers = Timers::new(&rule.timeouts);
    let copies = mirror::start(
        worker,
        place.routing,
        &later.mirrors,
        &outgoing,
        client.addresses.source,
    );
    let sending = Sending {
        worker,
        exchange,
        rule,
        backend,
        client: client.addresses.source,
    };
    let mut sent = pin!(upstream::send(
        &sending,
        downstream,
        &mut timers,
        &outgoing,
        copies,
    ))
    .await?;

    let response = &mut sent.answered.response;
    if !response.status.is_informational() {
        worker.stamp(&mut response.headers);
    }
    filter::on_response(
        [&rule.filters, &share.filters],
        &later,
        &mut response.headers,
    );
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Begun::Switched(Box::new(sent)));
    }
    respond::start(downstream, exchange, response);
    // Its values share the upstream's read buffer, which is wanted whole again.
    response.headers.clear();
    Ok(Begun::Forwarded(Box::new(sent), timers))
}

/// From the response's head to its last byte.
async fn complete(
    parties: &Parties<'_>,
    downstream: &mut Downstream,
    begun: Begun,
) -> Result<End, ProxyError> {
    let Parties { worker, exchange } = *parties;
    match begun {
        Begun::Answered => {
            respond::flush(worker, downstream).await?;
            Ok(End::Answered)
        }
        Begun::Forwarded(mut sent, mut timers) => {
            let upstream = &mut sent.answered.upstream;
            let mut sides = Sides {
                exchange,
                downstream,
                upstream,
            };
            timers
                .race(pin!(forward::bodies(worker, &mut sides, &mut sent.body)))
                .await?;
            sent.answered.upstream.release(worker);
            Ok(End::Completed)
        }
        Begun::Switched(mut sent) => {
            // Only HTTP/1 switches protocols, and only where it was asked to.
            let (Downstream::Http1(client), Upstream::Http1(backend)) =
                (downstream, &mut sent.answered.upstream)
            else {
                return Err(ProxyError::UnaskedUpgrade);
            };
            let headers = &sent.answered.response.headers;
            Box::pin(tunnel::run(worker, exchange, (client, headers), backend)).await?;
            Ok(End::Tunnelled)
        }
    }
}

/// Says how the exchange ended: to the client, where it can still be told, and to the record.
async fn conclude(
    parties: &Parties<'_>,
    downstream: &mut Downstream,
    result: Result<End, ProxyError>,
    asked: &Asked,
) {
    let Parties { worker, exchange } = *parties;
    let error = match result {
        Ok(End::Answered) => return exchange.answered_by_filter(),
        Ok(End::Completed) => return exchange.ends(Outcome::Completed),
        Ok(End::Tunnelled) => return exchange.ends(Outcome::Tunnelled),
        Err(error) => error,
    };
    let is_begun = downstream.has_begun();
    if is_begun || matches!(error, ProxyError::ClientClosed | ProxyError::ClientStalled) {
        downstream.abort();
        return exchange.fails(error, false, is_begun);
    }
    downstream.take_back();
    exchange.takes_back();
    let answered = respond::error(worker, downstream, exchange, error, asked);
    let is_answered = answered.is_ok() && respond::flush(worker, downstream).await.is_ok();
    exchange.fails(error, is_answered, false);
}

/// Those that every step needs.
struct Parties<'a> {
    worker: &'a Rc<Worker>,
    exchange: &'a Exchange,
}

/// Where a request came in.
struct Place<'a> {
    routing: &'a Routing,
    port: &'a Port,
    listener: &'a Listener,
}

/// A response whose head is on its way.
enum Begun {
    /// The backend's.
    Forwarded(Box<Sent>, Timers),
    /// The backend switched protocols.
    Switched(Box<Sent>),
    /// A filter's, complete.
    Answered,
}

/// How a request ended well.
enum End {
    Answered,
    Completed,
    Tunnelled,
}

fn place<'a>(routing: &'a Routing, client: &Client, request: &Request) -> Option<Place<'a>> {
    let port = routing.port(client.port)?;
    let listener = port.listener_for_host(request.authority.host())?;
    Some(Place {
        routing,
        port,
        listener,
    })
}

fn opening(client: &Client, start: Now, head: &Head, place: Option<&Place<'_>>) -> Opening {
    let version = match head.as_ref().map(|request| request.version) {
        Ok(Version::HTTP_2) => HttpVersion::Http2,
        Ok(Version::HTTP_10) => HttpVersion::Http10,
        Ok(_) | Err(_) => HttpVersion::Http11,
    };
    let is_probe = client.is_trusted
        && head.as_ref().is_ok_and(|request| {
            let agent = request.headers.get(&USER_AGENT);
            agent.is_some_and(|agent| agent.starts_with(b"kube-probe/"))
        });
    Opening {
        id: client.next_exchange(),
        start,
        downstream: client.addresses,
        version,
        listener: place.map_or(ListenerId::NONE, |place| place.listener.id()),
        is_probe,
        is_tls: client.is_tls,
    }
}

fn route<'a>(listener: &'a Listener, request: &Request) -> Option<Matched<'a>> {
    listener.routes.find(&RequestView {
        method: &request.method,
        host: request.authority.host(),
        path: request.target.path(),
        query: request.target.query(),
        headers: &Listed(&request.headers),
    })
}

/// A request's fields, as routing asks for them.
#[derive(Debug)]
struct Listed<'a>(&'a Headers);

impl rauta_routing::Fields for Listed<'_> {
    fn visit<'a>(&'a self, look: &mut dyn FnMut(&'a HeaderName, &'a [u8])) {
        self.0.iter().for_each(|(name, value)| look(name, value));
    }
}

/// The request as it will leave, before filters. Takes the fields out of `request`.
fn outgoing(
    parties: &Parties<'_>,
    client: &mut Client,
    (port, rule): (&Port, &Rule),
    request: &mut Request,
) -> Result<Outgoing, ProxyError> {
    let Parties { worker, exchange } = *parties;
    let mut random = worker.random.borrow_mut();
    let new_trace = NewTrace {
        per_million: worker.config.tracing.per_million(rule.name.name()),
        random: &mut random,
    };
    let trace = fields::prepare(request, client, port.public_port, new_trace)
        .map_err(ProxyError::BadRequest)?;
    exchange.reached(Step::HeadRead);
    exchange.traced(trace);
    exchange.detailed(request, client.addresses.source);
    Ok(Outgoing {
        method: request.method.clone(),
        target: request.target.as_uri().clone(),
        authority: request.authority.as_uri().clone(),
        headers: std::mem::take(&mut request.headers),
        body: request.body,
        is_upgrade: request.upgrade.is_some(),
    })
}

fn received<'a>(
    client: &Client,
    port: &Port,
    request: &'a Request,
    prefix_len: usize,
) -> Received<'a> {
    Received {
        scheme: if client.is_tls { "https" } else { "http" },
        host: request.authority.host(),
        port: port.public_port,
        path: request.target.path(),
        query: request.target.query(),
        prefix_len,
    }
}

/// The rule's share for this request, and its backend.
fn choose_backend<'a>(
    worker: &Worker,
    rule: &'a Rule,
    routing: &'a Routing,
) -> Result<(&'a WeightedBackend, &'a Backend), ProxyError> {
    let chosen = worker.balancer.borrow_mut().pick_backend(rule);
    let share = chosen
        .and_then(|at| rule.backends.get(at))
        .ok_or(ProxyError::InvalidBackend)?;
    let BackendTarget::Backend(name) = &share.target else {
        return Err(ProxyError::InvalidBackend);
    };
    let backend = routing
        .snapshot
        .backends
        .get(&BackendId::from(name.number()));
    Ok((share, backend.ok_or(ProxyError::NoEndpoint)?))
}

impl From<HeadFault> for ProxyError {
    fn from(fault: HeadFault) -> Self {
        match fault {
            HeadFault::Refused(error) => Self::BadRequest(error),
            HeadFault::TooSlow => Self::ClientTimeout,
        }
    }
}
