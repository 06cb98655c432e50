//! From what was written to what may be used; pure, and every mistake at once.

use super::layers::{Mistake, Origins};
use super::otlp::{self, Otlp};
use super::raw::{RawAccessLog, RawConfig, RawDetection, RawDrain, RawProxy};
use super::{RawConfig as Raw, duration};
use ipnet::{IpNet, Ipv4Net};
use rauta_schemas::Producer;
use rauta_sinks::nats::NatsConfig;
use rauta_sinks::spool::SpoolConfig;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Where routing comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Files and folders of manifests.
    Manifests(Vec<PathBuf>),
    /// The quick way: one backend behind one listener.
    Quick {
        /// The backend.
        backend: SocketAddr,
        /// The listener.
        bind: SocketAddr,
        /// Files with certificate chain and key.
        tls: Option<(PathBuf, PathBuf)>,
    },
}

/// A line of JSON per exchange.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccessLog {
    /// Where to; `-` is stdout.
    pub(crate) path: String,
    /// Share of exchanges, 0 to 1.
    pub(crate) sample: f64,
    /// The fields of a line; `None`: all.
    pub(crate) fields: Option<Vec<String>>,
    /// Query parameters whose values are redacted; `None`: the usual ones.
    pub(crate) redact: Option<Vec<String>>,
}

/// The process's configuration, valid.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where routing comes from.
    pub(crate) input: Input,
    /// The only GatewayClass that is ours.
    pub(crate) gateway_class: Option<String>,
    /// Added to listeners' ports.
    pub(crate) port_offset: u16,
    /// Addresses of Gateways from manifests.
    pub(crate) address_pool: Ipv4Net,
    /// May manifests bind what is not loopback?
    pub(crate) bind_any: bool,
    /// Where the admin server listens.
    pub(crate) admin: SocketAddr,
    /// The log filter.
    pub(crate) log_level: String,
    /// `Some(true)`: JSON; `None`: as stdout suggests.
    pub(crate) log_json: Option<bool>,
    /// The data plane.
    pub(crate) proxy: rauta_proxy::Config,
    /// The detectors.
    pub(crate) detection: rauta_processors::Config,
    /// Who speaks in documents that leave: cluster, node, version.
    pub(crate) producer: Producer,
    /// A line per exchange.
    pub(crate) access_log: Option<AccessLog>,
    /// A line per anomaly: the file, `-` is stdout.
    pub(crate) anomaly_log: Option<String>,
    /// Telemetry to a collector.
    pub(crate) otlp: Option<Otlp>,
    /// What keeps anomalies until their sinks have delivered them.
    pub(crate) spool: SpoolConfig,
    /// Anomalies to NATS.
    pub(crate) nats: Option<NatsConfig>,
    /// `/readyz` answers 503 for this long before draining.
    pub(crate) pre_stop_wait: Duration,
    /// All of draining takes at most this long.
    pub(crate) drain_deadline: Duration,
}

impl Config {
    /// Validates what the layers said.
    pub(crate) fn new(raw: Raw, origins: &Origins) -> Result<Self, Vec<Mistake>> {
        let mut check = Check {
            origins,
            mistakes: Vec::new(),
        };
        let config = check.config(raw);
        if check.mistakes.is_empty() {
            Ok(config)
        } else {
            Err(check.mistakes)
        }
    }
}

/// Collects mistakes while defaults stand in for what is wrong.
pub(super) struct Check<'a> {
    origins: &'a Origins,
    mistakes: Vec<Mistake>,
}

