//! The identity of anomalies over outages of NATS and kills of RAUTA, judged by the faults that
//! this test injects and by what the stream holds, not by what RAUTA counts.
//!
//! Each fault is a request for an endpoint where nobody listens: one anomaly that names it. A fault
//! must be found within a second of its request, so one that is younger than that when RAUTA is
//! killed may have been emitted or not; every other one has to be in the stream, once.

use crate::relay::{Cut, Relay};
use crate::stage::{Stage, endpoint};
use crate::stream::Stream;
use rauta_integration::{Disk, NatsServer, Rauta, get, scaled};
use rauta_schemas::Phase;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep_until};

/// How soon everything has to be in the stream once the server is back.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// How soon a fault is found, by the detector's definition.
const DETECTION_MAX: Duration = Duration::from_secs(1);
/// Between two faults.
const PACE: Duration = Duration::from_millis(60);

/// What was done, and when.
struct Ledger {
    injected: Vec<Instant>,
    /// Faults that a kill of RAUTA may have taken.
    uncertain: BTreeSet<usize>,
}

impl Ledger {
    fn killed(&mut self) {
        let now = Instant::now();
        let young = self.injected.iter().enumerate();
        let young = young.filter(|(_, at)| now.duration_since(**at) < DETECTION_MAX);
        self.uncertain.extend(young.map(|(fault, _)| fault));
    }

    fn certain(&self) -> impl Iterator<Item = usize> {
        (0..self.injected.len()).filter(|fault| !self.uncertain.contains(fault))
    }
}

struct Oracle {
    stage: Arc<Stage>,
    nats: NatsServer,
    relay: Relay,
    rauta: Option<Rauta>,
    stream: Stream,
    ledger: Ledger,
    faults: usize,
    slowest: Duration,
    /// How long each took, for people.
    recoveries: Vec<String>,
}

impl Oracle {
    async fn start(faults: usize) -> Self {
        // 32 MiB of stream on a disk of 64: the server plans with three quarters of it.
        let nats = NatsServer::start_on_disk(64, "").expect("a NATS server");
        let stage = Arc::new(Stage::with(faults).await);
        let relay = Relay::to(nats.address()).await;
        let mut oracle = Self {
            stream: Stream::new(nats.url(), "RAUTA"),
            stage,
            nats,
            relay,
            rauta: None,
            ledger: Ledger {
                injected: Vec::new(),
                uncertain: BTreeSet::new(),
            },
            faults,
            slowest: Duration::ZERO,
            recoveries: Vec::new(),
        };
        oracle.start_rauta();
        oracle
    }

    fn start_rauta(&mut self) {
        let variables = [
            ("RAUTA_NATS_STREAM_CREATE", "true"),
            ("RAUTA_NATS_STREAM_BYTES_MAX", "33554432"),
        ];
        self.rauta = Some(self.stage.rauta(&self.relay.url(), &variables));
    }

    /// Injects some faults, at their pace.
    async fn inject(&mut self, count: usize) {
        for _ in 0..count.min(self.faults - self.ledger.injected.len()) {
            let at = Instant::now();
            let fault = self.ledger.injected.len();
            let stage = Arc::clone(&self.stage);
            let status = tokio::task::spawn_blocking(move || stage.inject(fault)).await;
            let status = status.expect("asks").expect("answers");
            assert_eq!(status, 503, "fault {fault}: nobody listens there");
            self.ledger.injected.push(at);
            sleep_until(at + PACE).await;
        }
    }

    /// Faults in the stream, and how often each stands there.
    fn found(&self) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for stored in &self.stream.stored {
            if stored.occurrence.data.phase == Phase::Firing {
                let named = stored.occurrence.entity_ids.iter();
                let named = named.filter(|id| id.starts_with("endpoint:"));
                named.for_each(|id| *found.entry(id.clone()).or_insert(0) += 1);
            }
        }
        found
    }

    fn missing(&self) -> Vec<usize> {
        let found = self.found();
        let is_missing =
            |fault: &usize| !found.contains_key(&format!("endpoint:{}", endpoint(*fault)));
        self.ledger.certain().filter(is_missing).collect()
    }

    /// The server is back since now: everything has to be there in time.
    async fn recovers(&mut self, what: &str) {
        let back = Instant::now();
        let mut ticks = interval(Duration::from_millis(50));
        let mut trouble = None;
        loop {
            ticks.tick().await;
            trouble = self.stream.read().await.err().or(trouble);
            let missing = self.missing();
            if missing.is_empty() {
                break;
            }
            assert!(
                back.elapsed() < RECOVERY_MAX,
                "{what}: not in the stream after {RECOVERY_MAX:?}: {missing:?}; {trouble:?}"
            );
        }
        self.slowest = self.slowest.max(back.elapsed());
        let took = back.elapsed().as_secs_f64();
        self.recoveries.push(format!("{what}: {took:.2} s"));
    }

    fn disk(&self) -> &Disk {
        self.nats.disk().expect("it has its own")
    }

    fn admin(&self) -> SocketAddr {
        self.rauta.as_ref().expect("it runs").admin()
    }
}

/// One sample of `/metrics`, its labels as they stand there.
fn figure(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in:\n{page}"))
}

