//! A line per exchange: the request's and the response's event joined, chosen fields only.

use super::file::LineFile;
use super::redact;
use rauta_core::bus::Subscription;
use rauta_schemas::{
    Event, ExchangeId, HttpDetail, HttpRequestEvent, HttpResponseEvent, Names, Timings,
};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::collections::VecDeque;

/// Every field a line may have, in the order they are written.
pub const ACCESS_FIELDS: &[&str] = &[
    "time_unix_ns",
    "connection",
    "request",
    "client",
    "method",
    "authority",
    "path",
    "version",
    "status",
    "grpc_status",
    "outcome",
    "side",
    "reason",
    "request_bytes",
    "response_bytes",
    "duration_us",
    "head_read_us",
    "upstream_chosen_us",
    "connected_us",
    "sent_us",
    "first_byte_us",
    "gateway",
    "listener",
    "route",
    "rule",
    "backend",
    "endpoint",
    "attempts",
    "upstream_version",
    "trace_id",
    "span_id",
    "user_agent",
    "request_id",
];

/// Requests whose response is awaited; past this the oldest is written without its path.
const PENDING_MAX: usize = 65_536;

/// Events taken in between two flushes when the queue never empties.
const FLUSH_EVERY: u32 = 1_024;

/// What a line holds and which exchanges get one.
#[derive(Clone, Debug)]
pub struct AccessLogConfig {
    /// The exchanges out of a million that get a line.
    pub per_million: u32,
    /// The fields of a line, of [`ACCESS_FIELDS`]; `None`: all.
    pub fields: Option<Vec<String>>,
    /// Query parameters whose values are redacted; `None`: the usual ones.
    pub redact: Option<Vec<String>>,
}

#[derive(Debug)]
struct Pending {
    client: String,
    authority: String,
    path: String,
    user_agent: String,
    request_id: String,
}

/// Joins the two events of each exchange and writes its line.
#[derive(Debug)]
pub struct AccessLog {
    config: AccessLogConfig,
    names: Names,
    file: LineFile,
    pending: HashMap<ExchangeId, Pending>,
    order: VecDeque<ExchangeId>,
}

impl AccessLog {
    /// Writes to `file`.
    pub fn new(config: AccessLogConfig, names: Names, file: LineFile) -> Self {
        Self {
            config,
            names,
            file,
            pending: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Takes one event in; a response completes its line.
    pub fn on_event(&mut self, event: &Event) {
        match event {
            Event::HttpRequest(request) if self.wants(request.exchange) => self.keep(request),
            Event::HttpResponse(response) if self.wants(response.exchange) => {
                let pending = self.pending.remove(&response.exchange);
                let line = self.line(pending, response);
                self.file.push(line.as_bytes());
            }
            _ => {}
        }
    }

    /// Takes in what comes until the queue's end. All lines are written whenever nothing more
    /// waits. `warn` is told where a rotated file cannot be opened anew.
    pub fn run(mut self, mut events: Subscription, warn: impl Fn(std::io::Error)) {
        while let Some(event) = events.recv_blocking() {
            self.on_event(&event);
            let mut taken = 1;
            while taken < FLUSH_EVERY
                && let Some(event) = events.try_recv()
            {
                self.on_event(&event);
                taken += 1;
            }
            if let Err(error) = self.flush() {
                warn(error);
            }
        }
    }

    /// Writes what is gathered, and follows a rotation. Call it about once a second.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush();
        self.order
            .retain(|exchange| self.pending.contains_key(exchange));
        self.file.follow()
    }

    fn wants(&self, exchange: ExchangeId) -> bool {
        exchange.is_sampled(self.config.per_million)
    }

    fn keep(&mut self, request: &HttpRequestEvent) {
        while self.pending.len() >= PENDING_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.pending.remove(&oldest);
        }
        let detail = request.detail.as_deref();
        let text = |full: fn(&HttpDetail) -> &String, prefix: &str| match detail.map(full) {
            Some(full) if !full.is_empty() => full.clone(),
            _ => prefix.to_owned(),
        };
        let path = text(|detail| &detail.path, request.path.as_str());
        let path = match &self.config.redact {
            Some(names) => redact::query(&path, names),
            None => redact::query(&path, redact::USUAL),
        };
        let client = detail
            .map(|detail| detail.client)
            .filter(|client| client.is_known());
        self.order.push_back(request.exchange);
        self.pending.insert(
            request.exchange,
            Pending {
                client: client.unwrap_or(request.downstream.source).to_string(),
                authority: text(|detail| &detail.authority, request.authority.as_str()),
                path,
                user_agent: text(|detail| &detail.user_agent, ""),
                request_id: text(|detail| &detail.request_id, ""),
            },
        );
    }

