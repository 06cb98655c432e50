//! Each proxy: its configuration for a cell, its command, and where it listens.

use crate::cell::{Cell, Protocol};
use crate::process::Process;
use crate::round::CORES;
use anyhow::Context;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The proxies, in the order of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Copies bytes: the floor. Only where the backend speaks what the client speaks.
    Relay,
    /// RAUTA with its whole pipeline.
    Rauta,
    /// HAProxy without a log.
    Haproxy,
    /// HAProxy with its log, by UDP syslog.
    HaproxyLog,
    /// nginx without a log.
    Nginx,
    /// Envoy without a log.
    Envoy,
}

impl Peer {
    pub(crate) const ALL: [Self; 6] = [
        Self::Relay,
        Self::Rauta,
        Self::Haproxy,
        Self::HaproxyLog,
        Self::Nginx,
        Self::Envoy,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Rauta => "rauta",
            Self::Haproxy => "haproxy",
            Self::HaproxyLog => "haproxy-log",
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
        }
    }

    /// Can it play this cell? The relay speaks what the backend speaks; configurations of 10,000
    /// routes are RAUTA's alone.
    pub(crate) fn plays(self, cell: &Cell) -> bool {
        match self {
            Self::Relay => !cell.tls && cell.protocol == Protocol::Http1,
            Self::Rauta => true,
            _ => cell.routes <= 10,
        }
    }

    /// Where it listens.
    pub(crate) fn address(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::new(127, 0, 20, 1), 18_080 + self as u16))
    }

    /// Writes its configuration and gives its command; `None`: it is not installed.
    pub(crate) fn command(
        self,
        cell: &Cell,
        bench: &Bench<'_>,
    ) -> anyhow::Result<Option<Vec<String>>> {
        let config = bench.folder.join(format!("{}.conf", self.name()));
        let path = config.display().to_string();
        let text = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        Ok(match self {
            Self::Relay => {
                let program = std::env::current_exe()?.display().to_string();
                text(&[
                    &program,
                    "relay",
                    &self.address().to_string(),
                    &bench.backend.to_string(),
                ])
            }
            Self::Rauta => {
                std::fs::write(
                    bench.folder.join("routes.yaml"),
                    rauta(self.address(), cell, bench)?,
                )?;
                let manifests = bench.folder.join("routes.yaml").display().to_string();
                let program = bench.rauta.display().to_string();
                text(&[
                    &program,
                    "run",
                    "--manifests",
                    &manifests,
                    "--workers",
                    &bench.workers.to_string(),
                    "--admin",
                    "127.0.20.1:18090",
                ])
            }
            Self::Haproxy | Self::HaproxyLog => {
                std::fs::write(&config, haproxy(self, cell, bench))?;
                find("haproxy").and_then(|program| text(&[&program, "-db", "-f", &path]))
            }
            Self::Nginx => {
                std::fs::write(&config, nginx(self.address(), cell, bench))?;
                find("nginx").and_then(|program| text(&[&program, "-c", &path]))
            }
            Self::Envoy => {
                let config = bench.folder.join("envoy.json");
                std::fs::write(&config, envoy(self.address(), cell, bench))?;
                let path = config.display().to_string();
                find("envoy").and_then(|program| {
                    text(&[
                        &program,
                        "-c",
                        &path,
                        "--concurrency",
                        "1",
                        "-l",
                        "error",
                        "--base-id",
                        "77",
                    ])
                })
            }
        })
    }
}

/// What every proxy's configuration is made of.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) backend: SocketAddr,
    pub(crate) rauta: PathBuf,
    /// RAUTA's workers.
    pub(crate) workers: usize,
    /// PEM of a self-signed certificate and of its key.
    pub(crate) certificate: (String, String),
}

