//! The kubelet's own life: it takes its place, serves, and leaves nothing behind.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use nix::mount::{MntFlags, MsFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::args::Args;
use crate::events::Events;
use crate::folders::Folders;
use crate::images::Images;
use crate::kubelet::Kubelet;
use crate::launch::{self, mounts};
use crate::pods::Workers;
use crate::server::Server;
use crate::{lease, leftovers, network, node};

/// Between two tries to register while the API server does not answer.
const RETRY: Duration = Duration::from_millis(500);
/// What pods get beyond their grace before the kubelet leaves without them.
const LEAVE_MARGIN: Duration = Duration::from_secs(5);
/// What all volumes in memory of a node may hold.
const MEMORY_OPTIONS: &str = "mode=711,size=1g";

/// The whole program: a kubelet, or one of the launchers that it starts, as the command line says.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = launch::run(&words) {
        return code;
    }
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_max_level(tracing::Level::INFO)
        .init();
    run(args).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}

/// Runs a kubelet until it is told to stop. An error is what keeps it from starting: a file, a
/// port, a right that it does not have.
fn run(args: Args) -> anyhow::Result<ExitCode> {
    prepare(&args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be made")?;
    let folders = Folders::new(&args.root);
    let result = runtime.block_on(serve(args));
    runtime.shutdown_timeout(LEAVE_MARGIN);
    umount2(&folders.memory(), MntFlags::MNT_DETACH).context("volumes cannot be unmounted")?;
    result
}

/// What has to happen while there is one thread: mounts of its own, and the end of what a kubelet
/// before this one left.
fn prepare(args: &Args) -> anyhow::Result<()> {
    args.images.as_deref().map(Images::load).transpose()?;
    unshare(CloneFlags::CLONE_NEWNS).context("a kubelet needs root: no mount namespace")?;
    mounts::make_private()?;
    // The processes of this PID namespace, whatever the caller has mounted there.
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mounts::kernel("proc", Path::new("/proc"), quiet, None)?;
    let folders = Folders::new(&args.root);
    for folder in [folders.memory(), folders.logs(), folders.notes()] {
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    mounts::memory(&folders.memory(), MEMORY_OPTIONS, MsFlags::empty())?;
    let ended = leftovers::end_all(&folders.notes()).context("notes of processes")?;
    if ended > 0 {
        tracing::warn!(
            ended,
            "processes of a kubelet before this one were still there"
        );
    }
    network::forward(&args.pod_cidr)
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate()).context("signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("signals")?;
    let client = client(&args.kubeconfig).await?;
    let (events, write_events) = Events::new(client.clone(), args.node_name.clone());
    let kubelet = Arc::new(Kubelet::new(args, client, events));
    let server = Server::bind(&kubelet)?;
    let (shutdown, shutting_down) = watch::channel(None);
    let mut workers = Workers::new(kubelet.clone(), shutting_down);
    tokio::spawn(write_events);
    tokio::spawn(server.run(kubelet.clone()));
    let work = async {
        register(&kubelet).await;
        tokio::join!(
            node::beat(&kubelet),
            lease::renew(&kubelet),
            workers.watch()
        );
    };
    tokio::select! {
        () = work => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!(node = kubelet.args.node_name, "stopping");
    let grace = kubelet.args.shutdown_grace;
    shutdown.send_replace(Some(Instant::now() + grace));
    let left = workers.finish(grace + LEAVE_MARGIN).await;
    if left > 0 {
        tracing::error!(pods = left, "pods did not end in time");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn client(kubeconfig: &Path) -> anyhow::Result<Client> {
    let said = || format!("--kubeconfig {}", kubeconfig.display());
    let kubeconfig = Kubeconfig::read_from(kubeconfig).with_context(said)?;
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // Watches are long; a connection that is dead without a word must not be.
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).context("the client cannot be made")
}

async fn register(kubelet: &Kubelet) {
    loop {
        match node::register(kubelet).await {
            Ok(uid) => {
                tracing::info!(node = kubelet.args.node_name, "registered");
                return kubelet.is_registered(uid);
            }
            Err(error) => tracing::warn!(error = %error, "the Node is not registered yet"),
        }
        sleep(RETRY).await;
    }
}
