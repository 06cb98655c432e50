//! `rauta-lab`: brings a lab up, takes it down, and shows what is in it.

#![forbid(unsafe_code)]

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use rauta_lab::{DEVIATIONS, Process, Record, Settings, Witness, labs};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// A real Kubernetes control plane with nodes that are network namespaces, for tests.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the control plane's programs into the cache, where they are not there yet.
    Build,
    /// Bring a lab up.
    Up(UpArgs),
    /// Take a lab down and prove it gone; clear away labs that died.
    Down(NameArgs),
    /// What runs, of one lab or of all.
    Status(StatusArgs),
    /// kubectl as the lab's administrator: what follows are its own arguments.
    Kubectl(ProgramArgs),
    /// Run a program in the lab's network, or in a node's.
    Enter(EnterArgs),
    /// What this machine holds of processes, namespaces, links, routes, mounts and cgroups.
    Witness,
    /// Where a lab is not a real cluster.
    Deviations,
    /// PID 1 of a lab (started by `up`).
    #[command(hide = true)]
    Supervise,
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// The lab's name; labs of several names stand side by side.
    #[arg(long, default_value = "lab")]
    name: String,
}

#[derive(Debug, clap::Args)]
struct UpArgs {
    #[command(flatten)]
    name: NameArgs,
    /// How many nodes.
    #[arg(long, default_value_t = 2)]
    nodes: u8,
    /// IPv6 beside IPv4.
    #[arg(long)]
    ipv6: bool,
    /// The kubelet; by default the program `rauta-lab-kubelet` beside this one.
    #[arg(long)]
    kubelet: Option<PathBuf>,
    /// No kubelets: the nodes are networks and nothing else.
    #[arg(long, conflicts_with_all = ["kubelet", "images"])]
    no_kubelet: bool,
    /// The kubelet's table of images: which local program stands for which image.
    #[arg(long)]
    images: Option<PathBuf>,
    /// The pods that serve Gateways, NAMESPACE/LABEL=VALUE: a node without a ready one gets no
    /// traffic of the pool.
    #[arg(long)]
    gateway: Option<rauta_lab::GatewayPods>,
    /// The process that needs it: once it has ended, any `down` takes this lab too.
    #[arg(long)]
    owner: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// Only this lab.
    #[arg(long)]
    name: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ProgramArgs {
    #[command(flatten)]
    name: NameArgs,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

#[derive(Debug, clap::Args)]
struct EnterArgs {
    /// A node; without one, the lab's own network, where the API server is.
    #[arg(long)]
    node: Option<String>,
    #[command(flatten)]
    program: ProgramArgs,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Build => rauta_lab::build(&mut tell)?,
        Task::Up(args) => up(args)?,
        Task::Down(NameArgs { name }) => block_on(rauta_lab::down(&name, &mut tell))?,
        Task::Status(args) => status(&args)?,
        Task::Kubectl(ProgramArgs { name, words }) => {
            let record = Record::read(&name.name)?;
            let mut kubectl = Command::new(rauta_lab::program("kubectl")?);
            kubectl.env("KUBECONFIG", record.kubeconfig()).args(words);
            return Err(kubectl.exec()).context("kubectl cannot be started");
        }
        Task::Enter(EnterArgs { node, program }) => {
            let record = Record::read(&program.name.name)?;
            match rauta_lab::enter(&record, node.as_deref(), &program.words)? {}
        }
        Task::Witness => say(&serde_json::to_string_pretty(&Witness::take()?)?)?,
        Task::Deviations => deviations()?,
        Task::Supervise => rauta_lab::supervise()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

fn up(args: UpArgs) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let kubelet = match (args.no_kubelet, args.kubelet) {
        (true, _) => None,
        (false, given) => Some(given.unwrap_or_else(|| this.with_file_name("rauta-lab-kubelet"))),
    };
    if let Some(missing) = kubelet.as_ref().filter(|path| !path.is_file()) {
        bail!(
            "there is no kubelet at {}: build it, or say --no-kubelet for a control plane alone",
            missing.display()
        );
    }
    let absolute = |path: PathBuf| {
        let found = path.canonicalize();
        found.with_context(|| path.display().to_string())
    };
    let settings = Settings {
        name: args.name.name,
        nodes: args.nodes,
        ipv6: args.ipv6,
        kubelet: kubelet.map(absolute).transpose()?,
        images: args.images.map(absolute).transpose()?,
        gateway: args.gateway,
        owner: args.owner.map(owner).transpose()?,
    };
    let record = block_on(rauta_lab::up(&this, settings, &mut tell))?;
    let addresses = record.addresses;
    let pool = addresses
        .pool()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    say(&format!(
        "the lab `{}` is up\n  API server    https://{}:6443\n  kubeconfig    {}\n  \
         Gateway pool  {}\n  kubectl       . {}/env, or make lab-kubectl ARGS=\"get nodes\"\n  \
         logs          {}/log",
        record.settings.name,
        addresses.api_server(),
        record.kubeconfig().display(),
        pool.join(" "),
        record.folder().display(),
        record.folder().display(),
    ))
}

fn owner(id: u32) -> anyhow::Result<Process> {
    Process::of(id).with_context(|| format!("--owner {id}: there is no such process"))
}

fn status(args: &StatusArgs) -> anyhow::Result<()> {
    let records = match &args.name {
        Some(name) => vec![Record::read(name)?],
        None => labs()?,
    };
    let all: Vec<_> = records
        .iter()
        .map(rauta_lab::status)
        .collect::<Result<_, _>>()?;
    if args.json {
        return say(&serde_json::to_string_pretty(&all)?);
    }
    if all.is_empty() {
        return say("there is no lab");
    }
    for lab in all {
        let is = if lab.is_up {
            "is up"
        } else {
            "has died: take it down"
        };
        say(&format!("the lab `{}` {is}", lab.name))?;
        say(&format!("  kubeconfig  {}", lab.kubeconfig.display()))?;
        for (name, addresses) in lab.nodes {
            let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            say(&format!("  {name}      {}", all.join(" ")))?;
        }
        for (name, id, kilobytes) in lab.parts {
            say(&format!("  {name}, process {id}, {} MB", kilobytes / 1024))?;
        }
    }
    Ok(())
}

fn deviations() -> anyhow::Result<()> {
    say("| What | A real cluster | The lab |\n|---|---|---|")?;
    for row in DEVIATIONS {
        say(&format!("| {} | {} | {} |", row.what, row.usual, row.here))?;
    }
    Ok(())
}

/// Results go to stdout.
fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// What happens goes to stderr.
fn tell(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}
