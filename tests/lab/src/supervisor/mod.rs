//! PID 1 of a lab: lays the network, starts the parts, starts again what ends, and ends last.
//!
//! It is started in new PID, mount and network namespaces. When it ends, however it ends, the
//! kernel ends every process below it and takes namespaces, mounts and links with them.

mod bring_up; // in which order, and until when
mod gateway; // which nodes get the pool's connections
mod parts; // processes: started, reaped, started again
mod report; // what `up` is told

use crate::network;
use crate::record::Record;
use anyhow::Context;
use bring_up::bring_up;
use nix::mount::{MsFlags, mount};
use parts::{Parts, Start};
use report::Report;

pub(crate) use report::Line;
use std::fs;
use std::io::BufRead;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How long the nodes' pods may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Runs until SIGTERM. What it is to be comes as one line on stdin, after the link to it is there;
/// no line means that whoever started it is gone.
///
/// # Errors
/// Where the lab cannot be made; the same is told on stdout.
pub fn supervise() -> anyhow::Result<()> {
    // Only the group of the terminal gets its signals, and the lab outlives the terminal.
    nix::unistd::setsid().ok();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let record: Record = serde_json::from_str(&line).context("no lab was asked for")?;
    let report = Report::default();
    let outcome = run(&record, &report);
    if let Err(error) = &outcome {
        report.failed(error);
    }
    outcome
}

fn run(record: &Record, report: &Report) -> anyhow::Result<()> {
    let data = record.folder().join("etcd");
    mounts(&data)?;
    let namespaces = network::lay(record)?;
    for (node, namespace) in record.nodes().iter().zip(&namespaces) {
        let folder = record.node_folder(&node.name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("network"), namespace.as_raw_fd().to_string())?;
    }
    report.told(&format!("network: {} nodes", namespaces.len()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(live(record, Parts::new(record, namespaces), report))
}

/// This lab's own view of the machine: nothing that it mounts is seen outside.
fn mounts(data: &Path) -> anyhow::Result<()> {
    let none: Option<&str> = None;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(none, "/", none, private, none).context("cannot keep the lab's mounts to itself")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).context("/proc")?;
    fs::create_dir_all(data)?;
    let memory = Some("tmpfs");
    mount(memory, data, memory, MsFlags::empty(), none).context("a place for etcd's data")?;
    Ok(())
}

async fn live(record: &Record, mut parts: Parts<'_>, report: &Report) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut child_ended = signal(SignalKind::child())?;
    let (starts, mut wanted) = mpsc::channel::<Start>(8);
    let bringing = bring_up(record, starts, report);
    tokio::pin!(bringing);
    let client = loop {
        tokio::select! {
            client = &mut bringing => break client?,
            Some(start) = wanted.recv() => parts.start(start)?,
            _ = child_ended.recv() => parts.reap_none()?,
            _ = terminated.recv() => return Ok(()),
        }
    };
    report.ready();
    let following = gateway::follow(record, client);
    tokio::pin!(following);
    loop {
        tokio::select! {
            _ = child_ended.recv() => parts.reap(),
            () = parts.due() => parts.start_due()?,
            never = &mut following => match never? {},
            _ = terminated.recv() => break,
        }
    }
    parts.stop_nodes();
    let limit = tokio::time::sleep(STOP_LIMIT);
    tokio::pin!(limit);
    while parts.has_nodes() {
        tokio::select! {
            _ = child_ended.recv() => parts.reap(),
            () = &mut limit => break,
        }
    }
    // What is left has nothing to save, and ends with this process.
    Ok(())
}