impl Check<'_> {
    fn config(&mut self, raw: RawConfig) -> Config {
        self.mode(&raw);
        let input = self.input(&raw);
        let proxy = self.proxy(raw.proxy.unwrap_or_default());
        let drain = raw.drain.unwrap_or_default();
        let (pre_stop_wait, drain_deadline) = self.drain(&drain);
        let detection = raw.detection.unwrap_or_default();
        let access_log = raw.access_log.and_then(|raw| self.access_log(raw));
        let otlp = raw
            .otlp
            .and_then(|raw| otlp::validate(raw, &mut |field, text| self.mistake(field, &text)));
        Config {
            input,
            gateway_class: raw.gateway_class,
            port_offset: raw.port_offset.unwrap_or(0),
            address_pool: self.parse("address_pool", raw.address_pool, default_pool(), |_| {
                "write an IPv4 network, like 127.0.10.0/24".into()
            }),
            bind_any: raw.bind_any.unwrap_or(false),
            admin: self.address("admin", raw.admin, SocketAddr::from((LOOPBACK, 9090))),
            log_level: raw.log_level.unwrap_or_else(|| "info".into()),
            log_json: self.log_format(raw.log_format.as_deref()),
            proxy,
            producer: producer(&detection),
            detection: self.detection(detection),
            access_log,
            anomaly_log: raw.anomaly_log.and_then(|log| log.path),
            otlp,
            spool: self.spool(raw.spool.unwrap_or_default()),
            nats: raw.nats.and_then(|raw| self.nats(raw)),
            pre_stop_wait,
            drain_deadline,
        }
    }

    fn mode(&mut self, raw: &RawConfig) {
        match raw.mode.as_deref() {
            None | Some("ingress") => {}
            Some("observability") => self.mistake(
                "mode",
                "`observability` needs the kernel observer, which this build does not hold; \
                 use `ingress`",
            ),
            Some(other) => self.mistake("mode", &format!("`{other}` is no mode; use `ingress`")),
        }
        if raw.k8s_mode == Some(true) {
            self.mistake(
                "k8s_mode",
                "this build does not read the Kubernetes API; give `manifests` instead",
            );
        }
        if raw.interface.is_some() {
            self.mistake(
                "interface",
                "only the kernel observer has one, and this build holds none",
            );
        }
    }

    fn input(&mut self, raw: &RawConfig) -> Input {
        let manifests = raw.manifests.clone().unwrap_or_default();
        let none = SocketAddr::from((LOOPBACK, 0));
        match (&raw.backend_addr, manifests.is_empty()) {
            (Some(_), false) => self.mistake(
                "backend_addr",
                "the quick way and `manifests` exclude each other; give one of them",
            ),
            (None, true) => self.mistake(
                "manifests",
                "nothing to route; give --manifests DIR, or RAUTA_BACKEND_ADDR for the quick way",
            ),
            (None, false) => {
                for (field, given) in [
                    ("bind_addr", raw.bind_addr.is_some()),
                    ("tls_cert", raw.tls_cert.is_some()),
                    ("tls_key", raw.tls_key.is_some()),
                ] {
                    if given {
                        self.mistake(
                            field,
                            "belongs to the quick way; with `manifests` a Gateway says it",
                        );
                    }
                }
            }
            (Some(_), true) => {}
        }
        let Some(backend) = raw.backend_addr.clone() else {
            return Input::Manifests(manifests.into_iter().map(PathBuf::from).collect());
        };
        let tls = match (&raw.tls_cert, &raw.tls_key) {
            (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
            (Some(_), None) => {
                self.mistake("tls_key", "missing; a certificate needs its private key");
                None
            }
            (None, Some(_)) => {
                self.mistake("tls_cert", "missing; a private key needs its certificate");
                None
            }
            (None, None) => None,
        };
        Input::Quick {
            backend: self.address("backend_addr", Some(backend), none),
            bind: self.address(
                "bind_addr",
                raw.bind_addr.clone(),
                SocketAddr::from((LOOPBACK, 8080)),
            ),
            tls,
        }
    }

    fn proxy(&mut self, raw: RawProxy) -> rauta_proxy::Config {
        let mut config = rauta_proxy::Config::default();
        if let Some(workers) = raw.workers {
            if workers == 0 {
                self.mistake("proxy.workers", "must be at least 1");
            }
            config.workers = usize::from(workers.max(1));
        }
        for peer in raw.trusted_peers.unwrap_or_default() {
            match peer
                .parse::<IpNet>()
                .or_else(|_| peer.parse::<IpAddr>().map(IpNet::from))
            {
                Ok(net) => config.trusted.push(net),
                Err(_) => self.mistake(
                    "proxy.trusted_peers",
                    &format!("`{peer}` is neither an IP address nor a network like 10.0.0.0/8"),
                ),
            }
        }
        config.proxy_protocol = raw.proxy_protocol.unwrap_or(config.proxy_protocol);
        if config.proxy_protocol && config.trusted.is_empty() {
            self.mistake(
                "proxy.proxy_protocol",
                "needs `proxy.trusted_peers`: whose headers to believe",
            );
        }
        let limits = &mut config.limits;
        set(
            &mut limits.connections_per_worker,
            raw.connections_max.map(|n| n as usize),
        );
        set(
            &mut config.message.head_bytes,
            raw.request_head_bytes_max.map(|n| n as usize),
        );
        set(
            &mut config.message.fields,
            raw.request_fields_max.map(usize::from),
        );
        config.message.body_bytes = raw.request_body_bytes_max.or(config.message.body_bytes);
        self.timeout("proxy.head_timeout", raw.head_timeout, &mut limits.head);
        self.timeout(
            "proxy.progress_timeout",
            raw.progress_timeout,
            &mut limits.progress,
        );
        set(
            &mut limits.client_bytes_per_s,
            raw.client_bytes_per_second_min,
        );
        self.timeout(
            "proxy.keep_alive_timeout",
            raw.keep_alive_timeout,
            &mut limits.keep_alive,
        );
        self.timeout(
            "proxy.connect_timeout",
            raw.connect_timeout,
            &mut limits.connect,
        );
        config
    }

    fn drain(&mut self, raw: &RawDrain) -> (Duration, Duration) {
        let (mut wait, mut deadline) = (Duration::ZERO, Duration::from_secs(30));
        self.duration("drain.pre_stop_wait", raw.pre_stop_wait.clone(), &mut wait);
        self.timeout("drain.deadline", raw.deadline.clone(), &mut deadline);
        (wait, deadline)
    }

    fn detection(&mut self, raw: RawDetection) -> rauta_processors::Config {
        let mut slot = Duration::ZERO;
        self.duration("detection.baseline_slot", raw.baseline_slot, &mut slot);
        let mut config = match slot.is_zero() {
            true => rauta_processors::Config::default(),
            false => rauta_processors::Config::with_slot(slot),
        };
        config.state_file = raw.baseline_file.map(PathBuf::from);
        config.keys_max = raw.keys_max.unwrap_or(config.keys_max);
        for error in config.validate().err().unwrap_or_default() {
            let field = match error.field {
                "keys_max" => "detection.keys_max",
                _ => "detection.baseline_slot",
            };
            self.mistake(field, &error.to_string());
        }
        config
    }

    fn access_log(&mut self, raw: RawAccessLog) -> Option<AccessLog> {
        let sample = raw.sample.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&sample) {
            self.mistake(
                "access_log.sample",
                &format!("`{sample}` is no share; write 0 to 1"),
            );
        }
        let known = rauta_sinks::jsonl::ACCESS_FIELDS;
        for field in raw.fields.iter().flatten() {
            if !known.contains(&field.as_str()) {
                let known = known.join(", ");
                self.mistake(
                    "access_log.fields",
                    &format!("`{field}` is no field; there are {known}"),
                );
            }
        }
        let path = raw.path?;
        Some(AccessLog {
            path,
            sample,
            fields: raw.fields,
            redact: raw.redact,
        })
    }

    fn log_format(&mut self, format: Option<&str>) -> Option<bool> {
        match format {
            None | Some("auto") => None,
            Some("text") => Some(false),
            Some("json") => Some(true),
            Some(other) => {
                self.mistake(
                    "log_format",
                    &format!("`{other}` is no format; use text, json or auto"),
                );
                None
            }
        }
    }

    fn address(&mut self, field: &str, text: Option<String>, default: SocketAddr) -> SocketAddr {
        self.parse(field, text, default, |_| {
            "write an address and port, like 127.0.0.1:3000".into()
        })
    }

    fn parse<T: FromStr<Err: Display>>(
        &mut self,
        field: &str,
        text: Option<String>,
        default: T,
        advice: impl Fn(&str) -> String,
    ) -> T {
        let Some(text) = text else { return default };
        text.parse().unwrap_or_else(|error| {
            self.mistake(field, &format!("`{text}`: {error}; {}", advice(&text)));
            default
        })
    }

    pub(super) fn timeout(&mut self, field: &str, text: Option<String>, into: &mut Duration) {
        self.duration(field, text, into);
        if into.is_zero() {
            self.mistake(field, "must be longer than 0s");
        }
    }

    fn duration(&mut self, field: &str, text: Option<String>, into: &mut Duration) {
        match text.as_deref().map(duration::parse) {
            None => {}
            Some(Ok(duration)) => *into = duration,
            Some(Err(text)) => self.mistake(field, &text),
        }
    }

    /// Notes a mistake, once: a field may be read for several uses.
    pub(super) fn mistake(&mut self, field: &str, text: &str) {
        let mistake = Mistake {
            field: field.to_owned(),
            origin: self.origins.of(field).to_owned(),
            text: text.to_owned(),
        };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

fn producer(raw: &RawDetection) -> Producer {
    let node = raw.node.clone();
    Producer {
        cluster: raw.cluster.clone().unwrap_or_else(|| "local".into()),
        node: node.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into()),
        version: crate::version::VERSION.into(),
    }
}

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

