//! How traffic behaves when all is well, and what faults do to it.

use crate::stage::{Ending, Exchange, SECOND};
use fastrand::Rng;
use rauta_schemas::{AnomalyKind, HttpMethod, Reason};

/// How long a backend takes to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Latency {
    /// The same time, give or take a fifth.
    Steady(f64),
    /// Median (microseconds) and sigma.
    LogNormal(f64, f64),
    /// Smallest value (microseconds) and exponent.
    Pareto(f64, f64),
    /// Fast, slow (microseconds) and the share of slow ones.
    Bimodal(f64, f64, f64),
}

/// When requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Arrivals {
    Even,
    Poisson,
    /// Ten seconds in a minute at five times the rate, answered 1.3 times slower.
    Bursty,
    /// Over a day the rate swings between 0.2 and 1.8, latency between 0.8 and 1.2.
    Daily,
}

/// What the traffic is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Plain,
    /// Clients that send their request for up to ten seconds.
    Uploads,
    /// Every second answer is a stream that lasts for up to two minutes.
    Streams,
    /// One exchange in ten needed a second attempt.
    Retries,
    Grpc,
    /// The first half minute is up to ten times slower, as caches and compilers warm up.
    ColdStart,
    /// Nothing but probes.
    Probes,
    /// Probes of which every second one fails.
    FlappingProbes,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) kind: Kind,
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) arrivals: Arrivals,
    pub(crate) latency: Latency,
    pub(crate) endpoints: usize,
    /// The share of 5xx when all is well.
    pub(crate) error_share: f64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Effect {
    /// So many times slower.
    Slower(f64),
    /// No answer at all while it lasts.
    Hang,
    /// The share of exchanges that the backend answers with 500.
    BackendErrors(f64),
    /// The share of exchanges that RAUTA answers with 503.
    GatewayErrors(f64),
    /// The share of calls that end with gRPC status 14.
    GrpcErrors(f64),
    ProbesFail,
}

/// A labelled fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) effect: Effect,
    /// One endpoint, or all.
    pub(crate) endpoint: Option<usize>,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Fault {
    pub(crate) fn kind(&self) -> AnomalyKind {
        match self.effect {
            Effect::Slower(_) | Effect::Hang => AnomalyKind::SlowResponse,
            Effect::BackendErrors(_) | Effect::GatewayErrors(_) | Effect::GrpcErrors(_) => {
                AnomalyKind::ErrorSpike
            }
            Effect::ProbesFail => AnomalyKind::ProbeFailed,
        }
    }

    /// How many faulty exchanges there must be before the definition of the anomaly is met. On a
    /// quiet route three slow answers are not yet unlikely enough for its few samples.
    pub(crate) fn needed(&self, rate: f64) -> usize {
        match self.kind() {
            AnomalyKind::SlowResponse => {
                if rate < 20.0 {
                    6
                } else {
                    3
                }
            }
            AnomalyKind::ErrorSpike => 10,
            AnomalyKind::ProbeFailed | AnomalyKind::EndpointEjected => 2,
        }
    }
}

impl Latency {
    fn draw(self, rng: &mut Rng) -> f64 {
        match self {
            Self::Steady(micros) => micros * (0.8 + 0.4 * rng.f64()),
            Self::LogNormal(median, sigma) => median * (sigma * normal(rng)).exp(),
            Self::Pareto(least, exponent) => least * (1.0 - rng.f64()).powf(-1.0 / exponent),
            Self::Bimodal(fast, slow, share) => {
                let mode = if rng.f64() < share { slow } else { fast };
                mode * (0.8 + 0.4 * rng.f64())
            }
        }
    }
}

impl Model {
    pub(crate) const fn at(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    pub(crate) const fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) const fn arriving(self, arrivals: Arrivals) -> Self {
        Self { arrivals, ..self }
    }

    pub(crate) const fn failing(self, error_share: f64) -> Self {
        Self {
            error_share,
            ..self
        }
    }

