//! How traffic behaves when all is well.

use crate::stage::{Ending, Exchange, SECOND};
use fastrand::Rng;
use rauta_schemas::HttpMethod;

/// How long a backend takes to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Latency {
    /// The same time (microseconds), give or take a fifth.
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
    /// Clients that send their request for up to ten seconds; one in fifty gives up while it does.
    Uploads,
    /// Two in five are streams of up to two minutes; one in five polls a second route that holds
    /// its answer back for up to 30 s.
    Streams,
    /// One exchange in ten needed a second attempt.
    Retries,
    /// One call in fifty ends with a status that blames the caller.
    Grpc,
    /// The first half minute is up to ten times slower, as caches and compilers warm up.
    ColdStart,
    /// Every ten minutes three endpoints are replaced within 30 s; each new one is up to twice as
    /// slow in its first seconds, and every second version a quarter slower.
    Deploys,
    /// Latency grows by half an hour after hour in the first two hours, then by 12 %.
    Drift,
    /// The backend's machine stands still for 50 to 300 ms, once in five minutes or so, and one
    /// time in five twice or three times within ten seconds.
    Stalls,
    /// One answer in a hundred is the backend's 500, one in a hundred RAUTA's own 503.
    BothFail,
    /// Nothing but probes.
    Probes,
    /// Probes of which one in three fails, never two in a row.
    FlappingProbes,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) kind: Kind,
    /// Requests a second, over all routes.
    pub(crate) rate: f64,
    pub(crate) arrivals: Arrivals,
    pub(crate) latency: Latency,
    pub(crate) routes: usize,
    pub(crate) endpoints: usize,
    /// The share of 5xx when all is well.
    pub(crate) error_share: f64,
}

/// A model at play.
pub(crate) struct Traffic {
    pub(crate) model: Model,
    stalls: Vec<Stall>,
    exchanges: u64,
    /// Did the last one fail?
    has_failed: bool,
}

/// The backend's machine stands still.
#[derive(Clone, Copy, Debug)]
struct Stall {
    start_us: u64,
    length_us: u64,
}

/// How busy a machine that stalls is: what arrived meanwhile is served so much faster than it came.
const BUSY: f64 = 0.25;