    fn line(&self, pending: Option<Pending>, response: &HttpResponseEvent) -> String {
        let mut all = Map::new();
        response_fields(&mut all, response);
        self.name_fields(&mut all, response);
        if let Some(pending) = pending {
            for (name, value) in [
                ("client", pending.client),
                ("authority", pending.authority),
                ("path", pending.path),
                ("user_agent", pending.user_agent),
                ("request_id", pending.request_id),
            ] {
                all.insert(name.into(), value.into());
            }
        }
        // The one that the backend saw, where the client sent none.
        if let Some(detail) = response.detail.as_deref()
            && !detail.request_id.is_empty()
        {
            all.insert("request_id".into(), detail.request_id.clone().into());
        }
        let mut line = String::from("{");
        for name in ACCESS_FIELDS {
            let chosen = self.config.fields.as_ref();
            let is_chosen = chosen.is_none_or(|fields| fields.iter().any(|field| field == name));
            let Some(value) = all.get(*name).filter(|value| is_chosen && !is_empty(value)) else {
                continue;
            };
            if line.len() > 1 {
                line.push(',');
            }
            line.push_str(&format!("\"{name}\":{value}"));
        }
        line.push('}');
        line
    }

    fn name_fields(&self, all: &mut Map<String, Value>, response: &HttpResponseEvent) {
        let id = response.identity;
        if let Some(name) = self.names.listener(id.listener) {
            all.insert(
                "gateway".into(),
                format!("{}/{}", name.namespace, name.gateway).into(),
            );
            all.insert("listener".into(), name.listener.clone().into());
        }
        if let Some(name) = self.names.rule(id.rule) {
            all.insert(
                "route".into(),
                format!("{}/{}", name.namespace, name.route).into(),
            );
            all.insert("rule".into(), name.rule.clone().into());
        }
        if let Some(name) = self.names.backend(id.backend) {
            let backend = format!("{}/{}:{}", name.namespace, name.service, name.port);
            all.insert("backend".into(), backend.into());
        }
        if let Some(name) = self.names.endpoint(id.endpoint) {
            all.insert("endpoint".into(), name.address.clone().into());
        }
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

fn response_fields(all: &mut Map<String, Value>, response: &HttpResponseEvent) {
    let step = |us: u32| {
        if us == Timings::UNSET {
            Value::Null
        } else {
            us.into()
        }
    };
    let timings = &response.timings;
    let trace = &response.trace;
    for (name, value) in [
        ("time_unix_ns", Value::from(response.wall_ns)),
        ("connection", response.exchange.connection.number().into()),
        ("request", response.exchange.ordinal.into()),
        ("method", response.method.label().into()),
        ("version", response.downstream_version.label().into()),
        ("status", response.status.into()),
        ("grpc_status", response.grpc_status.into()),
        ("outcome", response.outcome.label().into()),
        ("side", response.side.label().into()),
        ("reason", response.reason.label().into()),
        ("request_bytes", response.request_bytes.into()),
        ("response_bytes", response.response_bytes.into()),
        ("duration_us", (response.last_byte_ns / 1_000).into()),
        ("head_read_us", step(timings.head_read_us)),
        ("upstream_chosen_us", step(timings.upstream_chosen_us)),
        ("connected_us", step(timings.connected_us)),
        ("sent_us", step(timings.sent_us)),
        ("first_byte_us", step(timings.first_byte_us)),
        ("attempts", response.attempts_count.into()),
        ("upstream_version", response.upstream_version.label().into()),
        ("trace_id", hex(&trace.trace_id).into()),
        ("span_id", hex(&trace.span_id).into()),
    ] {
        all.insert(name.into(), value);
    }
}

/// Lower-case hexadecimal; all zero is no id at all.
fn hex(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| *byte == 0) {
        return String::new();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rauta_core::bus::{Bus, BusConfig};
    use rauta_core::clock;
    use rauta_schemas::{Families, Family};
    use rauta_test_support::events::{chosen_request, response};

    fn log(folder: &tempfile::TempDir, config: AccessLogConfig) -> (AccessLog, std::path::PathBuf) {
        let path = folder.path().join("access.jsonl");
        let file = LineFile::open(path.to_str().expect("UTF-8")).expect("opens");
        (AccessLog::new(config, Names::default(), file), path)
    }

    fn all() -> AccessLogConfig {
        AccessLogConfig {
            per_million: 1_000_000,
            fields: None,
            redact: None,
        }
    }

    fn lines(path: &std::path::Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).expect("read");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line is JSON"))
            .collect()
    }

    #[test]
    fn a_line_joins_both_events_of_an_exchange() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut log, path) = log(&folder, all());
        log.on_event(&Event::HttpRequest(chosen_request(
            7,
            "/a?token=x\u{1b}&q=1",
        )));
        log.on_event(&Event::HttpResponse(response(7, 200)));
        log.flush().expect("flushes");
        let lines = lines(&path);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["path"], "/a?token=REDACTED&q=1");
        assert_eq!(lines[0]["status"], 200);
        assert_eq!(lines[0]["outcome"], "completed");
        assert!(
            lines[0].get("grpc_status").is_none(),
            "absent, not null: {}",
            lines[0]
        );
    }

    #[test]
    fn no_line_waits_for_the_next_event() {
        let (bus, mut pipeline) = Bus::new(BusConfig::default());
        let families = Families::NONE.with(Family::HttpResponse);
        let events = pipeline.subscribe("access_log", families, 8);
        let publisher = bus.publisher("test");
        // Two at once: the second must not stay behind.
        for ordinal in 1..=2 {
            publisher.publish(Event::HttpResponse(response(ordinal, 200)));
        }
        pipeline.turn(clock::now());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (log, _path) = log(&folder, all());
        let written = log.file.lines();
        let thread = std::thread::spawn(move || log.run(events, |error| panic!("{error}")));
        let all_written = (0..10_000_000).any(|_| {
            std::thread::yield_now();
            written.written() == 2
        });
        assert!(all_written, "{} of 2 lines are written", written.written());
        drop((pipeline, bus));
        thread.join().expect("it ends with the queue");
    }

    #[test]
    fn only_chosen_fields_of_chosen_exchanges_are_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let fields = Some(vec!["status".into(), "path".into()]);
        let (mut log, path) = log(&folder, AccessLogConfig { fields, ..all() });
        log.on_event(&Event::HttpRequest(chosen_request(1, "/a")));
        log.on_event(&Event::HttpResponse(response(1, 404)));
        log.flush().expect("flushes");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "{\"path\":\"/a\",\"status\":404}\n");

        let (mut log, path) = self::log(
            &folder,
            AccessLogConfig {
                per_million: 0,
                ..all()
            },
        );
        log.on_event(&Event::HttpResponse(response(2, 200)));
        log.flush().expect("flushes");
        assert_eq!(lines(&path).len(), 1, "nothing new");
    }

    #[test]
    fn a_response_whose_request_event_was_dropped_still_has_its_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut log, path) = log(&folder, all());
        log.on_event(&Event::HttpResponse(response(3, 503)));
        log.flush().expect("flushes");
        assert_eq!(lines(&path)[0]["status"], 503);
        assert!(lines(&path)[0].get("path").is_none());
    }
}
