//! Exact figures for a scrape: the workers' totals, the bus's counters, routing.

use crate::routing::RoutingView;
use rauta_core::bus::Bus;
use rauta_processors::UsageView;
use rauta_proxy::{Proxy, Totals};
use rauta_schemas::Family;
use rauta_sinks::prometheus::{Sample, Source};
use std::sync::{Arc, Weak};

/// Workers' totals and the bus's counters. Holds the proxy weakly: a scrape must not keep it.
pub(crate) fn process(proxy: Arc<Proxy>, bus: Bus) -> Source {
    let proxy: Weak<Proxy> = Arc::downgrade(&proxy);
    Box::new(move || {
        let mut samples = bus_samples(&bus);
        if let Some(proxy) = proxy.upgrade() {
            samples.extend(total_samples(&proxy.totals()));
        }
        samples
    })
}

/// What routing holds and how often it was swapped.
pub(crate) fn routing(view: RoutingView) -> Source {
    Box::new(move || {
        let figures = view.figures();
        vec![
            Sample::counter(
                "rauta_routing_snapshots_total",
                "Snapshots that were compiled and handed to the workers.",
                figures.snapshots,
            ),
            Sample::counter(
                "rauta_routing_mistakes_total",
                "Mistakes found in manifests; the objects concerned keep their last good form.",
                figures.mistakes,
            ),
            Sample::gauge(
                "rauta_routing_generation",
                "The generation of the snapshot in force.",
                figures.generation as f64,
            ),
            Sample::gauge(
                "rauta_routing_ports_failed",
                "Ports that could not be bound.",
                figures.ports_failed as f64,
            ),
        ]
    })
}

/// What the detectors hold, and had to give up.
pub(crate) fn detection(view: UsageView) -> Source {
    Box::new(move || {
        let detectors = view.read().into_iter();
        let samples = detectors.flat_map(|(detector, usage)| {
            let of = |sample: Sample| sample.label("detector", detector);
            [
                of(Sample::gauge(
                    "rauta_detection_keys",
                    "Keys (routes and methods, probes, endpoints) that are tracked.",
                    usage.keys as f64,
                )),
                of(Sample::gauge(
                    "rauta_detection_firing",
                    "Anomalies that are going on.",
                    usage.firing as f64,
                )),
                of(Sample::counter(
                    "rauta_detection_keys_evicted_total",
                    "Keys that nobody used lately and that made room for others.",
                    usage.evicted,
                )),
                of(Sample::counter(
                    "rauta_detection_exchanges_refused_total",
                    "Exchanges that were not judged: all keys were in use, and theirs was new.",
                    usage.refused,
                )),
                of(Sample::gauge(
                    "rauta_detection_open",
                    "Open exchanges that are watched.",
                    usage.open as f64,
                )),
                of(Sample::counter(
                    "rauta_detection_open_untracked_total",
                    "Open exchanges that were not watched: there were too many.",
                    usage.open_untracked,
                )),
            ]
        });
        samples.collect()
    })
}

fn bus_samples(bus: &Bus) -> Vec<Sample> {
    let stats = bus.stats();
    let mut samples = Vec::new();
    for lane in &stats.lanes {
        for family in Family::ALL {
            let of = |sample: Sample| {
                sample
                    .label("lane", &*lane.name)
                    .label("family", family.label())
            };
            samples.push(of(Sample::counter(
                "rauta_bus_published_total",
                "Events handed to the bus, dropped ones included.",
                lane.published[family],
            )));
            samples.push(of(Sample::counter(
                "rauta_bus_lane_dropped_total",
                "Events dropped because their lane was full.",
                lane.dropped[family],
            )));
        }
    }
    for subscriber in &stats.subscribers {
        for family in Family::ALL {
            if !subscriber.families.contains(family) {
                continue;
            }
            let of = |sample: Sample| {
                sample
                    .label("subscriber", subscriber.name)
                    .label("family", family.label())
            };
            samples.push(of(Sample::counter(
                "rauta_bus_delivered_total",
                "Events that a subscriber took.",
                subscriber.delivered[family],
            )));
            samples.push(of(Sample::counter(
                "rauta_bus_dropped_total",
                "Events dropped at a subscriber: its queue was full, or it was off after a panic.",
                subscriber.dropped[family],
            )));
        }
        samples.push(
            Sample::gauge(
                "rauta_bus_queue_length",
                "Events that wait for a subscriber.",
                subscriber.queued as f64,
            )
            .label("subscriber", subscriber.name),
        );
    }
    samples.extend(anomaly_samples(&stats));
    samples
}