impl Latency {
    pub(crate) fn draw(self, rng: &mut Rng) -> f64 {
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

    pub(crate) const fn taking(self, latency: Latency) -> Self {
        Self { latency, ..self }
    }

    pub(crate) const fn with_endpoints(self, endpoints: usize) -> Self {
        Self { endpoints, ..self }
    }

    pub(crate) const fn with_routes(self, routes: usize) -> Self {
        Self { routes, ..self }
    }

    pub(crate) const fn failing(self, error_share: f64) -> Self {
        Self {
            error_share,
            ..self
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

    /// How much slower this moment is by the traffic's own nature.
    fn pace(&self, now_ns: u64, endpoint: usize) -> f64 {
        let seconds = now_ns as f64 / SECOND as f64;
        match self.kind {
            Kind::ColdStart => 1.0 + 9.0 * (-seconds / 10.0).exp(),
            Kind::Drift => {
                (1.0 + 0.5 * seconds.min(7_200.0) / 3_600.0)
                    * (0.12 * (seconds - 7_200.0).max(0.0) / 3_600.0).exp()
            }
            Kind::Deploys => {
                let (version, age) = version_of(seconds, endpoint);
                let warming = if version == 0 {
                    0.0
                } else {
                    (-age / 5.0).exp()
                };
                (1.0 + warming) * if version.is_multiple_of(2) { 1.0 } else { 1.25 }
            }
            _ => 1.0,
        }
    }
}

/// Which version an endpoint's place runs, and for how many seconds.
fn version_of(seconds: f64, place: usize) -> (u64, f64) {
    let since = seconds - place as f64 * 10.0;
    let version = (since / 600.0).floor().max(0.0);
    (version as u64, since - version * 600.0)
}

impl Traffic {
    pub(crate) fn new(model: Model, end_ns: u64, rng: &mut Rng) -> Self {
        let stalls = if model.kind == Kind::Stalls {
            stalls(end_ns / 1_000, rng)
        } else {
            Vec::new()
        };
        Self {
            model,
            stalls,
            exchanges: 0,
            has_failed: false,
        }
    }

    /// How many endpoints the stage must have: those of two versions where there are deploys.
    pub(crate) fn endpoints(model: &Model) -> usize {
        model.endpoints * (1 + usize::from(model.kind == Kind::Deploys))
    }

    /// The next request's moment after `now_ns`.
    pub(crate) fn next_ns(&self, now_ns: u64, rng: &mut Rng) -> u64 {
        let rate = self.model.rate * self.model.swing(now_ns).0;
        let gap = match self.model.arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Poisson | Arrivals::Bursty | Arrivals::Daily => -(1.0 - rng.f64()).ln(),
        };
        now_ns + ((gap / rate * SECOND as f64) as u64).max(1)
    }

    /// One exchange at `start_ns`, without any fault.
    pub(crate) fn exchange(&mut self, start_ns: u64, rng: &mut Rng) -> Exchange {
        self.exchanges += 1;
        let model = &self.model;
        let mut endpoint = rng.usize(0..model.endpoints);
        let pace = model.pace(start_ns, endpoint) * model.swing(start_ns).1;
        let micros = (model.latency.draw(rng) * pace).min(30e6);
        if model.kind == Kind::Deploys {
            let (version, _) = version_of(start_ns as f64 / SECOND as f64, endpoint);
            endpoint += model.endpoints * (version % 2) as usize;
        }
        let is_error = rng.f64() < model.error_share;
        let mut exchange = Exchange {
            start_ns,
            endpoint,
            route: rng.usize(0..model.routes),
            status: if is_error { 500 } else { 200 },
            ..Exchange::get(0, micros as u64)
        };
        exchange.backend_us += self.stalled_us(start_ns / 1_000, exchange.backend_us);
        self.colour(&mut exchange, rng);
        exchange
    }

    fn colour(&mut self, exchange: &mut Exchange, rng: &mut Rng) {
        match self.model.kind {
            Kind::Plain | Kind::ColdStart | Kind::Deploys | Kind::Drift | Kind::Stalls => {}
            Kind::Uploads => {
                exchange.method = HttpMethod::Post;
                exchange.upload_us = (1_000.0 * (2.5 * normal(rng)).exp()).min(1e7) as u64;
                if rng.u8(..) < 5 {
                    exchange.ending = Ending::Left(exchange.upload_us / 2);
                }
            }
            Kind::Streams => match rng.u8(0..5) {
                0 | 1 => {
                    exchange.is_streaming = true;
                    exchange.download_us = rng.u64(1_000_000..120_000_000);
                }
                2 => {
                    exchange.route = 1;
                    exchange.path = "/poll";
                    exchange.backend_us = rng.u64(0..30_000_000);
                }
                _ => {}
            },
            Kind::Retries => {
                if rng.u8(..) < 26 {
                    exchange.attempts = 2;
                    exchange.backend_us += self.model.latency.draw(rng) as u64;
                }
            }
            Kind::Grpc => {
                exchange.method = HttpMethod::Post;
                let is_callers = rng.u8(..) < 5;
                let failing = if exchange.status == 500 { 14 } else { 0 };
                exchange.grpc_status = Some(if is_callers { 5 } else { failing });
                exchange.status = 200;
            }
            Kind::BothFail => match rng.u8(0..100) {
                0 => exchange.status = 500,
                1 => {
                    exchange.status = 503;
                    exchange.ending = Ending::Gateway(rauta_schemas::Reason::Overload);
                }
                _ => {}
            },
            Kind::Probes | Kind::FlappingProbes => {
                exchange.is_probe = true;
                exchange.path = "/healthz";
                let is_flapping = self.model.kind == Kind::FlappingProbes;
                self.has_failed = is_flapping && !self.has_failed && rng.u8(0..2) == 0;
                if self.has_failed {
                    exchange.status = 503;
                }
            }
        }
    }

    /// How much longer an exchange takes because its machine stands still, microseconds.
    fn stalled_us(&self, start_us: u64, backend_us: u64) -> u64 {
        // Only a stall that began before it ends can touch it.
        let next = self
            .stalls
            .partition_point(|stall| stall.start_us <= start_us + backend_us);
        let Some(stall) = next.checked_sub(1).map(|last| self.stalls[last]) else {
            return 0;
        };
        if start_us < stall.start_us {
            return stall.length_us;
        }
        // It came in the stall, or while what came in it was still being served.
        let into_us = (start_us - stall.start_us) as f64;
        (stall.length_us as f64 - (1.0 - BUSY) * into_us).max(0.0) as u64
    }
}

fn stalls(end_us: u64, rng: &mut Rng) -> Vec<Stall> {
    let mut stalls = Vec::new();
    let mut at_us = 0;
    loop {
        // Three of them in ten seconds at most: a machine that stalls more often is at fault.
        at_us += (-(1.0 - rng.f64()).ln() * 300e6) as u64 + 20_000_000;
        if at_us >= end_us {
            return stalls;
        }
        let count = if rng.u8(0..5) == 0 { rng.u64(2..4) } else { 1 };
        for n in 0..count {
            stalls.push(Stall {
                start_us: at_us + n * 3_000_000 + rng.u64(..2_000_000),
                length_us: rng.u64(50_000..300_000),
            });
        }
        stalls.sort_unstable_by_key(|stall| stall.start_us);
    }
}

pub(crate) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.f64()).cos()
}