    /// The next request's moment after `now_ns`.
    pub(crate) fn next_ns(&self, now_ns: u64, rng: &mut Rng) -> u64 {
        let rate = self.rate * self.swing(now_ns).0;
        let gap = match self.arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Poisson | Arrivals::Bursty | Arrivals::Daily => -(1.0 - rng.f64()).ln(),
        };
        now_ns + ((gap / rate * SECOND as f64) as u64).max(1)
    }

    /// One exchange at `start_ns`, under the fault if there is one; and whether it is faulty.
    pub(crate) fn exchange(
        &self,
        start_ns: u64,
        fault: Option<&Fault>,
        rng: &mut Rng,
    ) -> (Exchange, bool) {
        let cold = if self.kind == Kind::ColdStart {
            1.0 + 9.0 * (-(start_ns as f64 / SECOND as f64) / 10.0).exp()
        } else {
            1.0
        };
        let micros = self.latency.draw(rng) * self.swing(start_ns).1 * cold;
        let endpoint = rng.usize(0..self.endpoints);
        // By turns, so that no two fail in a row.
        let is_flapping =
            self.kind == Kind::FlappingProbes && (start_ns / SECOND).is_multiple_of(2);
        let is_error = rng.f64() < self.error_share;
        let mut exchange = Exchange {
            start_ns,
            endpoint,
            status: if is_error || is_flapping { 500 } else { 200 },
            ..Exchange::get(0, micros as u64)
        };
        self.colour(&mut exchange, rng);
        let fault = fault.filter(|fault| fault.endpoint.is_none_or(|it| it == endpoint));
        let is_faulty = fault.is_some_and(|fault| inflict(fault, &mut exchange, rng));
        (exchange, is_faulty)
    }

    fn colour(&self, exchange: &mut Exchange, rng: &mut Rng) {
        match self.kind {
            Kind::Plain | Kind::ColdStart => {}
            Kind::Uploads => {
                exchange.method = HttpMethod::Post;
                exchange.upload_us = (1_000.0 * (2.5 * normal(rng)).exp()).min(1e7) as u64;
                if rng.u8(..) < 5 {
                    exchange.ending = Ending::Left(exchange.upload_us / 2);
                }
            }
            Kind::Streams => {
                exchange.is_streaming = rng.bool();
                if exchange.is_streaming {
                    exchange.download_us = rng.u64(1_000_000..120_000_000);
                }
            }
            Kind::Retries => exchange.attempts = 1 + u8::from(rng.u8(..) < 26),
            Kind::Grpc => {
                exchange.method = HttpMethod::Post;
                exchange.grpc_status = Some(if exchange.status == 500 { 14 } else { 0 });
                exchange.status = 200;
            }
            Kind::Probes | Kind::FlappingProbes => {
                exchange.is_probe = true;
                exchange.path = "/healthz";
            }
        }
    }

    /// By how much rate and latency differ from their mean at this moment.
    fn swing(&self, now_ns: u64) -> (f64, f64) {
        let seconds = now_ns / SECOND;
        match self.arrivals {
            Arrivals::Even | Arrivals::Poisson => (1.0, 1.0),
            Arrivals::Bursty if seconds % 60 < 10 => (5.0, 1.3),
            Arrivals::Bursty => (0.2, 1.0),
            Arrivals::Daily => {
                let angle = seconds as f64 / 86_400.0 * std::f64::consts::TAU;
                (1.0 + 0.8 * angle.sin(), 1.0 + 0.2 * angle.sin())
            }
        }
    }
}

fn inflict(fault: &Fault, exchange: &mut Exchange, rng: &mut Rng) -> bool {
    let mut with = |share: f64| rng.f64() < share;
    match fault.effect {
        Effect::Slower(factor) => {
            exchange.backend_us = (exchange.backend_us as f64 * factor) as u64;
        }
        Effect::Hang => exchange.backend_us = 3_600_000_000,
        Effect::BackendErrors(share) if with(share) => exchange.status = 500,
        Effect::GatewayErrors(share) if with(share) => {
            exchange.status = 503;
            exchange.ending = Ending::Gateway(Reason::NoEndpoint);
        }
        Effect::GrpcErrors(share) if with(share) => exchange.grpc_status = Some(14),
        Effect::ProbesFail => exchange.status = 503,
        Effect::BackendErrors(_) | Effect::GatewayErrors(_) | Effect::GrpcErrors(_) => {
            return false;
        }
    }
    true
}

fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