fn default_pool() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 10, 0), 24)
}

fn set<T>(into: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *into = value;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layers;
    use super::*;

    fn config(file: &str) -> Result<Config, Vec<String>> {
        let mut layers = Layers::default();
        layers.file("rauta.toml", file);
        let (raw, origins, mistakes) = layers.read();
        assert_eq!(mistakes, []);
        Config::new(raw, &origins)
            .map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.field).collect())
    }

    #[test]
    fn manifests_alone_are_enough() {
        let config = config("manifests = [\"routes\"]").expect("valid");
        assert_eq!(config.input, Input::Manifests(vec!["routes".into()]));
        assert_eq!(config.admin.to_string(), "127.0.0.1:9090");
        assert_eq!(config.pre_stop_wait, Duration::ZERO);
    }

    #[test]
    fn the_quick_way_needs_a_backend_only() {
        let config = config("backend_addr = \"127.0.0.1:3000\"").expect("valid");
        let Input::Quick { backend, bind, tls } = config.input else {
            panic!("{:?}", config.input)
        };
        assert_eq!(backend.to_string(), "127.0.0.1:3000");
        assert_eq!(bind.to_string(), "127.0.0.1:8080");
        assert_eq!(tls, None);
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let file = r#"
            mode = "mesh"
            backend_addr = "here"
            tls_cert = "cert.pem"
            address_pool = "127.0.10.0"
            log_format = "xml"
            [proxy]
            workers = 0
            trusted_peers = ["10.0.0.0/99"]
            head_timeout = "10"
            [drain]
            deadline = "0s"
            [access_log]
            path = "-"
            sample = 2.0
            fields = ["status", "cookies"]
        "#;
        let mut fields = config(file).expect_err("nothing of it is right");
        fields.sort();
        assert_eq!(
            fields,
            [
                "access_log.fields",
                "access_log.sample",
                "address_pool",
                "backend_addr",
                "drain.deadline",
                "log_format",
                "mode",
                "proxy.head_timeout",
                "proxy.trusted_peers",
                "proxy.workers",
                "tls_key",
            ]
        );
    }

    #[test]
    fn the_two_inputs_exclude_each_other_and_one_is_needed() {
        assert_eq!(config("").expect_err("nothing to route"), ["manifests"]);
        let both = "manifests = [\"a\"]\nbackend_addr = \"127.0.0.1:1\"";
        assert_eq!(config(both).expect_err("both"), ["backend_addr"]);
        let mixed = "manifests = [\"a\"]\nbind_addr = \"127.0.0.1:1\"";
        assert_eq!(config(mixed).expect_err("mixed"), ["bind_addr"]);
    }
}
