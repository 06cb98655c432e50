//! The labelled corpus: shapes of traffic, each with the faults that it suffers at known times.

use crate::model::{Arrivals, Effect, Fault, Kind, Latency, Model};
use crate::stage::SECOND;
use Effect::{BackendErrors, GatewayErrors, GrpcErrors, Hang, ProbesFail, Slower};

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

fn shape(name: &'static str, model: Model, effects: &[Effect]) -> Shape {
    let effects = effects.iter().map(|effect| (*effect, None)).collect();
    Shape {
        name,
        model,
        effects,
        lose_one_in: 0,
    }
}

const USUAL: &[Effect] = &[Slower(5.0), Hang, BackendErrors(0.5), GatewayErrors(1.0)];

/// Every shape that has faults.
pub(crate) fn labelled() -> Vec<Shape> {
    [latencies(), rates(), kinds()].concat()
}

fn latencies() -> Vec<Shape> {
    let with = |latency| Model { latency, ..PLAIN };
    let steady = with(Latency::Steady(10_000.0)).arriving(Arrivals::Even);
    let lognormal = with(Latency::LogNormal(20_000.0, 0.8));
    let pareto = with(Latency::Pareto(5_000.0, 1.5));
    let bimodal = with(Latency::Bimodal(5_000.0, 200_000.0, 0.05));
    let rare = with(Latency::Bimodal(5_000.0, 500_000.0, 0.004));
    vec![
        shape("steady", steady, USUAL),
        shape(
            "lognormal",
            lognormal,
            &[Slower(20.0), Hang, BackendErrors(0.3)],
        ),
        shape("pareto", pareto, &[Slower(40.0), Hang, BackendErrors(0.3)]),
        shape(
            "bimodal",
            bimodal,
            &[Slower(100.0), Hang, GatewayErrors(0.5)],
        ),
        shape(
            "rare slow mode",
            rare,
            &[Slower(10.0), Hang, GatewayErrors(0.5)],
        ),
    ]
}

fn rates() -> Vec<Shape> {
    let quiet = &[Slower(10.0), Hang, BackendErrors(0.8), GatewayErrors(1.0)];
    let failing = &[Slower(5.0), BackendErrors(0.3), GatewayErrors(0.5)];
    let lossy = Shape {
        lose_one_in: 20,
        ..shape("one event in twenty lost", PLAIN, USUAL)
    };
    let effects = vec![
        (Slower(8.0), Some(3)),
        (Hang, Some(7)),
        (BackendErrors(1.0), Some(1)),
    ];
    let many = Model {
        endpoints: 10,
        ..PLAIN.at(200.0)
    };
    vec![
        shape("bursty", PLAIN.arriving(Arrivals::Bursty), USUAL),
        shape("busy, 1,000/s", PLAIN.at(1_000.0), USUAL),
        shape("quiet, 5/s", PLAIN.at(5.0), quiet),
        shape("one in a hundred fails", PLAIN.failing(0.01), failing),
        lossy,
        Shape {
            effects,
            ..shape("one of ten at fault", many, &[])
        },
    ]
}

fn kinds() -> Vec<Shape> {
    let probes = PLAIN.of(Kind::Probes).at(5.0).arriving(Arrivals::Even);
    let grpc = &[Slower(5.0), GrpcErrors(0.4), GrpcErrors(1.0), Hang];
    vec![
        shape("cold start", PLAIN.of(Kind::ColdStart), USUAL),
        shape(
            "uploads",
            PLAIN.of(Kind::Uploads),
            &[Slower(5.0), BackendErrors(0.5)],
        ),
        shape("streams", PLAIN.of(Kind::Streams).at(20.0), &[Hang]),
        shape("retries", PLAIN.of(Kind::Retries), USUAL),
        shape("gRPC", PLAIN.of(Kind::Grpc), grpc),
        shape("probes", probes, &[ProbesFail, ProbesFail]),
    ]
}

/// Shapes that have no fault at all, at one rate.
pub(crate) fn faultless(rate: f64) -> Vec<Shape> {
    let base = PLAIN.at(rate);
    let with = |latency| Model { latency, ..base };
    let daily = Model {
        endpoints: 3,
        ..base.arriving(Arrivals::Daily).failing(0.005)
    };
    let flapping = PLAIN
        .of(Kind::FlappingProbes)
        .at(1.0)
        .arriving(Arrivals::Even);
    vec![
        shape("steady", with(Latency::Steady(10_000.0)), &[]),
        shape("bursty", base.arriving(Arrivals::Bursty), &[]),
        shape("daily", daily, &[]),
        shape("lognormal", with(Latency::LogNormal(20_000.0, 1.0)), &[]),
        shape("pareto", with(Latency::Pareto(5_000.0, 1.2)), &[]),
        shape(
            "bimodal",
            with(Latency::Bimodal(5_000.0, 400_000.0, 0.009)),
            &[],
        ),
        shape("one in fifty fails", base.failing(0.02), &[]),
        shape("uploads", base.of(Kind::Uploads), &[]),
        shape("streams", base.of(Kind::Streams).at(rate.min(20.0)), &[]),
        shape("cold start", base.of(Kind::ColdStart), &[]),
        Shape {
            lose_one_in: 50,
            ..shape("one event in fifty lost", base, &[])
        },
        shape("flapping probes", flapping, &[]),
    ]
}
