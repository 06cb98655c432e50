//! Faults in origins that are not ours, found by the running program, with the right endpoint.

use rauta_integration::{Manifests, Rauta, get, route, service};
use rauta_test_support::{RawClient, in_time};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::task::JoinSet;

/// Python's own threading server. The file `fault` beside it holds `PATH KIND` while a fault is on.
const SERVER: &str = r#"
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def fault(self):
        try:
            path, kind = open(sys.argv[2]).read().split()
        except (OSError, ValueError):
            return None
        return kind if self.path.startswith(path) else None

    def do_GET(self):
        time.sleep(0.015)
        kind = self.fault()
        if kind == "slow":
            time.sleep(0.3)
        while kind == "hang" and self.fault() == "hang":
            time.sleep(0.05)
        self.send_response(500 if kind == "error" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass

ThreadingHTTPServer.request_queue_size = 256
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

/// A child that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
}

fn python(address: SocketAddr, fault: &Path) -> Running {
    let child = Command::new("python3")
        .args(["-c", SERVER, &address.port().to_string()])
        .arg(fault)
        .stdin(Stdio::null())
        .spawn()
        .expect("python3 starts");
    Running(child)
}

/// nginx with one location that fails while the file stands.
fn nginx(address: SocketAddr, folder: &Path) -> Running {
    let root = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/nginx.err;\n\
         events {{}}\nhttp {{ access_log off; client_body_temp_path {root}/b; proxy_temp_path {root}/p;\n\
         fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
         server {{ listen {address}; location / {{ if (-f {root}/broken) {{ return 503; }} return 200 ok; }} }} }}\n"
    );
    std::fs::write(folder.join("nginx.conf"), config).expect("written");
    let child = Command::new("nginx")
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .stdin(Stdio::null())
        .spawn()
        .expect("nginx starts");
    Running(child)
}

/// Asks sixty times a second, whether answered or not, until dropped.
fn traffic(gateway: SocketAddr, path: &'static str) -> JoinSet<()> {
    let mut load = JoinSet::new();
    load.spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(16));
        let mut requests = JoinSet::new();
        loop {
            ticks.tick().await;
            requests.spawn(async move {
                let mut client = RawClient::connect(gateway).await;
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
                client.send(request).await;
                client.rest().await;
            });
            while requests.try_join_next().is_some() {}
        }
    });
    load
}

fn anomalies(admin: SocketAddr) -> Vec<Value> {
    let body = get(admin, "localhost", "/events")
        .expect("the admin server answers")
        .body;
    serde_json::from_str(&body).expect("JSON")
}

/// The first anomaly of that type on that path template.
async fn anomaly(admin: SocketAddr, kind: &'static str, path: &'static str) -> Value {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    in_time(&format!("{kind} on {path}"), async {
        loop {
            ticks.tick().await;
            let found = tokio::task::spawn_blocking(move || anomalies(admin))
                .await
                .expect("asks");
            let mut found = found.into_iter().filter(|anomaly| {
                anomaly["type"] == kind && anomaly["network_data"]["http_path"] == path
            });
            if let Some(anomaly) = found.next() {
                return anomaly;
            }
        }
    })
    .await
}

/// How many exchanges every worker has carried so far.
fn carried(admin: SocketAddr) -> u64 {
    let page = get(admin, "localhost", "/metrics").expect("answers").body;
    let line = page
        .lines()
        .find(|line| line.starts_with("rauta_proxy_requests_total "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .expect("a total")
}

async fn learnt(admin: SocketAddr, requests: u64) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    in_time("enough traffic to learn from", async {
        while tokio::task::spawn_blocking(move || carried(admin))
            .await
            .expect("asks")
            < requests
        {
            ticks.tick().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_hanging_and_failing_origins_are_found_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let fault = folder.path().join("fault");
    let (python_address, nginx_address) = (free_address(), free_address());
    let _python = python(python_address, &fault);
    let _nginx = nginx(nginx_address, folder.path());
    let manifests = Manifests::new().expect("a folder");
    let mut text = service("python", python_address) + &service("nginx", nginx_address);
    for (name, path, service) in [
        ("slow", "/slow", "python"),
        ("hang", "/hang", "python"),
        ("broken", "/broken", "nginx"),
    ] {
        text.push_str(&route(name, path, service));
    }
    manifests.write("routes.yaml", &text).expect("written");
    let variables = [("RAUTA_DETECTION_BASELINE_SLOT", "1s")];
    let rauta = Rauta::start(&["--manifests", manifests.argument()], &variables).expect("starts");
    let (gateway, admin) = (manifests.gateway(), rauta.admin());
    let _load: Vec<_> = ["/slow", "/hang", "/broken"]
        .into_iter()
        .map(|path| traffic(gateway, path))
        .collect();
    learnt(admin, 3 * 60 * 6).await;
    assert_eq!(
        anomalies(admin),
        Vec::<Value>::new(),
        "nothing is wrong yet"
    );

    std::fs::write(&fault, "/slow slow").expect("written");
    let slow = anomaly(admin, "network.http.slow_response", "/slow/*").await;
    assert!(
        slow.to_string().contains(&python_address.to_string()),
        "{slow:#}"
    );
    std::fs::write(&fault, "/hang hang").expect("written");
    let hang = anomaly(admin, "network.http.slow_response", "/hang/*").await;
    assert!(
        hang.to_string().contains(&python_address.to_string()),
        "{hang:#}"
    );
    std::fs::remove_file(&fault).expect("removed");
    std::fs::write(folder.path().join("broken"), "").expect("written");
    let errors = anomaly(admin, "service.http.error_spike", "/broken/*").await;
    assert!(
        errors.to_string().contains(&nginx_address.to_string()),
        "{errors:#}"
    );
}
