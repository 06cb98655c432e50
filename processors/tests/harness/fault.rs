//! What goes wrong, when, and how much; and what only looks as if it did.

use crate::corpus::Shape;
use crate::model::normal;
use crate::stage::{Ending, Exchange, SECOND};
use fastrand::Rng;
use rauta_schemas::{AnomalyKind, Reason, Side};

/// What happens to exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// So many times slower.
    Slower,
    /// No answer at all while it lasts.
    Hang,
    /// A share of exchanges is answered by the backend with 500.
    BackendErrors,
    /// A share of exchanges is answered by RAUTA with 503: no endpoint.
    GatewayErrors,
    /// A share of connections is refused by the backend.
    Refused,
    /// A share of answers is cut off by the backend.
    Cut,
    /// A share of calls ends with gRPC status 14.
    GrpcErrors,
    /// Probes are answered with 503.
    ProbesFail,
    /// Probes are not answered; the kubelet leaves after a second.
    ProbesHang,

    /// No fault: clients send so many times slower.
    SlowClients,
    /// No fault: a share of answers is 404.
    ClientErrors,
    /// No fault: a share of clients leaves at once.
    ClientsLeave,
    /// No fault that a client sees: a share of exchanges needs a second attempt.
    Retried,
    /// No fault: a share of calls ends with gRPC status 3 or 16.
    CallersErrors,
}

/// A labelled interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) effect: Effect,
    /// A factor or a share.
    pub(crate) size: f64,
    pub(crate) route: usize,
    /// One endpoint, or all.
    pub(crate) endpoint: Option<usize>,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

/// What is slower takes no longer than this: somebody gives up.
const LONGEST_US: u64 = 30_000_000;

impl Effect {
    /// The anomaly that it is, and the side that is at fault; `None` where nothing is.
    pub(crate) fn truth(self) -> Option<(AnomalyKind, Side)> {
        Some(match self {
            Self::Slower | Self::Hang => (AnomalyKind::SlowResponse, Side::Backend),
            Self::BackendErrors | Self::Refused | Self::Cut | Self::GrpcErrors => {
                (AnomalyKind::ErrorSpike, Side::Backend)
            }
            Self::GatewayErrors => (AnomalyKind::ErrorSpike, Side::Gateway),
            Self::ProbesFail | Self::ProbesHang => (AnomalyKind::ProbeFailed, Side::Backend),
            Self::SlowClients
            | Self::ClientErrors
            | Self::ClientsLeave
            | Self::Retried
            | Self::CallersErrors => return None,
        })
    }

    /// Factors from 2.5 to 40 and shares from 8 % to all, small ones as often as large ones.
    fn draw_size(self, rng: &mut Rng) -> f64 {
        let between = |low: f64, high: f64, rng: &mut Rng| low * (high / low).powf(rng.f64());
        match self {
            Self::Slower | Self::SlowClients => between(2.5, 40.0, rng),
            Self::Hang | Self::ProbesFail | Self::ProbesHang => 1.0,
            _ => between(0.08, 1.0, rng),
        }
    }
}

impl Fault {
    /// Does it concern this exchange? Then it is inflicted.
    pub(crate) fn inflict(&self, exchange: &mut Exchange, rng: &mut Rng) -> bool {
        if exchange.route != self.route || self.endpoint.is_some_and(|it| it != exchange.endpoint) {
            return false;
        }
        let is_hit = rng.f64() < self.size;
        match self.effect {
            Effect::Slower => {
                let micros = (exchange.backend_us as f64 * self.size) as u64;
                exchange.backend_us = micros.min(LONGEST_US.max(exchange.backend_us));
            }
            Effect::Hang => exchange.backend_us = 3_600_000_000,
            Effect::ProbesFail => exchange.status = 503,
            Effect::ProbesHang => {
                exchange.backend_us = 3_600_000_000;
                exchange.ending = Ending::Left(1_000_000);
            }
            Effect::SlowClients => {
                let micros = 50_000.0 * self.size * normal(rng).exp();
                exchange.upload_us = exchange.upload_us.max(micros as u64);
                exchange.download_us = exchange.download_us.max(micros as u64);
            }
            _ if !is_hit => return false,
            Effect::BackendErrors => {
                exchange.status = 500;
                // An error is no stream.
                exchange.is_streaming = false;
                exchange.download_us = exchange.download_us.min(1_000);
            }
            Effect::GatewayErrors => {
                exchange.status = 503;
                exchange.ending = Ending::Gateway(Reason::NoEndpoint);
            }
            Effect::Refused => {
                exchange.status = 502;
                exchange.ending = Ending::Refused;
            }
            Effect::Cut => exchange.ending = Ending::Cut,
            Effect::GrpcErrors => exchange.grpc_status = Some(14),
            Effect::ClientErrors => exchange.status = 404,
            Effect::ClientsLeave => exchange.ending = Ending::Left(rng.u64(100..3_000)),
            Effect::Retried => {
                exchange.attempts = 2;
                exchange.backend_us += exchange.backend_us / 4;
            }
            Effect::CallersErrors => {
                exchange.grpc_status = Some(if rng.bool() { 3 } else { 16 });
            }
        }
        true
    }
}

/// Draws a shape's labelled intervals: each of its effects twice, in turns, 10 to 40 s long, with
/// 100 to 200 s between two; and the moment when the play is over.
pub(crate) fn schedule(shape: &Shape, rng: &mut Rng) -> (Vec<Fault>, u64) {
    let mut now_ns = shape.warm_up_ns();
    let mut faults = Vec::new();
    let effects = shape.effects.iter().chain(shape.effects);
    for effect in effects {
        now_ns += rng.u64(0..100 * SECOND);
        let end_ns = now_ns + rng.u64(10 * SECOND..40 * SECOND);
        let model = &shape.model;
        // RAUTA's own refusals concern no endpoint.
        let is_one = shape.is_one_endpoint && *effect != Effect::GatewayErrors;
        faults.push(Fault {
            effect: *effect,
            size: effect.draw_size(rng),
            // The last route is never at fault.
            route: rng.usize(0..model.routes.max(2) - 1),
            endpoint: is_one.then(|| rng.usize(0..model.endpoints)),
            start_ns: now_ns,
            end_ns,
        });
        now_ns = end_ns + 100 * SECOND;
    }
    (faults, now_ns)
}
