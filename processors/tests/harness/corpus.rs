//! The corpus: shapes of traffic, and what befalls each.

use crate::fault::Effect::{
    self, BackendErrors, CallersErrors, ClientErrors, ClientsLeave, Cut, GatewayErrors, GrpcErrors,
    Hang, ProbesFail, ProbesHang, Refused, Retried, SlowClients, Slower,
};
use crate::model::{Arrivals, Kind, Latency, Model};
use crate::stage::{Loss, MS, SECOND};

/// One shape of traffic with what befalls it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) model: Model,
    pub(crate) effects: &'static [Effect],
    /// Does each fault befall one endpoint, or all of them?
    pub(crate) is_one_endpoint: bool,
    pub(crate) loss: Loss,
}

/// The rates that each shape is played at, requests a second.
pub(crate) const RATES: [f64; 3] = [1.0, 10.0, 1_000.0];

impl Shape {
    /// Traffic before the first fault: five minutes, or 1,500 exchanges of each route.
    pub(crate) fn warm_up_ns(&self) -> u64 {
        let exchanges_ns =
            (1_500.0 * self.model.routes as f64 / self.model.rate * SECOND as f64) as u64;
        exchanges_ns.max(300 * SECOND)
    }

    fn losing(self, one_in: u64, gap_ns: u64) -> Self {
        let loss = Loss { one_in, gap_ns };
        Self { loss, ..self }
    }

    fn on_one_endpoint(self) -> Self {
        Self {
            is_one_endpoint: true,
            ..self
        }
    }
}

const PLAIN: Model = Model {
    kind: Kind::Plain,
    rate: 100.0,
    arrivals: Arrivals::Poisson,
    latency: Latency::LogNormal(10_000.0, 0.4),
    routes: 1,
    endpoints: 1,
    error_share: 0.0,
};

fn shape(name: &'static str, model: Model, effects: &'static [Effect]) -> Shape {
    Shape {
        name,
        model,
        effects,
        is_one_endpoint: false,
        loss: Loss::default(),
    }
}

const USUAL: &[Effect] = &[Slower, Hang, BackendErrors, GatewayErrors, ClientErrors];

/// Every shape at one rate.
pub(crate) fn shapes(rate: f64) -> Vec<Shape> {
    [latencies(rate), times(rate), kinds(rate), failures(rate)].concat()
}

fn latencies(rate: f64) -> Vec<Shape> {
    let base = PLAIN.at(rate);
    let steady = base
        .taking(Latency::Steady(10_000.0))
        .arriving(Arrivals::Even);
    vec![
        shape("steady", steady, USUAL),
        shape(
            "lognormal",
            base.taking(Latency::LogNormal(20_000.0, 1.0)),
            USUAL,
        ),
        shape("pareto", base.taking(Latency::Pareto(5_000.0, 1.5)), USUAL),
        shape(
            "pareto, heavy",
            base.taking(Latency::Pareto(5_000.0, 1.2)),
            USUAL,
        ),
        shape(
            "bimodal",
            base.taking(Latency::Bimodal(5_000.0, 200_000.0, 0.05)),
            USUAL,
        ),
        shape(
            "rare slow mode",
            base.taking(Latency::Bimodal(5_000.0, 400_000.0, 0.009)),
            USUAL,
        ),
    ]
}

fn times(rate: f64) -> Vec<Shape> {
    let base = PLAIN.at(rate);
    let daily = base
        .arriving(Arrivals::Daily)
        .with_endpoints(3)
        .failing(0.005);
    vec![
        shape("daily", daily, USUAL),
        shape("bursty", base.arriving(Arrivals::Bursty), USUAL),
        // As much again, on ten routes: a tenth of the rate on each.
        shape("low rate", base.with_routes(10), USUAL),
        shape("cold start", base.of(Kind::ColdStart), USUAL),
        shape("deploys", base.of(Kind::Deploys).with_endpoints(3), USUAL),
        shape("slow drift", base.of(Kind::Drift), USUAL),
        shape("machine stalls", base.of(Kind::Stalls), USUAL),
        shape("events lost", base, USUAL).losing(30, 300 * MS),
    ]
}

fn kinds(rate: f64) -> Vec<Shape> {
    let base = PLAIN.at(rate);
    let uploads = &[
        Slower,
        SlowClients,
        BackendErrors,
        ClientsLeave,
        GatewayErrors,
    ];
    let streams = &[Hang, BackendErrors, GatewayErrors, SlowClients];
    let retries = &[Slower, Retried, BackendErrors, Refused, Hang];
    let grpc = &[Slower, GrpcErrors, CallersErrors, Hang, GatewayErrors];
    let probes = base.at(rate.min(5.0)).arriving(Arrivals::Even);
    vec![
        shape("slow uploads", base.of(Kind::Uploads), uploads),
        shape(
            "SSE and long polls",
            base.of(Kind::Streams).with_routes(2),
            streams,
        ),
        shape("retries", base.of(Kind::Retries).with_endpoints(3), retries),
        shape("gRPC", base.of(Kind::Grpc).failing(0.01), grpc),
        shape(
            "probes",
            probes.of(Kind::Probes).with_endpoints(3),
            &[ProbesFail, ProbesHang],
        )
        .on_one_endpoint(),
        shape(
            "probes that flap",
            probes.of(Kind::FlappingProbes),
            &[ProbesFail, ProbesHang],
        ),
    ]
}

fn failures(rate: f64) -> Vec<Shape> {
    let base = PLAIN.at(rate);
    let both = &[BackendErrors, GatewayErrors, Refused, Cut];
    let one = &[Slower, Hang, BackendErrors, Refused, GatewayErrors];
    vec![
        shape("one in fifty fails", base.failing(0.02), both),
        shape("gateway and backend fail", base.of(Kind::BothFail), both),
        shape("one endpoint of ten", base.with_endpoints(10), one).on_one_endpoint(),
    ]
}
