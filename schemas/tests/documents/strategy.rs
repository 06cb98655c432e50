//! Events at random, and the names that they refer to.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rauta_schemas::{
    Address, AnomalyKind, Attempt, AttemptOutcome, BackendId, BackendName, Baseline,
    ConnectionEvent, ConnectionId, ConnectionReason, EndpointEvent, EndpointId, EndpointName,
    EndpointTransition, ExchangeId, FourTuple, HttpDetail, HttpMethod, HttpProgressEvent,
    HttpRequestEvent, HttpResponseEvent, HttpVersion, Identity, InlineText, ListenerId,
    ListenerName, Named, Names, Observed, ObserverEvent, Outcome, Phase, Reason, RouteKind, RuleId,
    RuleName, SAMPLES_MAX, SampleExchange, Severity, Side, Source, Subject, Timings, TraceContext,
    Ulid, Unit,
};

/// One name of each kind, and the handles that keep them.
pub(crate) struct Known {
    pub(crate) names: Names,
    pub(crate) subject: Subject,
    pub(crate) identity: Identity,
    _kept: (
        Named<ListenerName>,
        Named<RuleName>,
        Named<BackendName>,
        Named<EndpointName>,
    ),
}

pub(crate) fn known() -> Known {
    let names = Names::default();
    let listener = names.listeners.intern(ListenerName {
        namespace: "infra".to_owned(),
        gateway: "public".to_owned(),
        listener: "https".to_owned(),
        port: 443,
    });
    let rule = names.rules.intern(RuleName {
        kind: RouteKind::Http,
        namespace: "shop".to_owned(),
        route: "cart".to_owned(),
        rule: "0".to_owned(),
        template: "/cart/{id}".to_owned(),
    });
    let backend = names.backends.intern(BackendName {
        namespace: "shop".to_owned(),
        service: "cart".to_owned(),
        port: 80,
    });
    let identity = Identity {
        listener: ListenerId::from(listener.number()),
        rule: RuleId::from(rule.number()),
        backend: BackendId::from(backend.number()),
        endpoint: EndpointId::from(1),
    };
    let endpoint = names.endpoints.intern(EndpointName {
        address: "10.0.0.2:8080".to_owned(),
        pod: "shop/cart-1".to_owned(),
        node: "n1".to_owned(),
        backend: identity.backend,
    });
    let subject = Subject {
        listener: Some(Arc::clone(listener.name())),
        rule: Some(Arc::clone(rule.name())),
        backend: Some(Arc::clone(backend.name())),
        endpoint: Some(Arc::clone(endpoint.name())),
        method: Some(HttpMethod::Get),
    };
    Known {
        names,
        subject,
        identity,
        _kept: (listener, rule, backend, endpoint),
    }
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![
        Just(Address::UNKNOWN),
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(
            Ipv4Addr::from(ip).into(),
            port
        )
        .into()),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(
            Ipv6Addr::from(ip).into(),
            port
        )
        .into()),
    ]
}

fn tuple() -> impl Strategy<Value = FourTuple> {
    (address(), address()).prop_map(|(source, destination)| FourTuple {
        source,
        destination,
    })
}

fn exchange() -> impl Strategy<Value = ExchangeId> {
    (any::<u16>(), any::<u64>(), any::<u32>()).prop_map(|(thread, count, ordinal)| ExchangeId {
        connection: ConnectionId::new(thread, count),
        ordinal,
    })
}

fn trace() -> impl Strategy<Value = TraceContext> {
    let some = (any::<[u8; 16]>(), any::<[u8; 8]>(), any::<u8>());
    let some = some.prop_map(|(trace_id, span_id, flags)| TraceContext {
        trace_id,
        span_id,
        parent_id: [flags; 8],
        flags,
    });
    prop_oneof![Just(TraceContext::default()), some]
}

fn timings() -> impl Strategy<Value = Timings> {
    any::<[u32; 5]>().prop_map(|steps| Timings {
        head_read_us: steps[0],
        upstream_chosen_us: steps[1],
        connected_us: steps[2],
        sent_us: Timings::UNSET,
        first_byte_us: steps[4],
    })
}

fn method() -> impl Strategy<Value = HttpMethod> {
    select(vec![HttpMethod::Get, HttpMethod::Patch, HttpMethod::Other])
}

fn version() -> impl Strategy<Value = HttpVersion> {
    select(vec![
        HttpVersion::Unknown,
        HttpVersion::Http10,
        HttpVersion::Http11,
        HttpVersion::Http2,
    ])
}

fn attempt_outcome() -> impl Strategy<Value = AttemptOutcome> {
    select(AttemptOutcome::ALL)
}

