//! The program's end: drained under load, or killed in the middle.

use rauta_integration::{Manifests, Rauta, get, route, scaled, service};
use rauta_test_support::Origin;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const CLIENTS: usize = 16;
const REQUEST: &[u8] = b"GET /item HTTP/1.1\r\nHost: shop.test\r\n\r\n";

/// What one client saw until the gateway was gone.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    failed: Vec<String>,
}

/// Asks over keep-alive connections until nobody listens any more. A request that was sent and
/// not answered whole has failed; a refused connection is the end, not a failure.
fn keep_asking(gateway: SocketAddr, total: Arc<AtomicUsize>) -> JoinHandle<Seen> {
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        while let Ok(mut stream) = TcpStream::connect(gateway) {
            stream
                .set_read_timeout(Some(Duration::from_secs(30)))
                .expect("a time-out");
            loop {
                match ask(&mut stream) {
                    Ok(is_last) => {
                        seen.answered += 1;
                        total.fetch_add(1, Ordering::Relaxed);
                        if is_last {
                            break;
                        }
                    }
                    Err(error) => {
                        seen.failed.push(error);
                        break;
                    }
                }
            }
        }
        seen
    })
}

/// One request; true where the answer says that the connection ends with it.
fn ask(stream: &mut TcpStream) -> Result<bool, String> {
    stream
        .write_all(REQUEST)
        .map_err(|error| format!("sending: {error}"))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream
            .read(&mut buffer)
            .map_err(|error| format!("reading: {error}"))?;
        if read == 0 {
            return Err(format!("ended after {} bytes", answer.len()));
        }
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if text.ends_with("\r\n\r\nok") {
            let is_200 = text.starts_with("http/1.1 200 ");
            return if is_200 {
                Ok(text.contains("connection: close"))
            } else {
                Err(text)
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_fails_no_request() {
    let origin = Origin::saying("ok").await;
    let manifests = Manifests::new().expect("a folder");
    let text = service("shop", origin.address()) + &route("shop", "/", "shop");
    manifests.write("shop.yaml", &text).expect("written");
    let mut rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    let total = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| keep_asking(manifests.gateway(), Arc::clone(&total)))
        .collect();
    while total.load(Ordering::Relaxed) < scaled(100_000) {
        std::thread::yield_now();
    }
    rauta.terminate();
    let seen: Vec<Seen> = clients
        .into_iter()
        .map(|client| client.join().expect("no panic"))
        .collect();
    assert!(rauta.wait().expect("ends").success());
    let failed: Vec<_> = seen.iter().flat_map(|seen| &seen.failed).collect();
    let answered: usize = seen.iter().map(|seen| seen.answered).sum();
    assert!(
        failed.is_empty(),
        "{} of {answered} failed: {:?}",
        failed.len(),
        failed.first()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_leaves_whole_files_and_the_next_start_cuts_a_torn_line() {
    let origin = Origin::saying("ok").await;
    let manifests = Manifests::new().expect("a folder");
    let text = service("shop", origin.address()) + &route("shop", "/", "shop");
    manifests.write("shop.yaml", &text).expect("written");
    let state = tempfile::tempdir().expect("a folder");
    let (log, baseline) = (
        state.path().join("access.log"),
        state.path().join("baseline"),
    );
    let arguments = [
        "--manifests",
        manifests.argument(),
        "--access-log",
        log.to_str().expect("UTF-8"),
    ];
    let variables = [(
        "RAUTA_DETECTION_BASELINE_FILE",
        baseline.to_str().expect("UTF-8"),
    )];
    for _ in 0..scaled(100) {
        let mut rauta = Rauta::start(&arguments, &variables).expect("starts on what a kill left");
        for _ in 0..20 {
            get(manifests.gateway(), "shop.test", "/item").expect("answers");
        }
        rauta.kill();
        rauta.wait().expect("ends");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let torn = text
            .rsplit_once('\n')
            .map_or(text.len(), |(_, rest)| rest.len());
        let whole = text[..text.len() - torn].lines();
        for line in whole {
            serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        }
        // A line torn by hand, as a kill inside a write would have left it.
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&log)
            .expect("opens");
        file.write_all(b"{\"torn").expect("written");
    }
    let mut rauta = Rauta::start(&arguments, &variables).expect("starts");
    rauta.terminate();
    rauta.wait().expect("ends");
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(!text.contains("torn") && text.ends_with('\n'), "{text}");
}
