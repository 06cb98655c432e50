//! `make demo-platform`: the demo against what the platform is made of. A real NATS server with
//! JetStream, a real OpenTelemetry Collector and a real Prometheus are started, `rauta demo` runs
//! against them, and each of its four detections is read back from each of them with its evidence.
//! Everything that was started is stopped.

#![forbid(unsafe_code)]

mod demo; // `rauta demo`, watched
mod read; // what stands in NATS, collector and Prometheus

use anyhow::{Context, ensure};
use rauta_integration::{Collector, NatsServer, Prometheus};
use std::path::PathBuf;
use std::process::ExitCode;

/// A detection that is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The fault's name in the demo's report.
    pub(crate) fault: &'static str,
    /// The route that has it.
    pub(crate) route: &'static str,
    /// The type of its occurrence.
    pub(crate) r#type: &'static str,
    /// Its subject for the platform's Go programs.
    pub(crate) subject: &'static str,
    /// The anomaly's kind in metrics.
    pub(crate) kind: &'static str,
}

const WANTED: [Wanted; 4] = [
    Wanted {
        fault: "slow_response",
        route: "checkout",
        r#type: "network.http.slow_response",
        subject: "tapio.events.network.http_slow_response",
        kind: "slow_response",
    },
    Wanted {
        fault: "hang",
        route: "search",
        r#type: "network.http.slow_response",
        subject: "tapio.events.network.http_slow_response",
        kind: "slow_response",
    },
    Wanted {
        fault: "error_spike",
        route: "cart",
        r#type: "service.http.error_spike",
        subject: "tapio.events.network.http_error_spike",
        kind: "error_spike",
    },
    Wanted {
        fault: "probe_failed",
        route: "catalog",
        r#type: "service.probe.failed",
        subject: "tapio.events.health.probe_failed",
        kind: "probe_failed",
    },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("NOT ok: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rauta: PathBuf = arguments
        .next()
        .context("usage: demo_platform RAUTA [argument of `rauta demo`]...")?
        .into();
    let more: Vec<String> = arguments.collect();
    say("starting NATS with JetStream and the collector (built once, which takes a minute or two)");
    let nats = NatsServer::start("")?;
    let collector = Collector::start()?;
    say(&format!(
        "NATS {} · collector {}",
        nats.url(),
        collector.http()
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(read::create_stream(&nats.url()))?;
    let heard = runtime.block_on(read::subscribe(&nats.url()))?;

    let otlp = format!("http://{}", collector.http());
    let mut demo = demo::Demo::start(&rauta, &nats.url(), &otlp, &more)?;
    let prometheus = Prometheus::start(demo.metrics()?)?;
    say(&format!("Prometheus http://{}", prometheus.address()));
    let report = demo.finish()?;
    say(&format!("\nthe demo's own report: {report}\n"));

    let observer_events = heard
        .lock()
        .map_err(|_| anyhow::anyhow!("the subscriber panicked"))?;
    let occurrences = runtime.block_on(read::stream(&nats.url()))?;
    let mut missing = Vec::new();
    for wanted in &WANTED {
        say(&format!("{} on {}", wanted.fault, wanted.route));
        for (place, found) in [
            (
                "tapio.events.>",
                read::observer_event(&observer_events, wanted),
            ),
            ("rauta.v1.>", read::occurrence(&occurrences, wanted)),
            ("collector", read::record(&collector, wanted)),
            ("Prometheus", read::series(&prometheus, wanted)),
        ] {
            match found {
                Ok(evidence) => say(&format!("  {place:<15} {evidence}")),
                Err(error) => {
                    say(&format!("  {place:<15} MISSING: {error:#}"));
                    missing.push(format!("{} in {place}", wanted.fault));
                }
            }
        }
    }
    ensure!(missing.is_empty(), "not found: {}", missing.join(", "));
    ensure!(report["ok"] == true, "the demo's own report is not ok");
    say("ok: four detections, read back from four places");
    Ok(())
}

/// One line for whoever runs it.
#[expect(clippy::print_stdout, reason = "a command's answer")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