fn identity() -> impl Strategy<Value = Identity> {
    prop_oneof![Just(Identity::default()), Just(known().identity)]
}

fn detail() -> impl Strategy<Value = Option<Box<HttpDetail>>> {
    let attempt =
        (any::<u32>(), attempt_outcome(), 0..3_u32).prop_map(|(duration_us, outcome, id)| {
            Attempt {
                endpoint: EndpointId::from(id),
                start_us: duration_us / 2,
                duration_us,
                outcome,
                status: 0,
            }
        });
    let texts = ("(/.{0,60}(\\?.{0,20})?)?", ".{0,30}", ".{0,30}", ".{0,20}");
    let some = (texts, address(), vec(attempt, 0..4));
    let some = some.prop_map(
        |((path, authority, user_agent, request_id), client, attempts)| {
            Box::new(HttpDetail {
                path,
                authority,
                user_agent,
                request_id,
                client,
                attempts,
            })
        },
    );
    option::of(some)
}

pub(crate) fn request() -> impl Strategy<Value = HttpRequestEvent> {
    let plain = (exchange(), any::<[u64; 2]>(), tuple(), any::<bool>());
    (plain, ".{0,60}", ".{0,30}", detail(), method(), version()).prop_map(
        |((exchange, times, downstream, flag), path, authority, detail, method, version)| {
            HttpRequestEvent {
                exchange,
                wall_ns: times[0],
                start_ns: times[1],
                downstream,
                path: InlineText::new(&path),
                authority: InlineText::new(&authority),
                detail,
                listener: ListenerId::from(u32::from(flag)),
                method,
                version,
                source: if flag {
                    Source::Proxy
                } else {
                    Source::Observer
                },
                is_probe: flag,
            }
        },
    )
}

pub(crate) fn response() -> impl Strategy<Value = HttpResponseEvent> {
    let ids = (exchange(), trace(), tuple(), identity());
    let steps = (any::<[u64; 5]>(), timings(), any::<[bool; 2]>());
    let attempts = (attempt_outcome(), attempt_outcome(), any::<u8>());
    let how = (select(Outcome::ALL), select(Side::ALL), select(Reason::ALL));
    let answer = (any::<u16>(), option::of(any::<u8>()), detail());
    let spoken = (method(), version(), version());
    (ids, steps, attempts, how, answer, spoken).prop_map(
        |(ids, (numbers, timings, flags), attempts, how, answer, spoken)| HttpResponseEvent {
            exchange: ids.0,
            wall_ns: numbers[0],
            start_ns: numbers[1],
            last_byte_ns: numbers[2],
            timings,
            request_bytes: numbers[3],
            response_bytes: numbers[4],
            trace: ids.1,
            upstream: ids.2,
            identity: ids.3,
            detail: answer.2,
            status: answer.0,
            grpc_status: answer.1,
            attempts_count: attempts.2,
            attempts: [attempts.0, attempts.1],
            method: spoken.0,
            downstream_version: spoken.1,
            upstream_version: spoken.2,
            outcome: how.0,
            side: how.1,
            reason: how.2,
            source: Source::Proxy,
            is_probe: flags[0],
            is_streaming: flags[1],
            is_tls: flags[0],
            is_upstream_tls: flags[1],
        },
    )
}

pub(crate) fn progress() -> impl Strategy<Value = HttpProgressEvent> {
    let ids = (exchange(), identity(), tuple(), method());
    (
        ids,
        any::<[u64; 4]>(),
        timings(),
        any::<u16>(),
        any::<[bool; 2]>(),
    )
        .prop_map(
            |((exchange, identity, upstream, method), numbers, timings, status, flags)| {
                HttpProgressEvent {
                    exchange,
                    start_ns: numbers[0],
                    age_ns: numbers[1],
                    timings,
                    request_bytes: numbers[2],
                    response_bytes: numbers[3],
                    identity,
                    upstream,
                    method,
                    status,
                    is_streaming: flags[0],
                    source: Source::Proxy,
                    is_probe: flags[1],
                }
            },
        )
}

pub(crate) fn connection() -> impl Strategy<Value = ConnectionEvent> {
    let reason = select(ConnectionReason::ALL);
    (exchange(), any::<u64>(), tuple(), 0..3_u32, reason).prop_map(
        |(exchange, wall_ns, downstream, listener, reason)| ConnectionEvent {
            connection: exchange.connection,
            wall_ns,
            downstream,
            listener: ListenerId::from(listener),
            requests: exchange.ordinal,
            reason,
        },
    )
}