fn anomaly_samples(stats: &rauta_core::bus::BusStats) -> Vec<Sample> {
    let mut samples = vec![Sample::counter(
        "rauta_anomalies_emitted_total",
        "Anomalies and all-clears that the detectors emitted.",
        stats.anomalies_emitted,
    )];
    for reader in &stats.anomalies {
        let of = |sample: Sample| sample.label("subscriber", reader.name);
        samples.push(of(Sample::counter(
            "rauta_bus_anomalies_delivered_total",
            "Anomalies that a reader of the bus took.",
            reader.delivered,
        )));
        samples.push(of(Sample::counter(
            "rauta_bus_anomalies_dropped_total",
            "Anomalies dropped because a reader's queue was full.",
            reader.dropped,
        )));
        samples.push(of(Sample::gauge(
            "rauta_bus_anomalies_queue_length",
            "Anomalies that wait for a reader of the bus.",
            reader.queued as f64,
        )));
    }
    samples
}

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

fn total_samples(totals: &Totals) -> Vec<Sample> {
    let mut samples = downstream_samples(totals);
    samples.extend(upstream_samples(totals));
    for (direction, bytes) in [
        ("request", totals.request_bytes),
        ("response", totals.response_bytes),
    ] {
        let sample = Sample::counter(
            "rauta_proxy_body_bytes_total",
            "Bytes of bodies, by direction.",
            bytes,
        );
        samples.push(sample.label("direction", direction));
    }
    for (what, count) in [
        ("connection", totals.refused_connections),
        ("request", totals.refused_requests),
    ] {
        let sample = Sample::counter(
            "rauta_proxy_refused_total",
            "Refused because a cap was reached.",
            count,
        );
        samples.push(sample.label("what", what));
    }
    for (class, count) in CLASSES.iter().zip(totals.by_class) {
        let sample = Sample::counter(
            "rauta_proxy_responses_total",
            "Exchanges that are over, by the status' class; none: no status was sent.",
            count,
        );
        samples.push(sample.label("status_class", *class));
    }
    samples
}

fn downstream_samples(totals: &Totals) -> Vec<Sample> {
    vec![
        Sample::counter(
            "rauta_proxy_connections_accepted_total",
            "Client connections accepted.",
            totals.accepted,
        ),
        Sample::gauge(
            "rauta_proxy_connections_open",
            "Client connections open now.",
            totals.open as f64,
        ),
        Sample::gauge(
            "rauta_proxy_requests_in_flight",
            "Requests in flight now.",
            totals.in_flight as f64,
        ),
        Sample::counter(
            "rauta_proxy_requests_total",
            "Requests whose head was complete, or that were answered without.",
            totals.requests,
        ),
        Sample::counter(
            "rauta_proxy_heads_cut_total",
            "Connections that ended inside a head.",
            totals.heads_cut,
        ),
        Sample::counter(
            "rauta_proxy_accept_pauses_total",
            "Times accepting paused for want of file descriptors.",
            totals.accept_pauses,
        ),
        Sample::gauge(
            "rauta_proxy_tunnels_open",
            "Upgraded connections open now.",
            totals.tunnels as f64,
        ),
    ]
}

fn upstream_samples(totals: &Totals) -> Vec<Sample> {
    vec![
        Sample::counter(
            "rauta_proxy_upstream_connected_total",
            "Connections made to endpoints.",
            totals.upstream_connected,
        ),
        Sample::counter(
            "rauta_proxy_upstream_reused_total",
            "Requests sent on a connection used before.",
            totals.upstream_reused,
        ),
        Sample::counter(
            "rauta_proxy_upstream_connect_failed_total",
            "Attempts at connecting to endpoints that failed.",
            totals.upstream_connect_failed,
        ),
        Sample::counter(
            "rauta_proxy_retries_total",
            "Requests that were tried again.",
            totals.retries,
        ),
        Sample::counter(
            "rauta_proxy_retries_denied_total",
            "Retries that the budget forbade.",
            totals.retries_denied,
        ),
        Sample::counter(
            "rauta_proxy_mirrored_total",
            "Copies of requests sent to mirrors.",
            totals.mirrored,
        ),
        Sample::counter(
            "rauta_proxy_mirrors_dropped_total",
            "Copies left out: too many in flight, or too large a body.",
            totals.mirrors_dropped,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rauta_core::bus::BusConfig;
    use rauta_schemas::Families;

    #[test]
    fn every_family_of_every_lane_and_subscriber_is_shown_also_while_it_is_0() {
        let (bus, mut pipeline) = Bus::new(BusConfig::default());
        let _lane = bus.publisher("worker-0");
        let reads = Families::NONE.with(Family::HttpResponse);
        let _queue = pipeline.subscribe("access_log", reads, 1);
        let samples = bus_samples(&bus);
        let named = |name| samples.iter().filter(move |sample| sample.name == name);
        for (name, count) in [
            ("rauta_bus_published_total", Family::COUNT),
            ("rauta_bus_lane_dropped_total", Family::COUNT),
            ("rauta_bus_delivered_total", 1),
            ("rauta_bus_dropped_total", 1),
        ] {
            assert_eq!(named(name).count(), count, "{name}");
        }
    }
}