impl<'a> Bench<'a> {
    pub(crate) fn new(folder: &'a Path, rauta: &Path, workers: usize) -> anyhow::Result<Self> {
        Ok(Self {
            folder,
            backend: SocketAddr::from((Ipv4Addr::new(127, 0, 20, 1), 18_070)),
            rauta: rauta.to_owned(),
            workers,
            certificate: certificate(folder)?,
        })
    }

    /// Starts the backend of a cell, and waits until it takes connections.
    pub(crate) fn origin(&self, cell: &Cell) -> anyhow::Result<Process> {
        let program = std::env::current_exe()?.display().to_string();
        let (backend, body) = (self.backend.to_string(), cell.body.to_string());
        let command = [program, "backend".into(), backend, body];
        let log = self.folder.join("backend.log");
        let mut origin = Process::start("backend", CORES.1, &command, &log)?;
        origin.wait_for(self.backend, &log)?;
        Ok(origin)
    }
}

/// The program's path: where a shell would find it, or among the system's own.
#[expect(
    clippy::disallowed_methods,
    reason = "peers are the user's own programs, found as a shell finds them"
)]
fn find(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
}

fn rauta(address: SocketAddr, cell: &Cell, bench: &Bench<'_>) -> anyhow::Result<String> {
    let (ip, port) = (address.ip(), address.port());
    let (certificate, key) = &bench.certificate;
    let mut text = String::from(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: rauta}\n\
         spec: {controllerName: rauta.dev/gateway}\n---\n",
    );
    let listener = match cell.tls {
        false => format!("{{name: main, port: {port}, protocol: HTTP}}"),
        true => format!(
            "{{name: main, port: {port}, protocol: HTTPS, tls: {{certificateRefs: [{{name: bench}}]}}}}"
        ),
    };
    write!(
        text,
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: bench}}\nspec:\n  \
         gatewayClassName: rauta\n  addresses: [{{type: IPAddress, value: {ip}}}]\n  listeners: [{listener}]\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: bench}}\ntype: kubernetes.io/tls\nstringData:\n  \
         tls.crt: |\n{}\n  tls.key: |\n{}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: bench}}\nspec: {{ports: [{{port: 80}}]}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: bench-1, labels: \
         {{kubernetes.io/service-name: bench}}}}\naddressType: IPv4\nports: [{{port: {}}}]\n\
         endpoints: [{{addresses: [\"{}\"]}}]\n",
        indent(certificate),
        indent(key),
        bench.backend.port(),
        bench.backend.ip(),
    )?;
    for route in 0..cell.routes {
        write!(
            text,
            "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: r{route}}}\n\
             spec: {{parentRefs: [{{name: bench}}], rules: [{{matches: [{{path: {{value: /r{route}}}}}], \
             backendRefs: [{{name: bench, port: 80}}]}}]}}\n"
        )?;
    }
    Ok(text)
}

fn indent(pem: &str) -> String {
    pem.lines()
        .map(|line| format!("    {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn haproxy(peer: Peer, cell: &Cell, bench: &Bench<'_>) -> String {
    let pem = bench.folder.join("both.pem").display().to_string();
    let log = match peer {
        Peer::HaproxyLog => (
            "log 127.0.20.1:18514 local0",
            "log global\n  option httplog",
        ),
        _ => ("", "no log"),
    };
    let bind = match (cell.tls, cell.protocol) {
        (true, _) => format!("ssl crt {pem} alpn h2,http/1.1"),
        (false, Protocol::Http2) => "proto h2".to_owned(),
        (false, Protocol::Http1) => String::new(),
    };
    let mut routes = String::new();
    for route in 0..cell.routes {
        routes.push_str(&format!(
            "  use_backend origin if {{ path_beg /r{route}/ }}\n"
        ));
    }
    format!(
        "global\n  nbthread 1\n  maxconn 4096\n  {}\ndefaults\n  mode http\n  {}\n  option forwardfor\n  \
         http-reuse always\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n\
         frontend main\n  bind {} {bind}\n{routes}\nbackend origin\n  server a {}\n",
        log.0,
        log.1,
        peer.address(),
        bench.backend,
    )
}

fn nginx(address: SocketAddr, cell: &Cell, bench: &Bench<'_>) -> String {
    let folder = bench.folder.display();
    let listen = match (cell.tls, cell.protocol) {
        (true, Protocol::Http1) => "ssl",
        (true, Protocol::Http2) => "ssl http2",
        (false, Protocol::Http2) => "http2",
        (false, Protocol::Http1) => "",
    };
    let mut routes = String::new();
    for route in 0..cell.routes {
        routes.push_str(&format!(
            "      location /r{route}/ {{ proxy_pass http://origin; }}\n"
        ));
    }
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {folder}/nginx.pid;\n\
         error_log {folder}/nginx.err;\nevents {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {folder}/b;\n  proxy_temp_path {folder}/p;\n  fastcgi_temp_path {folder}/f;\n  \
         uwsgi_temp_path {folder}/u;\n  scgi_temp_path {folder}/s;\n  keepalive_requests 100000000;\n  \
         upstream origin {{ server {backend}; keepalive 128; keepalive_requests 100000000; }}\n  server {{\n    \
         listen {address} {listen};\n    ssl_certificate {folder}/cert.pem;\n    \
         ssl_certificate_key {folder}/key.pem;\n    ssl_protocols TLSv1.2 TLSv1.3;\n    \
         proxy_http_version 1.1;\n    proxy_set_header Connection \"\";\n    \
         proxy_set_header Host $host;\n    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
         {routes}  }}\n}}\n",
        backend = bench.backend,
    )
}

fn envoy(address: SocketAddr, cell: &Cell, bench: &Bench<'_>) -> String {
    let routes: Vec<String> = (0..cell.routes)
        .map(|route| {
            format!(r#"{{"match":{{"prefix":"/r{route}/"}},"route":{{"cluster":"origin"}}}}"#)
        })
        .collect();
    let tls = match cell.tls {
        false => String::new(),
        true => format!(
            r#","transport_socket":{{"name":"envoy.transport_sockets.tls","typed_config":{{"@type":"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext","common_tls_context":{{"alpn_protocols":["h2","http/1.1"],"tls_certificates":[{{"certificate_chain":{{"filename":"{0}/cert.pem"}},"private_key":{{"filename":"{0}/key.pem"}}}}]}}}}}}"#,
            bench.folder.display(),
        ),
    };
    format!(
        r#"{{"static_resources":{{"listeners":[{{"address":{{"socket_address":{{"address":"{ip}","port_value":{port}}}}},"filter_chains":[{{"filters":[{{"name":"envoy.filters.network.http_connection_manager","typed_config":{{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager","stat_prefix":"m","codec_type":"AUTO","use_remote_address":true,"route_config":{{"virtual_hosts":[{{"name":"all","domains":["*"],"routes":[{routes}]}}]}},"http_filters":[{{"name":"envoy.filters.http.router","typed_config":{{"@type":"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}}}]}}}}]{tls}}}]}}],"clusters":[{{"name":"origin","type":"STATIC","load_assignment":{{"cluster_name":"origin","endpoints":[{{"lb_endpoints":[{{"endpoint":{{"address":{{"socket_address":{{"address":"{bip}","port_value":{bport}}}}}}}}}]}}]}}}}]}}}}"#,
        ip = address.ip(),
        port = address.port(),
        routes = routes.join(","),
        bip = bench.backend.ip(),
        bport = bench.backend.port(),
    )
}

/// Writes certificate and key where the configurations look for them.
fn certificate(folder: &Path) -> anyhow::Result<(String, String)> {
    let made = rcgen::generate_simple_self_signed(vec!["bench.test".to_owned()])
        .context("a certificate for the bench")?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(folder.join("cert.pem"), &certificate)?;
    std::fs::write(folder.join("key.pem"), &key)?;
    std::fs::write(folder.join("both.pem"), format!("{certificate}{key}"))?;
    Ok((certificate, key))
}
