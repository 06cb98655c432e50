//! Memory of RAUTA's whole process: with traffic on all of 5,000 routes, and per idle connection.

use crate::RunArgs;
use crate::cell::{Cell, H1};
use crate::peer::{Bench, Peer};
use crate::process::Process;
use crate::round::CORES;
use anyhow::ensure;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The cell's name on the command line and in the page.
pub(crate) const NAME: &str = "memory";

const CELL: Cell = Cell {
    name: NAME,
    routes: 5_000,
    ..H1
};
const WORKERS: usize = 2;
/// Connections that load the routes.
const LOADING: usize = 64;
/// Requests to each route.
const PASSES: usize = 20;
/// Connections that did one request and stay open.
const IDLE: usize = 5_000;

/// Runs it, and gives its part of the page.
pub(crate) fn measure(arguments: &RunArgs, folder: &Path) -> anyhow::Result<String> {
    let bench = Bench::new(folder, &arguments.rauta, WORKERS)?;
    let _origin = bench.origin(&CELL)?;
    let log = folder.join("memory.log");
    let command = Peer::Rauta.command(&CELL, &bench)?.unwrap_or_default();
    let mut rauta = Process::start(NAME, CORES.0, &command, &log)?;
    let address = Peer::Rauta.address();
    rauta.wait_for(address, &log)?;
    let fresh = rauta.resident_kib()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        ask_all(address).await?;
        let loaded = rauta.resident_kib()?;
        let mut idle = Vec::with_capacity(IDLE);
        for _ in 0..IDLE {
            let mut client = TcpStream::connect(address).await?;
            ask(&mut client, 0).await?;
            idle.push(client);
        }
        let holding = rauta.resident_kib()?;
        Ok(format!(
            "### {NAME}\n\n{} routes, each asked {PASSES} times, {WORKERS} workers, whole pipeline.\n\n\
             | | resident |\n|---|---|\n| started | {:.1} MiB |\n\
             | after the traffic | {:.1} MiB |\n\
             | per idle HTTP/1.1 connection, of {IDLE} | {:.0} bytes |\n",
            CELL.routes,
            fresh as f64 / 1024.0,
            loaded as f64 / 1024.0,
            holding.saturating_sub(loaded) as f64 * 1024.0 / IDLE as f64,
        ))
    })
}

/// Asks for each route, over connections that share the work.
async fn ask_all(address: SocketAddr) -> anyhow::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..LOADING {
        tasks.spawn(async move {
            let mut client = TcpStream::connect(address).await?;
            for _ in 0..PASSES {
                for route in (first..CELL.routes).step_by(LOADING) {
                    ask(&mut client, route).await?;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// One request and its whole answer.
async fn ask(client: &mut TcpStream, route: usize) -> anyhow::Result<()> {
    let request = format!("GET /r{route}/item HTTP/1.1\r\nHost: bench.test\r\n\r\n");
    client.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(2 * CELL.body);
    let end = loop {
        ensure!(client.read_buf(&mut answer).await? > 0, "no answer");
        if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    ensure!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "another answer than 200"
    );
    while answer.len() < end + CELL.body {
        ensure!(client.read_buf(&mut answer).await? > 0, "half an answer");
    }
    Ok(())
}
