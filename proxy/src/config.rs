//! What the data plane is told at its start; routing arrives later, as snapshots. Every limit on
//! size, time and number stands in [`Limits`] with its safe default; those of one HTTP/1 message
//! are `rauta_http1`'s.

use ipnet::IpNet;
use rauta_schemas::RuleName;
use std::net::IpAddr;
use std::time::Duration;

/// The validated configuration of the data plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// Worker threads, one per core by default; at least 1.
    pub workers: usize,
    /// Limits of one message: head 32 KiB, 100 fields, target 8 KiB, body without limit.
    pub message: rauta_http1::Limits,
    /// Limits of time and number.
    pub limits: Limits,
    /// Peers whose `X-Forwarded-*`, `X-Request-Id` and PROXY header are believed.
    pub trusted: Vec<IpNet>,
    /// Do trusted peers send a PROXY protocol header (v1 or v2) first?
    pub proxy_protocol: bool,
    /// How many exchanges in a million carry a detail (full path, user agent, request id).
    pub detail_per_million: u32,
    /// Which of the traces that RAUTA begins are recorded.
    pub tracing: Tracing,
}

/// Which of the traces that RAUTA begins are recorded: it says so in `traceparent`.
#[derive(Clone, Debug, Default)]
pub struct Tracing {
    /// Does anyone report spans? Then exchanges of recorded traces carry a detail.
    pub is_on: bool,
    /// How many of a million new traces are recorded.
    pub per_million: u32,
    /// Routes with a share of their own.
    pub routes: Vec<RouteShare>,
}

/// A route's own share of recorded traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteShare {
    /// The route's namespace.
    pub namespace: String,
    /// The route.
    pub route: String,
    /// How many of a million new traces are recorded.
    pub per_million: u32,
}

impl Tracing {
    /// The share of a rule.
    pub(crate) fn per_million(&self, rule: &RuleName) -> u32 {
        let own = self
            .routes
            .iter()
            .find(|share| share.route == rule.route && share.namespace == rule.namespace);
        own.map_or(self.per_million, |share| share.per_million)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            message: rauta_http1::Limits::default(),
            limits: Limits::default(),
            trusted: Vec::new(),
            proxy_protocol: false,
            detail_per_million: 0,
            tracing: Tracing::default(),
        }
    }
}

impl Config {
    /// Is `ip` a peer whose forwarding fields are believed?
    pub(crate) fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&ip))
    }

    /// What is wrong with the values, each with the field's name; empty when all is well.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut at_least = |field: &str, value: u64, least: u64| {
            if value < least {
                mistakes.push(format!("{field} is {value}; set it to {least} or more"));
            }
        };
        at_least("workers", self.workers as u64, 1);
        at_least("message.head_bytes", self.message.head_bytes as u64, 1024);
        at_least("message.fields", self.message.fields as u64, 8);
        at_least(
            "limits.connections_per_worker",
            self.limits.connections_per_worker as u64,
            1,
        );
        if self.workers > 1024 {
            mistakes.push(format!(
                "workers is {}; set it to 1024 or less",
                self.workers
            ));
        }
        if self.detail_per_million > 1_000_000 {
            let value = self.detail_per_million;
            mistakes.push(format!(
                "detail_per_million is {value}; set it to 1000000 or less"
            ));
        }
        mistakes
    }
}

/// Limits of time and number. Times are kept with a precision of 100 ms.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Client connections that one worker holds; beyond, new ones are closed at once.
    pub connections_per_worker: usize,
    /// TLS handshakes with clients that one worker has in progress; beyond, connections are closed
    /// at once.
    pub handshakes_per_worker: usize,
    /// Requests that one worker has in flight; beyond, 503 with `Retry-After`.
    pub in_flight_per_worker: usize,
    /// From a connection's, or a request's, first byte to the end of its head.
    pub head: Duration,
    /// A TLS handshake, or a PROXY header.
    pub handshake: Duration,
    /// A connection between two requests.
    pub keep_alive: Duration,
    /// A side that has to take or send bytes and does not.
    pub progress: Duration,
    /// Bytes a second that a client has to send of a body, or take of a response, where the
    /// exchange waits for it: looked at each time that `progress` has passed. 0 asks for none.
    pub client_bytes_per_s: u32,
    /// Making a connection to an endpoint.
    pub connect: Duration,
    /// From the request's last byte to the response's head, where the rule sets no limit.
    pub response_head: Duration,
    /// A response whose head was sent and on which nothing moves in either direction.
    pub stream_idle: Duration,
    /// An upgraded connection on which nothing moves in either direction.
    pub tunnel_idle: Duration,
    /// Upstream connections between two requests: shorter than what backends usually keep.
    pub upstream_idle: Duration,
    /// Unused upstream connections that one worker keeps per endpoint.
    pub upstream_idle_per_endpoint: usize,
    /// While draining: how long a client may stay idle before its connection is closed.
    pub drain_idle: Duration,
    /// Bytes of an unread request body that are read and thrown away to keep a connection.
    pub discard_bytes: u64,
    /// The largest body that is kept for a retry.
    pub replay_bytes: usize,
    /// Retries in percent of the requests of a worker; a few are always allowed.
    pub retry_percent: u32,
    /// Copies of requests (mirrors) that one worker has in flight; beyond, copies are left out.
    pub mirrors_per_worker: usize,
}

impl Limits {
    /// After how long a peer that acknowledges nothing has vanished. Never before it may be called
    /// stalled: a peer that takes nothing acknowledges nothing, either.
    pub(crate) fn vanished(&self) -> Duration {
        self.progress.max(Duration::from_secs(60))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_worker: 50_000,
            handshakes_per_worker: 4_096,
            in_flight_per_worker: 20_000,
            head: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            progress: Duration::from_secs(30),
            client_bytes_per_s: 500,
            connect: Duration::from_secs(5),
            response_head: Duration::from_secs(60),
            stream_idle: Duration::from_secs(300),
            tunnel_idle: Duration::from_secs(3600),
            upstream_idle: Duration::from_secs(30),
            upstream_idle_per_endpoint: 256,
            drain_idle: Duration::from_secs(5),
            discard_bytes: 64 * 1024,
            replay_bytes: 64 * 1024,
            retry_percent: 20,
            mirrors_per_worker: 256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_the_field_and_its_value() {
        assert!(Config::default().mistakes().is_empty());
        let config = Config {
            workers: 0,
            detail_per_million: 1_000_001,
            ..Config::default()
        };
        assert_eq!(
            config.mistakes(),
            [
                "workers is 0; set it to 1 or more",
                "detail_per_million is 1000001; set it to 1000000 or less"
            ]
        );
    }

    #[test]
    fn only_listed_peers_are_trusted() {
        let trusted = vec!["10.0.0.0/8".parse().unwrap()];
        let config = Config {
            trusted,
            ..Config::default()
        };
        assert!(config.trusts("10.1.2.3".parse().unwrap()));
        assert!(!config.trusts("127.0.0.1".parse().unwrap()));
    }
}
