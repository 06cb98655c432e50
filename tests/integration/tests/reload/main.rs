//! Routes and certificates replaced under load at fixed rates: no request fails, none is late, no
//! route is lost, and changes are live at once. What is a matter of time is asserted by the soak
//! only (`make soak`), which runs a release build; here and there it is printed.

mod certificates; // certificates replaced under handshakes
mod clients; // clients that send when they are told to
mod ledger; // what became of every request
mod pace; // fixed rates
mod rewriting; // the ways in which a file changes

use clients::{Asking, Client, Http2, KeepAlive, NewEachTime, follow};
use ledger::{Change, Ledger, histogram, lives, part, times};
use pace::{Lane, Pace};
use rauta_integration::{Manifests, Rauta, get, route, scaled, service};
use rauta_test_support::Origin;
use rewriting::Rewritten;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

const ROUTES: usize = 1_000;
const BACKENDS: [&str; 2] = ["blue", "pink"];
/// Requests a second, and over how many connections.
const KEPT: (u32, usize) = (1_000, 50);
const NEW: (u32, usize) = (200, 20);
const HTTP2: (u32, usize) = (200, 20);
/// A change each …
const EVERY: Duration = Duration::from_secs(2);
/// … is to be live after.
const LIVE: Duration = Duration::from_millis(100);
/// Answers that show that a change is live.
const SHOWN: u64 = 100;
/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(60);

/// Held by the test that measures.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Whether times are asserted: at full size, and of what is shipped.
fn is_soak() -> bool {
    scaled(10) == 10 && !cfg!(debug_assertions)
}

/// All routes, to one backend.
fn routes(backend: &str) -> String {
    (0..ROUTES)
        .map(|number| route(&format!("r{number}"), &format!("/r{number}"), backend))
        .collect()
}

type Clients = JoinSet<Vec<ledger::Exchange>>;

/// Starts one client for each connection of a lane.
fn clients<C: Client + 'static>(due: Vec<Receiver<Instant>>, client: impl Fn() -> C) -> Clients {
    let apart = ROUTES / due.len();
    due.into_iter()
        .enumerate()
        .map(|(number, due)| follow(client(), number * apart, due))
        .collect()
}

async fn ledger(name: &'static str, clients: Clients) -> Ledger {
    let exchanges = clients.join_all().await.into_iter().flatten().collect();
    Ledger { name, exchanges }
}

/// All three kinds of load until `until` is over.
async fn load<T>(asking: &Asking, until: impl Future<Output = T>) -> (Vec<Ledger>, T) {
    let (kept, kept_due) = Lane::new(KEPT.0, KEPT.1);
    let (new, new_due) = Lane::new(NEW.0, NEW.1);
    let (http2, http2_due) = Lane::new(HTTP2.0, HTTP2.1);
    let asking = || asking.clone();
    let kept_clients = clients(kept_due, || KeepAlive {
        asking: asking(),
        kept: None,
    });
    let new_clients = clients(new_due, || NewEachTime(asking()));
    let http2_clients = clients(http2_due, || Http2 {
        asking: asking(),
        kept: None,
    });
    let pace = Pace::start(vec![kept, new, http2]);
    let output = until.await;
    pace.stop();
    let ledgers = vec![
        ledger("kept", kept_clients).await,
        ledger("new each time", new_clients).await,
        ledger("HTTP/2", http2_clients).await,
    ];
    for ledger in &ledgers {
        println_line(&format!("  {}", ledger.line()));
        let failed: Vec<_> = ledger.failed().take(5).collect();
        assert!(failed.is_empty(), "{}: {failed:?}", ledger.line());
    }
    (ledgers, output)
}

/// Waits for as long as so many changes take.
async fn changeless(count: usize) {
    let mut pace = tokio::time::interval(EVERY);
    for _ in 0..=count {
        pace.tick().await;
    }
}

#[expect(
    clippy::print_stdout,
    reason = "measured figures are for whoever runs the soak"
)]
fn println_line(line: &str) {
    println!("{line}");
}

/// Rewrites all routes again and again, each time to the other backend.
async fn rewrite(asking: &Asking, mut file: Rewritten, count: usize) -> Vec<Change> {
    let texts = BACKENDS.map(routes);
    let mut pace = tokio::time::interval(EVERY);
    pace.tick().await;
    let mut changes = Vec::new();
    for round in 1..=count {
        pace.tick().await;
        let answer = round % 2;
        let before = asking.heard.count(answer);
        let closed = file.rewrite(&texts[answer]).expect("written");
        changes.push(Change { closed, answer });
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while asking.heard.count(answer) < before + SHOWN {
            look.tick().await;
            assert!(closed.elapsed() < PATIENCE, "round {round} never went live");
        }
    }
    changes
}

/// What the program itself measured.
fn own_histogram(admin: SocketAddr) -> Vec<String> {
    let page = get(admin, "localhost", "/metrics").expect("answers").body;
    let lines = page
        .lines()
        .filter(|line| line.starts_with("rauta_routing_apply_seconds"));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_routes_are_rewritten_under_load_and_no_request_fails() {
    let _alone = ALONE.lock().await;
    let origins = [
        Origin::saying(BACKENDS[0]).await,
        Origin::saying(BACKENDS[1]).await,
    ];
    let manifests = Manifests::new().expect("a folder");
    let services: String = BACKENDS
        .iter()
        .zip(&origins)
        .map(|(name, origin)| service(name, origin.address()))
        .collect();
    manifests
        .write("services.yaml", &services)
        .expect("written");
    let file = Rewritten::new(manifests.path(), &routes(BACKENDS[0])).expect("written");
    let rauta = Rauta::start(&["--manifests", manifests.argument()], &[]).expect("starts");
    let asking = Asking {
        gateway: manifests.gateway(),
        routes: ROUTES,
        backends: BACKENDS,
        heard: Arc::default(),
    };
    let rounds = scaled(30);
    println_line("quiet:");
    let (quiet, ()) = load(&asking, changeless(rounds)).await;
    println_line(&format!("{ROUTES} routes rewritten every {EVERY:?}:"));
    let (busy, changes) = load(&asking, rewrite(&asking, file, rounds)).await;
    let lives = lives(&changes, &busy);
    println_line(&format!(
        "from closed to the last request that was routed as before, of {} changes:\n{}{}",
        lives.len(),
        histogram(&lives),
        own_histogram(rauta.admin()).join("\n"),
    ));
    let [calm, busy] = [&quiet, &busy].map(|ledgers| part(&times(ledgers), 99));
    println_line(&format!(
        "p99 of all requests: quiet {calm:.2?}, rewritten {busy:.2?}"
    ));
    if is_soak() {
        assert!(
            busy <= calm * 2,
            "p99 {busy:?} with changes, {calm:?} without"
        );
        assert!(
            lives.iter().all(|live| *live <= LIVE),
            "live after {lives:?}"
        );
    }
}
