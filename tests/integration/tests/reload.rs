//! Routes rewritten under load: no request fails, no route is lost.

use rauta_integration::{Manifests, Rauta, get, route, scaled, service};
use rauta_test_support::Origin;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const ROUTES: usize = 1_000;
const KEEP_ALIVE_CLIENTS: usize = 6;
const NEW_CONNECTION_CLIENTS: usize = 2;

/// What one client saw.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    failed: Vec<String>,
}

/// Asks for one route after the other until told to stop.
fn keep_asking(
    gateway: SocketAddr,
    is_new_each_time: bool,
    stop: Arc<AtomicBool>,
) -> JoinHandle<Seen> {
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        let mut kept = None;
        while !stop.load(Ordering::Relaxed) {
            let path = format!("/r{}/item", seen.answered % ROUTES);
            let result = ask(gateway, &path, &mut kept);
            if is_new_each_time {
                kept = None;
            }
            match result {
                Ok(()) => seen.answered += 1,
                Err(error) => {
                    kept = None;
                    seen.failed.push(format!("{path}: {error}"));
                }
            }
        }
        seen
    })
}

fn ask(gateway: SocketAddr, path: &str, kept: &mut Option<TcpStream>) -> Result<(), String> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => TcpStream::connect(gateway).map_err(|error| format!("connecting: {error}"))?,
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .map_err(|error| error.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .map_err(|error| format!("sending: {error}"))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"\r\n\r\nok") {
        let read = stream
            .read(&mut buffer)
            .map_err(|error| format!("reading: {error}"))?;
        if read == 0 {
            return Err(format!(
                "ended after {:?}",
                String::from_utf8_lossy(&answer)
            ));
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(String::from_utf8_lossy(&answer).into_owned());
    }
    *kept = Some(stream);
    Ok(())
}

/// All routes, in a text that differs from one round to the next: the backend changes.
fn routes(round: usize) -> String {
    let backend = ["even", "odd"][round % 2];
    (0..ROUTES)
        .map(|number| route(&format!("r{number}"), &format!("/r{number}"), backend))
        .collect()
}

fn generation(admin: SocketAddr) -> f64 {
    let page = get(admin, "localhost", "/metrics").expect("answers").body;
    let line = page
        .lines()
        .find(|line| line.starts_with("rauta_routing_generation "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .expect("a generation")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_routes_are_rewritten_under_load_and_no_request_fails() {
    let (even, odd) = (Origin::saying("ok").await, Origin::saying("ok").await);
    let manifests = Manifests::new().expect("a folder");
    let services = service("even", even.address()) + &service("odd", odd.address());
    manifests
        .write("services.yaml", &services)
        .expect("written");
    manifests.write("routes.yaml", &routes(0)).expect("written");
    let rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..KEEP_ALIVE_CLIENTS + NEW_CONNECTION_CLIENTS)
        .map(|client| {
            keep_asking(
                manifests.gateway(),
                client >= KEEP_ALIVE_CLIENTS,
                Arc::clone(&stop),
            )
        })
        .collect();
    for round in 1..=scaled(30) {
        let before = generation(rauta.admin());
        // By another name and a rename, and in place: the ways of deployments and of editors.
        match round % 2 {
            0 => manifests
                .write("routes.yaml", &routes(round))
                .expect("written"),
            _ => {
                manifests
                    .write("routes.new", &routes(round))
                    .expect("written");
                let (new, old) = (manifests.file("routes.new"), manifests.file("routes.yaml"));
                std::fs::rename(new, old).expect("renamed");
            }
        }
        let is_live = (0..200_000).any(|_| generation(rauta.admin()) > before);
        assert!(is_live, "round {round} never went live");
    }
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<Seen> = clients
        .into_iter()
        .map(|client| client.join().expect("no panic"))
        .collect();
    let failed: Vec<_> = seen.iter().flat_map(|seen| &seen.failed).collect();
    let answered: usize = seen.iter().map(|seen| seen.answered).sum();
    assert!(
        failed.is_empty(),
        "{} of {answered} failed: {:?}",
        failed.len(),
        failed.first()
    );
    assert!(answered > 1_000, "only {answered} requests");
}
