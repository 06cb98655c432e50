//! The labelled corpus: shapes of traffic, each with the faults that it suffers at known times.

use crate::model::{Arrivals, Effect, Fault, Kind, Latency, Model};
use crate::stage::SECOND;

/// One shape of traffic with its faults.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) model: Model,
    pub(crate) effects: Vec<(Effect, Option<usize>)>,
    /// Of all events, one in so many is lost (0 = none).
    pub(crate) lose_one_in: u64,
}

/// Traffic before the first fault.
pub(crate) const WARM_UP_NS: u64 = 300 * SECOND;
/// How long a fault lasts.
const FAULT_NS: u64 = 20 * SECOND;
/// Between two faults, so that the first is over and cleared.
const REST_NS: u64 = 180 * SECOND;

impl Shape {
    /// The faults, one after the other.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let faults = self.effects.iter().zip(0u64..);
        let fault = |((effect, endpoint), n): (&(Effect, Option<usize>), u64)| {
            let start_ns = WARM_UP_NS + n * (FAULT_NS + REST_NS);
            let end_ns = start_ns + FAULT_NS;
            Fault {
                effect: *effect,
                endpoint: *endpoint,
                start_ns,
                end_ns,
            }
        };
        faults.map(fault).collect()
    }

    /// When the play is over.
    pub(crate) fn end_ns(&self) -> u64 {
        WARM_UP_NS + self.effects.len() as u64 * (FAULT_NS + REST_NS)
    }
}

const PLAIN: Model = Model {
    kind: Kind::Plain,
    rate: 100.0,
    arrivals: Arrivals::Poisson,
    latency: Latency::LogNormal(10_000.0, 0.4),
    endpoints: 1,
    error_share: 0.0,
};

/// Every shape that has faults.
pub(crate) fn labelled() -> Vec<Shape> {
    use Effect::{BackendErrors, GatewayErrors, GrpcErrors, Hang, ProbesFail, Slower};
    let all = |effects: &[Effect]| {
        effects
            .iter()
            .map(|effect| (*effect, None))
            .collect::<Vec<_>>()
    };
    let usual = all(&[Slower(5.0), Hang, BackendErrors(0.5), GatewayErrors(1.0)]);
    let shape = |name, model, effects| Shape {
        name,
        model,
        effects,
        lose_one_in: 0,
    };
    let lognormal = |sigma| Model {
        latency: Latency::LogNormal(20_000.0, sigma),
        ..PLAIN
    };
    vec![
        shape(
            "steady",
            Model {
                latency: Latency::Steady(10_000.0),
                arrivals: Arrivals::Even,
                ..PLAIN
            },
            usual.clone(),
        ),
        shape(
            "bursty",
            Model {
                arrivals: Arrivals::Bursty,
                ..PLAIN
            },
            usual.clone(),
        ),
        shape(
            "lognormal",
            lognormal(0.8),
            all(&[Slower(20.0), Hang, BackendErrors(0.3)]),
        ),
        shape(
            "pareto",
            Model {
                latency: Latency::Pareto(5_000.0, 1.5),
                ..PLAIN
            },
            all(&[Slower(40.0), Hang, BackendErrors(0.3)]),
        ),
        shape(
            "bimodal",
            Model {
                latency: Latency::Bimodal(5_000.0, 200_000.0, 0.05),
                ..PLAIN
            },
            all(&[Slower(100.0), Hang, GatewayErrors(0.5)]),
        ),
        shape(
            "rare slow mode",
            Model {
                latency: Latency::Bimodal(5_000.0, 500_000.0, 0.004),
                ..PLAIN
            },
            all(&[Slower(10.0), Hang, GatewayErrors(0.5)]),
        ),
        shape(
            "busy, 1,000/s",
            Model {
                rate: 1_000.0,
                ..PLAIN
            },
            usual.clone(),
        ),
        shape(
            "quiet, 5/s",
            Model { rate: 5.0, ..PLAIN },
            all(&[Slower(10.0), Hang, BackendErrors(0.8), GatewayErrors(1.0)]),
        ),
        shape(
            "cold start",
            Model {
                kind: Kind::ColdStart,
                ..PLAIN
            },
            usual.clone(),
        ),
        shape(
            "one of ten slow",
            Model {
                endpoints: 10,
                rate: 200.0,
                ..PLAIN
            },
            vec![
                (Slower(8.0), Some(3)),
                (Hang, Some(7)),
                (BackendErrors(1.0), Some(1)),
            ],
        ),
        shape(
            "uploads",
            Model {
                kind: Kind::Uploads,
                ..PLAIN
            },
            all(&[Slower(5.0), BackendErrors(0.5)]),
        ),
        shape(
            "streams",
            Model {
                kind: Kind::Streams,
                rate: 20.0,
                ..PLAIN
            },
            all(&[Hang]),
        ),
        shape(
            "retries",
            Model {
                kind: Kind::Retries,
                ..PLAIN
            },
            usual.clone(),
        ),
        shape(
            "gRPC",
            Model {
                kind: Kind::Grpc,
                ..PLAIN
            },
            all(&[Slower(5.0), GrpcErrors(0.4), GrpcErrors(1.0), Hang]),
        ),
        shape(
            "one in a hundred fails",
            Model {
                error_share: 0.01,
                ..PLAIN
            },
            all(&[Slower(5.0), BackendErrors(0.3), GatewayErrors(0.5)]),
        ),
        shape(
            "probes",
            Model {
                kind: Kind::Probes,
                rate: 5.0,
                arrivals: Arrivals::Even,
                ..PLAIN
            },
            all(&[ProbesFail, ProbesFail]),
        ),
        Shape {
            lose_one_in: 20,
            ..shape("one event in twenty lost", PLAIN, usual)
        },
    ]
}

/// Every shape that has no fault at all, at one rate.
pub(crate) fn faultless(rate: f64) -> Vec<Shape> {
    let base = Model { rate, ..PLAIN };
    let shape = |name, model| Shape {
        name,
        model,
        effects: Vec::new(),
        lose_one_in: 0,
    };
    vec![
        shape(
            "steady",
            Model {
                latency: Latency::Steady(10_000.0),
                ..base
            },
        ),
        shape(
            "bursty",
            Model {
                arrivals: Arrivals::Bursty,
                ..base
            },
        ),
        shape(
            "daily",
            Model {
                arrivals: Arrivals::Daily,
                endpoints: 3,
                error_share: 0.005,
                ..base
            },
        ),
        shape(
            "lognormal",
            Model {
                latency: Latency::LogNormal(20_000.0, 1.0),
                ..base
            },
        ),
        shape(
            "pareto",
            Model {
                latency: Latency::Pareto(5_000.0, 1.2),
                ..base
            },
        ),
        shape(
            "bimodal",
            Model {
                latency: Latency::Bimodal(5_000.0, 400_000.0, 0.009),
                ..base
            },
        ),
        shape(
            "one in fifty fails",
            Model {
                error_share: 0.02,
                ..base
            },
        ),
        shape(
            "uploads",
            Model {
                kind: Kind::Uploads,
                ..base
            },
        ),
        shape(
            "cold start",
            Model {
                kind: Kind::ColdStart,
                ..base
            },
        ),
        Shape {
            lose_one_in: 50,
            ..shape("one event in fifty lost", base)
        },
    ]
}
