//! What runs, as data: for the admin server's pages and for documents that leave the process.

use crate::admin::{ExplainView, View};
use crate::config::{Config, Input};
use crate::explain::{Question, explain};
use crate::routing::RoutingView;
use crate::version::VERSION;
use rauta_routing::{Listener, Snapshot};
use rauta_schemas::{ObserverEvent, Producer};
use rauta_sinks::nats::{Auth, Encoding, NatsConfig, SubjectTemplate};
use rauta_sinks::otlp::Signal;
use serde_json::{Value, json};

/// The configuration in force. It names files with secrets, never what is in them.
pub(crate) fn config(config: &Config) -> Value {
    let input = match &config.input {
        Input::Manifests(paths) => json!({ "manifests": paths }),
        Input::Quick { backend, bind, tls } => json!({
            "backend_addr": backend,
            "bind_addr": bind,
            "tls_cert": tls.as_ref().map(|(certificate, _)| certificate),
            "tls_key": tls.as_ref().map(|(_, key)| key),
        }),
    };
    let limits = &config.proxy.limits;
    json!({
        "version": VERSION,
        "mode": "ingress",
        "input": input,
        "gateway_class": config.gateway_class,
        "port_offset": config.port_offset,
        "address_pool": config.address_pool.to_string(),
        "bind_any": config.bind_any,
        "admin": config.admin,
        "proxy": {
            "workers": config.proxy.workers,
            "trusted_peers": config.proxy.trusted.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "proxy_protocol": config.proxy.proxy_protocol,
            "connections_max": limits.connections_per_worker,
            "request_head_bytes_max": config.proxy.message.head_bytes,
            "request_fields_max": config.proxy.message.fields,
            "request_body_bytes_max": config.proxy.message.body_bytes,
            "head_timeout_ms": limits.head.as_millis() as u64,
            "progress_timeout_ms": limits.progress.as_millis() as u64,
            "client_bytes_per_second_min": limits.client_bytes_per_s,
            "keep_alive_timeout_ms": limits.keep_alive.as_millis() as u64,
            "connect_timeout_ms": limits.connect.as_millis() as u64,
        },
        "detection": { "cluster": config.producer.cluster, "baseline_file": config.detection.state_file },
        "access_log": config.access_log.as_ref().map(|log| json!({ "path": log.path, "sample": log.sample })),
        "anomaly_log": config.anomaly_log,
        "spool": { "directory": config.spool.directory, "bytes_max": config.spool.bytes_max },
        "nats": config.nats.as_ref().map(nats),
        "otlp": config.otlp.as_ref().map(|otlp| exported(&otlp.sink)),
        "drain": {
            "pre_stop_wait_ms": config.pre_stop_wait.as_millis() as u64,
            "deadline_ms": config.drain_deadline.as_millis() as u64,
        },
    })
}

/// Where telemetry goes. Headers may hold secrets: they are left out.
fn exported(config: &rauta_sinks::otlp::Config) -> Value {
    let signals = Signal::ALL.into_iter().filter_map(|signal| {
        let target = config.target(signal)?;
        let shown = json!({
            "url": target.url.to_string(),
            "protocol": target.protocol.label(),
            "gzip": target.gzip,
            "timeout_ms": target.timeout.as_millis() as u64,
        });
        Some((signal.label().to_owned(), shown))
    });
    Value::Object(signals.collect())
}

/// How NATS is reached; no secret is shown.
fn nats(nats: &NatsConfig) -> Value {
    let auth = match &nats.auth {
        Auth::None => json!(null),
        Auth::Token(_) => json!({ "token": "REDACTED" }),
        Auth::User(user, _) => json!({ "user": user, "password": "REDACTED" }),
        Auth::Credentials(path) => json!({ "credentials_file": path }),
    };
    let subject = |template: &Option<SubjectTemplate>| {
        let text = template.as_ref().map(SubjectTemplate::as_str);
        text.map(str::to_owned)
    };
    json!({
        "servers": nats.servers,
        "auth": auth,
        "tls": {
            "is_required": nats.tls.is_required,
            "authorities": nats.tls.authorities,
            "certificate": nats.tls.certificate.as_ref().map(|(certificate, _)| certificate),
        },
        "core_subject": subject(&nats.core_subject),
        "subject": subject(&nats.subject),
        "encoding": match nats.encoding {
            Encoding::Json => "json",
            Encoding::MessagePack => "msgpack",
        },
        "stream": { "name": nats.stream.name, "create": nats.stream.create },
    })
}

/// Ports, listeners and routes as every worker serves them, and each object's conditions, which may
/// be one change ahead of them.
pub(crate) fn routes(view: RoutingView) -> View {
    Box::new(move || {
        let snapshot = view.snapshot();
        let ports: Vec<_> = snapshot
            .ports
            .iter()
            .map(|port| {
                json!({
                    "address": port.address,
                    "protocol": format!("{:?}", port.protocol).to_ascii_uppercase(),
                    "port": port.public_port,
                    "listeners": port.listeners().iter().map(|l| listener(l)).collect::<Vec<_>>(),
                })
            })
            .collect();
        json!({ "generation": snapshot.generation, "ports": ports, "objects": view.status() })
    })
}

fn listener(listener: &Listener) -> Value {
    let name = listener.name.name();
    let routes: Vec<_> = listener
        .routes
        .routes()
        .iter()
        .map(|route| {
            let hostnames: Vec<_> = route
                .hostnames
                .iter()
                .map(|name| name.own.to_string())
                .collect();
            json!({ "route": route.key, "hostnames": hostnames, "rules": route.rules.len() })
        })
        .collect();
    json!({
        "gateway": format!("{}/{}", name.namespace, name.gateway),
        "listener": name.listener,
        "hostname": listener.hostname.as_ref().map(ToString::to_string),
        "routes": routes,
    })
}

/// Backends with their endpoints and passive health.
pub(crate) fn endpoints(view: RoutingView) -> View {
    Box::new(move || {
        let snapshot = view.snapshot();
        let now_ms = rauta_core::clock::monotonic_ns() / 1_000_000;
        let mut backends: Vec<_> = snapshot.backends.values().collect();
        backends.sort_by_key(|backend| {
            (
                backend.name.name().namespace.clone(),
                backend.name.name().service.clone(),
                backend.name.name().port,
            )
        });
        backends
            .into_iter()
            .map(|backend| {
                let name = backend.name.name();
                let endpoints: Vec<_> = backend
                    .endpoints
                    .iter()
                    .map(|endpoint| {
                        json!({
                            "address": endpoint.address,
                            "pod": endpoint.name.name().pod,
                            "ejected": endpoint.health.is_ejected(now_ms),
                        })
                    })
                    .collect();
                json!({
                    "backend": format!("{}/{}:{}", name.namespace, name.service, name.port),
                    "protocol": format!("{:?}", backend.protocol),
                    "tls": backend.tls.is_some(),
                    "endpoints": endpoints,
                })
            })
            .collect()
    })
}

/// What answers a request.
pub(crate) fn explained(view: RoutingView) -> ExplainView {
    Box::new(move |method, url, headers| {
        let question = Question::new(method, url, headers)?;
        let snapshot: std::sync::Arc<Snapshot> = view.snapshot();
        Ok(explain(&snapshot, &question, None))
    })
}

/// The document of an anomaly.
pub(crate) fn occurrence(anomaly: &ObserverEvent, producer: &Producer) -> Value {
    // Its fields are texts, numbers and maps with text keys, all of which JSON has.
    serde_json::to_value(anomaly.occurrence(producer)).unwrap_or_default()
}
