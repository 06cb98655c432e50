//! What anomalies to NATS cost and how late they are, with a real server: anomalies per second of
//! processor time through spool, documents, publishing and confirmation in both forms, and the time
//! from emission to a subscriber.
//!
//! `cargo run --release -p rauta-integration --example nats_bench`. It fails when a promise is
//! broken: 10,000 anomalies per second and core, 99 of 100 with the subscriber within a second. The
//! server is a process of its own; what it costs is not counted.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a bench prints its result")]

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use rauta_integration::NatsServer;
use rauta_schemas::{ObserverEvent, Producer, Ulid};
use rauta_sinks::nats::{Auth, Encoding, NatsConfig, NatsSink, StreamConfig, Tls};
use rauta_sinks::spool::{Spool, SpoolConfig, SpoolWriter};
use rauta_sinks::totals::{Signal, SinkTotals};
use rauta_test_support::events;
use rustix::time::{ClockId, clock_gettime};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Anomalies of the run whose cost is measured.
const ANOMALIES: u64 = 50_000;
const A_SECOND_MIN: f64 = 10_000.0;
/// Anomalies a second, and how many, of the run whose lateness is measured.
const PACE: u32 = 500;
const PACED: u64 = 2_500;
const LATE_P99_MAX: Duration = Duration::from_secs(1);
/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut is_kept = true;
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let rate = runtime.block_on(through(encoding))?;
        let late = runtime.block_on(late_p99(encoding))?;
        println!(
            "{encoding:?}: {rate:.0} anomalies/s per core, in both forms; with the subscriber within \
             {:.1} ms (p99)",
            late.as_secs_f64() * 1e3
        );
        is_kept &= rate >= A_SECOND_MIN && late <= LATE_P99_MAX;
    }
    Ok(match is_kept {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A spool on disk, and the sink that reads it.
struct Running {
    writer: SpoolWriter,
    sink: JoinHandle<std::io::Result<u64>>,
    totals: [Arc<SinkTotals>; 2],
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

fn start(server: &NatsServer, encoding: Encoding) -> anyhow::Result<Running> {
    let folder = tempfile::tempdir()?;
    let totals =
        [Signal::Occurrences, Signal::ObserverEvents].map(|signal| SinkTotals::new("nats", signal));
    let [occurrences, events] = totals.clone();
    let config = SpoolConfig {
        directory: Some(folder.path().to_owned()),
        ..SpoolConfig::default()
    };
    let spool = Spool::open(config, &[("nats", occurrences), ("nats-core", events)])?;
    let mut readers = spool.readers.into_iter();
    let sink = NatsSink::new(
        NatsConfig {
            servers: vec![server.url()],
            auth: Auth::None,
            tls: Tls::default(),
            core_subject: Some("tapio.events.{type}.{subtype}".parse()?),
            subject: Some("rauta.v1.{cluster}.{namespace}.{kind}".parse()?),
            encoding,
            stream: StreamConfig {
                create: true,
                ..StreamConfig::default()
            },
        },
        Producer {
            cluster: "bench".to_owned(),
            node: "one".to_owned(),
            version: "0".to_owned(),
        },
        readers.next(),
        readers.next(),
    );
    let (stop, stopped) = watch::channel(false);
    let sink = std::thread::spawn(move || sink.run(stopped));
    Ok(Running {
        writer: spool.writer,
        sink,
        totals,
        _stop: stop,
        _folder: folder,
    })
}

/// Anomalies per second of this process's time, everything confirmed.
async fn through(encoding: Encoding) -> anyhow::Result<f64> {
    let server = NatsServer::start("")?;
    let mut running = start(&server, encoding)?;
    let before = clock(ClockId::ProcessCPUTime);
    for number in 0..ANOMALIES {
        running.writer.append(&anomaly(number));
    }
    drop(running.writer);
    let ended = tokio::task::spawn_blocking(|| running.sink.join());
    let lost = tokio::time::timeout(PATIENCE, ended).await??;
    let lost = lost.map_err(|_| anyhow::anyhow!("the sink's thread panicked"))??;
    let spent = clock(ClockId::ProcessCPUTime) - before;
    ensure!(lost == 0, "{lost} anomalies lost");
    for totals in &running.totals {
        ensure!(totals.sent() == ANOMALIES, "sent {} only", totals.sent());
    }
    Ok(ANOMALIES as f64 / spent.as_secs_f64())
}

/// From emission to a subscriber of occurrences, at a steady pace.
async fn late_p99(encoding: Encoding) -> anyhow::Result<Duration> {
    let server = NatsServer::start("")?;
    let client = async_nats::connect(server.url()).await?;
    let mut heard = client.subscribe("rauta.v1.>").await?;
    client.flush().await?;
    let mut running = start(&server, encoding)?;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / PACE);
    let (mut emitted, mut late) = (Vec::new(), Vec::new());
    let hearing = async {
        while (late.len() as u64) < PACED {
            tokio::select! {
                _ = pace.tick(), if (emitted.len() as u64) < PACED => {
                    let event = anomaly(emitted.len() as u64);
                    emitted.push(clock(ClockId::Monotonic));
                    running.writer.append(&event);
                }
                message = heard.next() => {
                    let message = message.context("the subscription ended")?;
                    let headers = message.headers.context("headers")?;
                    let id = headers.get("Nats-Msg-Id").context("an id")?;
                    let number = Ulid::from_string(id.as_str())?.random() as usize;
                    late.push(clock(ClockId::Monotonic) - emitted[number]);
                }
            }
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, hearing).await??;
    late.sort_unstable();
    Ok(late[late.len() * 99 / 100])
}

fn clock(id: ClockId) -> Duration {
    let now = clock_gettime(id);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// An anomaly as a detector makes it, with five exchanges.
fn anomaly(number: u64) -> Arc<ObserverEvent> {
    let mut event = events::anomaly(number);
    Arc::make_mut(&mut event).samples = vec![events::sample(); 5];
    event
}
