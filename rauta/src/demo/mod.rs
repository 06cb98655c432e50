//! `rauta demo`: small origins on loopback, a folder of manifests, real traffic through the same
//! parts that `rauta run` builds, and four faults at known times. Ends well only if each fault was
//! found within a second, nothing else was alarmed, and every request is accounted for.

mod client;
mod manifests;
mod origin;
mod plan;
mod report;

use crate::app::App;
use crate::cli::DemoArgs;
use crate::config::{Config, Layers};
use crate::{EXIT_NO, log};
use anyhow::bail;
use client::Load;
use origin::Origin;
use plan::{Fault, FaultKind, Schedule, Verdict};
use rauta_core::bus::{AnomalySubscription, Subscriber};
use rauta_core::clock::Now;
use rauta_schemas::{Event, Families, Family, ObserverEvent};
use report::Report;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

/// Open-loop requests per second and route.
const REQUESTS_PER_SECOND: u64 = 60;
/// How long after the last request answers and alarms are awaited.
const SETTLE: Duration = Duration::from_millis(1_500);

/// Runs the demo.
pub(crate) fn run(arguments: &DemoArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = LocalSet::new().block_on(&runtime, play(arguments))?;
    match arguments.json {
        true => log::out(&report.json().to_string())?,
        false => log::out(&report.table())?,
    }
    Ok(if report.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_NO)
    })
}

async fn play(arguments: &DemoArgs) -> anyhow::Result<Report> {
    let show = Show {
        json: arguments.json,
    };
    let log_level = log::start("error", Some(false)).map_err(anyhow::Error::msg)?;
    let origins = FaultKind::ALL.map(|kind| Origin::start(kind.service()));
    let origins: Vec<Origin> = origins.into_iter().collect::<Result<_, _>>()?;
    let gateway = SocketAddr::from((own_address(), 8080));
    let folder = manifests::write(gateway, &origins)?;
    let tally = Tally::default();
    let app = App::start_with(
        config(folder.path(), arguments)?,
        log_level,
        vec![Box::new(tally.clone())],
    )
    .await?;
    let anomalies = app.anomalies("demo");
    let schedule = Schedule::new(Duration::from_secs(arguments.seconds));
    show.line(&format!(
        "gateway http://{gateway} · metrics http://{}/metrics · {} s, {} requests/s on each of {} routes",
        app.admin_address(),
        arguments.seconds,
        REQUESTS_PER_SECOND,
        FaultKind::ALL.len(),
    ));
    show.line("learning what is normal (baseline slots of 2 s instead of 60 s)");

    let start = Instant::now();
    let load = Load::start(gateway, start + schedule.length);
    let mut watch = Watch {
        anomalies,
        faults: Vec::new(),
        false_alarms: 0,
        start,
        show,
    };
    for planned in schedule.faults {
        watch.until(start + planned.from).await;
        let origin = &origins[planned.kind.index()];
        origin.fail(Some(planned.kind));
        watch.show.line(&format!(
            "{:5.1} s  injected {} in {} at {}",
            start.elapsed().as_secs_f64(),
            planned.kind.label(),
            planned.kind.service(),
            origin.address(),
        ));
        watch
            .faults
            .push(Fault::new(planned, origin.address(), start.elapsed()));
        watch.until(start + planned.to).await;
        origin.fail(None);
    }
    watch.until(start + schedule.length).await;
    let sent = load.finish().await?;
    watch.until(Instant::now() + SETTLE).await;
    let stats = app.stop(Duration::ZERO, Duration::from_secs(5)).await?;
    Ok(Report::new(
        &sent,
        &tally,
        &stats,
        &watch.faults,
        watch.false_alarms,
        start,
    ))
}

/// Takes anomalies in as they come.
struct Watch {
    anomalies: AnomalySubscription,
    faults: Vec<Fault>,
    false_alarms: u64,
    start: Instant,
    show: Show,
}

impl Watch {
    /// Matches each anomaly with its fault, or counts it as a false alarm, until `until`.
    async fn until(&mut self, until: Instant) {
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                anomaly = self.anomalies.recv() => match anomaly {
                    Some(anomaly) => self.take_in(&anomaly),
                    None => return,
                },
            }
        }
    }

    fn take_in(&mut self, anomaly: &ObserverEvent) {
        let at = self.start.elapsed();
        let verdict = plan::judge(anomaly, &mut self.faults, at);
        let word = match verdict {
            Verdict::Detected => "detected",
            Verdict::Repeated => "again",
            Verdict::Cleared => "cleared",
            Verdict::FalseAlarm => "FALSE ALARM",
        };
        self.false_alarms += u64::from(verdict == Verdict::FalseAlarm);
        let line = plan::describe(anomaly);
        self.show
            .line(&format!("{:5.1} s  {word}: {line}", at.as_secs_f64()));
    }
}

/// The same configuration as a user's, with the demo's folder and shorter baseline slots.
fn config(folder: &std::path::Path, arguments: &DemoArgs) -> anyhow::Result<Config> {
    let mut layers = Layers::default();
    let Some(folder) = folder.to_str() else {
        bail!("the temporary folder's name is not UTF-8")
    };
    layers.flag("manifests", "demo", vec![folder].into());
    layers.flag("admin", "demo", "127.0.0.1:0".into());
    layers.flag("proxy.trusted_peers", "demo", vec!["127.0.0.0/8"].into());
    layers.flag("detection.baseline_slot", "demo", "2s".into());
    if let Some(url) = &arguments.otlp {
        layers.flag("otlp.endpoint", "--otlp", url.as_str().into());
        layers.flag("otlp.metrics_interval", "demo", "1s".into());
        layers.flag("otlp.sample", "demo", 1.0.into());
    }
    if let Some(url) = &arguments.nats {
        layers.flag("nats.url", "--nats", url.as_str().into());
        layers.flag("nats.stream_create", "demo", true.into());
    }
    let (raw, origins, mistakes) = layers.read();
    if let Some(mistake) = mistakes.first() {
        bail!("demo configuration: {mistake}");
    }
    Config::new(raw, &origins)
        .map_err(|mistakes| anyhow::anyhow!("demo configuration: {mistakes:?}"))
}

/// A loopback address of this process's own, so that demos can run side by side.
fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 77, high, low.clamp(1, 254))
}

/// Progress: on stdout for people, on stderr beside JSON.
struct Show {
    json: bool,
}

impl Show {
    fn line(&self, line: &str) {
        // A closed stream is nobody to tell.
        match self.json {
            true => drop(writeln!(std::io::stderr().lock(), "{line}")),
            false => drop(log::out(line)),
        }
    }
}

/// Counts events as a subscriber like any other: the second witness beside the clients.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    requests: Arc<AtomicU64>,
    responses: Arc<AtomicU64>,
}

impl Subscriber for Tally {
    fn name(&self) -> &'static str {
        "demo"
    }

    fn families(&self) -> Families {
        Families::NONE
            .with(Family::HttpRequest)
            .with(Family::HttpResponse)
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::HttpRequest(_) => self.requests.fetch_add(1, Ordering::Relaxed),
            Event::HttpResponse(_) => self.responses.fetch_add(1, Ordering::Relaxed),
            _ => return,
        };
    }

    fn on_dropped(&mut self, _family: Family, _count: u64) {}

    fn on_tick(&mut self, _now: Now) {}
}