pub(crate) fn endpoint() -> impl Strategy<Value = EndpointEvent> {
    (
        identity(),
        any::<u64>(),
        any::<[u32; 2]>(),
        select(Reason::ALL),
    )
        .prop_map(|(identity, wall_ns, numbers, reason)| EndpointEvent {
            backend: identity.backend,
            endpoint: identity.endpoint,
            wall_ns,
            transition: EndpointTransition::Recovered,
            reason,
            backoff_ms: numbers[0],
            failures: numbers[1],
        })
}

/// Any number, and those that JSON does not know.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0..1_000_000_000_u64).prop_map(|n| n as f64 / 1000.0),
        select(vec![f64::NAN, f64::INFINITY, -0.0]),
    ]
}

fn sample() -> impl Strategy<Value = SampleExchange> {
    let ids = (exchange(), trace(), tuple(), tuple());
    let how = (
        option::of(select(Outcome::ALL)),
        select(Side::ALL),
        select(Reason::ALL),
    );
    let answer = (any::<u16>(), option::of(any::<u8>()), any::<u8>());
    // Durations that a double holds exactly in milliseconds.
    let times = (any::<u64>(), (0..1_u64 << 40).prop_map(|us| us * 1000));
    let attempts = (attempt_outcome(), attempt_outcome());
    (ids, how, answer, times, timings(), attempts, ".{0,40}").prop_map(
        |(ids, how, answer, times, timings, attempts, path)| SampleExchange {
            exchange: ids.0,
            wall_ns: times.0,
            path,
            status: answer.0,
            grpc_status: answer.1,
            duration_ns: times.1,
            timings,
            outcome: how.0,
            side: how.1,
            reason: how.2,
            attempts_count: answer.2,
            attempts: [attempts.0, attempts.1],
            trace: ids.1,
            endpoint: "10.0.0.2:8080".to_owned(),
            downstream: ids.2,
            upstream: ids.3,
        },
    )
}

fn subject() -> impl Strategy<Value = Subject> {
    (any::<[bool; 5]>(), "[a-z.-]{0,253}").prop_map(|(has, pod)| {
        let known = known().subject;
        let mut subject = Subject {
            listener: known.listener.filter(|_| has[0]),
            rule: known.rule.filter(|_| has[1]),
            backend: known.backend.filter(|_| has[2]),
            endpoint: known.endpoint.filter(|_| has[3]),
            method: known.method.filter(|_| has[4]),
        };
        if let Some(endpoint) = &mut subject.endpoint {
            Arc::make_mut(endpoint).pod = pod;
        }
        subject
    })
}

fn observed() -> impl Strategy<Value = Observed> {
    let unit = select(vec![Unit::Ms, Unit::Ratio, Unit::Count]);
    let chance = option::of(number());
    (number(), unit, number(), any::<[u64; 4]>(), chance).prop_map(
        |(value, unit, threshold, counts, chance)| Observed {
            value,
            unit,
            threshold,
            affected: counts[0],
            open: counts[1],
            total: counts[2],
            chance,
            lost: counts[3],
        },
    )
}

fn baseline() -> impl Strategy<Value = Baseline> {
    let quantile = option::of(Just(0.99));
    (number(), quantile, any::<[u64; 2]>(), any::<bool>()).prop_map(
        |(value, quantile, counts, is_learnt)| Baseline {
            value,
            quantile,
            samples: counts[0],
            window_ns: counts[1],
            is_learnt,
        },
    )
}

pub(crate) fn anomaly() -> impl Strategy<Value = ObserverEvent> {
    let kind = select(AnomalyKind::ALL.to_vec());
    let phase = select(vec![Phase::Firing, Phase::Cleared]);
    let severity = select(vec![
        Severity::Debug,
        Severity::Info,
        Severity::Warning,
        Severity::Error,
        Severity::Critical,
    ]);
    let fault = (select(Side::ALL), select(Reason::ALL));
    let how = (kind, phase, severity, fault);
    let rest = (any::<u128>(), any::<[u64; 4]>(), ".{0,1500}");
    let samples = vec(sample(), 0..=SAMPLES_MAX);
    let found = (observed(), option::of(baseline()), samples);
    (how, found, rest, subject()).prop_map(
        |(how, (observed, baseline, samples), (random, numbers, key), subject)| ObserverEvent {
            id: Ulid::from(random),
            kind: how.0,
            phase: how.1,
            severity: how.2,
            key,
            first_ns: numbers[0],
            last_ns: numbers[1],
            window_ns: numbers[2],
            count: numbers[3],
            side: how.3.0,
            reason: how.3.1,
            subject,
            baseline,
            observed,
            samples,
        },
    )
}
