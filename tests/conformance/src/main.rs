//! `rauta-conformance`: the official suite against a lab, and a table of what came of it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its table is its purpose")]
#![expect(
    clippy::print_stderr,
    reason = "what happens to the lab is no part of the table"
)]

use anyhow::{Context, anyhow, ensure};
use clap::{Parser, Subcommand};
use rauta_conformance::cluster::{Cluster, Lab};
use rauta_conformance::programs::Programs;
use rauta_conformance::report::{GATEWAY_PROFILES, is_profile};
use rauta_conformance::run::{self, Plan};
use rauta_lab::GatewayPods;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Runs the official Gateway API conformance suite against a lab of its own.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the suite's backends, write the table of images that has them, and say where it is.
    Images {
        /// A further image and the program that it stands for, NAME=PROGRAM.
        #[arg(long, value_parser = image)]
        image: Vec<(String, PathBuf)>,
    },
    /// The first process of a lab (started by this program).
    #[command(hide = true)]
    Supervise,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Channel of the CRDs to install.
    #[arg(long, default_value = "standard", value_parser = ["standard", "experimental"])]
    channel: String,
    /// Profiles to report, between commas.
    #[arg(long, value_delimiter = ',', default_values_t = GATEWAY_PROFILES.map(str::to_owned))]
    profiles: Vec<String>,
    /// Run only the test of this name.
    #[arg(long)]
    run: Option<String>,
    /// Folder with the manifests of the implementation; without them nothing implements the class.
    #[arg(long)]
    manifests: Option<PathBuf>,
    /// Name of the GatewayClass.
    #[arg(long, default_value = "gateway-conformance")]
    class: String,
    /// The controller that the GatewayClass names.
    #[arg(long, default_value = "rauta.false-systems.dev/gateway")]
    controller: String,
    /// Features to claim, between commas; what the GatewayClass's status says if there are none.
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Run against this cluster instead of a lab of its own.
    #[arg(long, requires = "kubectl")]
    kubeconfig: Option<PathBuf>,
    /// The kubectl to prepare that cluster with.
    #[arg(long)]
    kubectl: Option<PathBuf>,
    /// An image of the manifests and the program that it stands for, NAME=PROGRAM.
    #[arg(long, value_parser = image)]
    image: Vec<(String, PathBuf)>,
    /// The pods that serve Gateways, NAMESPACE/LABEL=VALUE: a node without a ready one gets no
    /// traffic of the lab's pool.
    #[arg(long)]
    gateway: Option<GatewayPods>,
    /// Folder for the report and the log; a new one in target/conformance without it.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The program of this package that is a node's kubelet.
const KUBELET: &str = "rauta-conformance-kubelet";

fn main() -> ExitCode {
    match start(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.task {
        Some(Task::Supervise) => {
            rauta_lab::supervise()?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Task::Images { image }) => {
            let table = rauta_lab::cache()?.join("images.toml");
            Programs::get()?.write_images(&image, &table)?;
            println!("{}", table.display());
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    let cli = cli.run;
    if let Some(wrong) = cli.profiles.iter().find(|profile| !is_profile(profile)) {
        anyhow::bail!(
            "{wrong} is no profile of the suite: say {}",
            GATEWAY_PROFILES.join(", ")
        );
    }
    if let Some(folder) = &cli.manifests {
        let shown = folder.display();
        ensure!(folder.is_dir(), "manifests: {shown} is no folder");
        let has = holds_manifests(folder).with_context(|| shown.to_string())?;
        ensure!(has, "manifests: {shown} has no .yaml, .yml or .json file");
    }
    let folder = match &cli.out {
        Some(folder) => folder.clone(),
        None => new_folder(&cli.channel)?,
    };
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    let plan = Plan {
        folder: std::path::absolute(folder)?,
        channel: cli.channel.clone(),
        profiles: cli.profiles.clone(),
        test: cli.run.clone(),
        manifests: cli.manifests.clone(),
        class: cli.class.clone(),
        controller: cli.controller.clone(),
        features: cli.features.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match runtime.block_on(drive(&cli, &plan)) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => {
            println!("setup failed: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Whether kubectl finds anything in a folder or the folders in it.
fn holds_manifests(folder: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        let has = match path.is_dir() {
            true => holds_manifests(&path)?,
            false => matches!(ending, Some("yaml" | "yml" | "json")),
        };
        if has {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs the plan on the cluster that was asked for, and clears that away.
async fn drive(cli: &RunArgs, plan: &Plan) -> anyhow::Result<bool> {
    let mut tell = |what: &str| eprintln!("{what}");
    let programs = Programs::get()?;
    let cluster = match (&cli.kubeconfig, &cli.kubectl) {
        (Some(kubeconfig), Some(kubectl)) => {
            Cluster::existing(std::path::absolute(kubeconfig)?, kubectl.clone())
        }
        _ => {
            let this = std::env::current_exe()?;
            let images = plan.folder.join("images.toml");
            programs.write_images(&cli.image, &images)?;
            let lab = Lab {
                name: &format!("conformance-{}", std::process::id()),
                kubelet: &this.with_file_name(KUBELET),
                supervisor: &this,
                ipv6: false,
                gateway: cli.gateway.clone(),
            };
            Cluster::start(&lab, &images, &mut tell).await?
        }
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let passed = tokio::select! {
        passed = run::run(plan, &cluster, &programs) => passed,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow!("told to end")),
    };
    let stopped = cluster.stop(&mut tell).await;
    let passed = passed?;
    stopped.map(|()| passed)
}

/// `NAME=PROGRAM`.
fn image(text: &str) -> anyhow::Result<(String, PathBuf)> {
    let (name, program) = text.split_once('=').context("write it as NAME=PROGRAM")?;
    Ok((name.to_owned(), std::path::absolute(program)?))
}

/// The first unused folder of the channel's, counted from 1.
fn new_folder(channel: &str) -> anyhow::Result<PathBuf> {
    let parent = Path::new("target/conformance");
    std::fs::create_dir_all(parent)?;
    for number in 1..10_000 {
        let folder = parent.join(format!("{channel}-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(folder.display().to_string()),
        }
    }
    anyhow::bail!("{} is full: remove old runs", parent.display())
}