/// Requests that work, on four connections, until there were enough.
struct Load {
    asked: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(gateway: SocketAddr) -> Self {
        let (asked, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let threads = (0..4).map(|_| {
            let (asked, stop) = (Arc::clone(&asked), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // RAUTA may be dead at the moment.
                    ask(gateway, &asked, &stop).ok();
                }
            })
        });
        Self {
            threads: threads.collect(),
            asked,
            stop,
        }
    }

    async fn reaches(self, requests: u64) -> u64 {
        let mut ticks = interval(Duration::from_millis(50));
        let deadline = Instant::now() + Duration::from_secs(600);
        while self.asked.load(Ordering::Relaxed) < requests {
            ticks.tick().await;
            assert!(Instant::now() < deadline, "the load does not get on");
        }
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("it does not panic");
        }
        self.asked.load(Ordering::Relaxed)
    }
}

fn ask(gateway: SocketAddr, asked: &AtomicU64, stop: &AtomicBool) -> std::io::Result<()> {
    let patience = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&gateway, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut bytes = [0; 1024];
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"GET /works HTTP/1.1\r\nHost: a.test\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            match stream.read(&mut bytes)? {
                0 => return Ok(()),
                count => answer.extend_from_slice(&bytes[..count]),
            }
        }
        asked.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_anomaly_is_lost_or_doubled_over_outages_of_nats_and_kills() {
    let (faults, kills, rauta_kills) = (scaled(1000), scaled(20), scaled(5));
    let batch = faults / (kills + rauta_kills + 4);
    let mut oracle = Oracle::start(faults).await;
    let load = Load::start(oracle.stage.gateway());
    oracle.inject(batch).await;
    oracle.recovers("at first").await;

    for kill in 0..kills {
        oracle.nats.kill();
        oracle.inject(batch).await;
        oracle.nats.restart().expect("starts again");
        oracle.recovers(&format!("NATS killed, {}", kill + 1)).await;
    }
    let healed = Instant::now() + Duration::from_secs(scaled(60) as u64);
    oracle.relay.cut(Cut::Everything);
    oracle.inject(batch).await;
    sleep_until(healed).await;
    oracle.relay.cut(Cut::Nothing);
    oracle.recovers("partition").await;

    oracle.relay.cut(Cut::Answers);
    oracle.inject(batch).await;
    oracle.relay.cut(Cut::Nothing);
    oracle.recovers("confirmations cut").await;

    oracle.disk().fill().expect("filled");
    oracle.inject(batch).await;
    oracle.disk().free().expect("freed");
    oracle.nats.restart().expect("starts again");
    oracle.recovers("disk full").await;

    for kill in 0..rauta_kills {
        oracle.inject(batch).await;
        let mut killed = oracle.rauta.take().expect("it runs");
        killed.kill();
        oracle.ledger.killed();
        killed.wait().expect("ends");
        oracle.start_rauta();
        oracle
            .recovers(&format!("RAUTA killed, {}", kill + 1))
            .await;
    }
    oracle.inject(faults).await;
    let asked = load.reaches(scaled(500_000) as u64).await;
    oracle.recovers("at last").await;
    judge(&mut oracle).await;
    println!("{}", oracle.recoveries.join("\n"));
    println!(
        "{asked} requests and {} faults, {} of them just before a kill: {} messages, 0 lost, \
         0 twice, slowest recovery {:.2} s",
        oracle.ledger.injected.len(),
        oracle.ledger.uncertain.len(),
        oracle.stream.stored.len(),
        oracle.slowest.as_secs_f64(),
    );
}

/// The identity, once nothing waits any more.
async fn judge(oracle: &mut Oracle) {
    let occurrences = |name: &str| format!("{name}{{sink=\"nats\",signal=\"occurrences\"");
    let deadline = Instant::now() + RECOVERY_MAX;
    let mut ticks = interval(Duration::from_millis(50));
    let (page, emitted, sent) = loop {
        ticks.tick().await;
        let page = get(oracle.admin(), "localhost", "/metrics")
            .expect("answers")
            .body;
        oracle.stream.read().await.expect("reads");
        let emitted = figure(&page, "rauta_spool_emitted_total");
        let recovered = figure(&page, &occurrences("rauta_sink_recovered_total"));
        let sent = figure(&page, &occurrences("rauta_sink_sent_total"));
        let waiting = figure(&page, &occurrences("rauta_sink_queue_length"));
        if waiting == 0 && recovered + emitted == sent {
            break (page, emitted, sent);
        }
        assert!(
            Instant::now() < deadline,
            "{recovered} found + {emitted} emitted is not {sent} sent + {waiting} waiting"
        );
    };
    let dropped = page
        .lines()
        .filter(|line| line.starts_with("rauta_sink_dropped_total") && !line.ends_with(" 0"));
    assert_eq!(
        dropped.collect::<Vec<_>>(),
        Vec::<&str>::new(),
        "nothing had to be dropped"
    );

    // The witness: what the stream holds.
    assert_eq!(oracle.missing(), Vec::<usize>::new());
    assert_eq!(oracle.stream.duplicates(), Vec::<&str>::new());
    let twice: Vec<_> = oracle
        .found()
        .into_iter()
        .filter(|(_, count)| *count != 1)
        .collect();
    assert_eq!(twice, [], "each fault is one anomaly");
    let mut runs = Vec::new();
    for boot in oracle.stream.boots() {
        let sequences = oracle.stream.sequences(boot);
        let whole: Vec<u64> = (1..=sequences.len() as u64).collect();
        assert_eq!(sequences, whole, "the run {boot} has gaps");
        runs.push(sequences.len() as u64);
    }
    assert!(
        runs.contains(&emitted),
        "this run emitted {emitted}, the stream has {runs:?}"
    );
    assert!(sent >= emitted);
}
