//! `rauta-conformance`: the official suite against a cluster, and a table of what came of it.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "its table is its purpose")]

use anyhow::{Context, ensure};
use clap::Parser;
use rauta_conformance::cluster::Cluster;
use rauta_conformance::programs::Programs;
use rauta_conformance::report::{GATEWAY_PROFILES, is_profile};
use rauta_conformance::run::{self, Plan};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs the official Gateway API conformance suite.
#[derive(Debug, Parser)]
struct Cli {
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
    /// The cluster to run against.
    #[arg(long)]
    kubeconfig: PathBuf,
    /// The kubectl to prepare it with.
    #[arg(long, default_value = "kubectl")]
    kubectl: PathBuf,
    /// Folder for the report and the log; a new one in target/conformance without it.
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(wrong) = cli.profiles.iter().find(|profile| !is_profile(profile)) {
        anyhow::bail!(
            "{wrong} is no profile of the suite: say {}",
            GATEWAY_PROFILES.join(", ")
        );
    }
    if let Some(folder) = &cli.manifests {
        ensure!(folder.is_dir(), "{} is no folder", folder.display());
    }
    let plan = Plan {
        folder: match cli.out {
            Some(folder) => folder,
            None => new_folder(&cli.channel)?,
        },
        channel: cli.channel,
        profiles: cli.profiles,
        test: cli.run,
        manifests: cli.manifests,
        class: cli.class,
        controller: cli.controller,
        features: cli.features,
    };
    std::fs::create_dir_all(&plan.folder)
        .with_context(|| format!("{} cannot be made", plan.folder.display()))?;
    let programs = Programs::get()?;
    let kubeconfig = std::path::absolute(cli.kubeconfig)?;
    let cluster = Cluster::existing(kubeconfig, cli.kubectl);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match runtime.block_on(run::run(&plan, &cluster, &programs)) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => {
            println!("setup failed: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
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
