//! One run: the cluster is prepared, the suite runs, its failures are told while they are fresh.

#![expect(clippy::print_stdout, reason = "what happens is its purpose")]

use crate::cluster::Cluster;
use crate::evidence;
use crate::programs::{self, Programs};
use crate::progress::{self, Outcome, Progress};
use crate::report::{self, Report};
use crate::witness::Witness;
use anyhow::{Context, bail};
use serde_json::json;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// What is to be run.
#[derive(Debug)]
pub struct Plan {
    /// `standard` or `experimental`.
    pub channel: String,
    /// The profiles that the report has.
    pub profiles: Vec<String>,
    /// The one test to run; all of them without it.
    pub test: Option<String>,
    /// Folder with the implementation's manifests.
    pub manifests: Option<PathBuf>,
    /// Name of the GatewayClass.
    pub class: String,
    /// The controller that the GatewayClass names.
    pub controller: String,
    /// The features that are claimed; what the GatewayClass's status says if empty.
    pub features: Vec<String>,
    /// Where report and log are kept.
    pub folder: PathBuf,
}

/// How long an implementation may take to accept its GatewayClass, in seconds.
const ACCEPT: u32 = 120;
/// How long the suite waits for that where there is no implementation, in seconds.
const ACCEPT_NONE: u32 = 5;
/// How long the whole suite may take, as Go writes it.
const LIMIT: &str = "3h";
/// How many of the gateway's last lines a failure prints; the file has all.
const TAIL: usize = 40;

/// Prepares the cluster and runs the suite; tells whether every test passed.
///
/// # Errors
/// Why the suite could not begin, in one line.
pub async fn run(plan: &Plan, cluster: &Cluster, programs: &Programs) -> anyhow::Result<bool> {
    prepare(plan, cluster, programs).await?;
    let witness = Witness::start(&cluster.client().await?).await?;
    let mut suite = Suite::start(plan, cluster, programs).await?;
    let mut log = tokio::fs::File::create(plan.folder.join("suite.log")).await?;
    let mut progress = Progress::default();
    let mut lines = BufReader::new(suite.events.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        log.write_all(progress::printed(&line).as_bytes()).await?;
        let Some((name, outcome)) = progress.take(&line) else {
            continue;
        };
        let test = &progress.tests[&name];
        match outcome {
            Outcome::Passed => println!("passed  {name} ({:.1} s)", test.seconds),
            Outcome::Skipped => {}
            Outcome::Failed => {
                println!("FAILED  {name} ({:.1} s)", test.seconds);
                let evidence = evidence::of(plan, cluster, &witness, &name, test).await?;
                println!("{}", evidence.shortened(TAIL));
            }
        }
    }
    log.flush().await?;
    suite.tests.wait().await?;
    suite.events.wait().await?;
    if let Some(error) = progress.setup_error() {
        if !accepted(plan, cluster).await? {
            bail!("GatewayClass {} was not accepted: {error}", plan.class);
        }
        println!(
            "{}",
            evidence::of_setup(plan, cluster, &witness)
                .await?
                .shortened(TAIL)
        );
        bail!("{error}");
    }
    finish(plan, &progress).await?;
    Ok(progress.passed == Some(true))
}

/// CRDs, GatewayClass, and the implementation if there is one.
async fn prepare(plan: &Plan, cluster: &Cluster, programs: &Programs) -> anyhow::Result<()> {
    cluster.install_api(programs, &plan.channel).await?;
    let class = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": plan.class},
        "spec": {"controllerName": plan.controller},
    });
    cluster.apply(&class.to_string()).await?;
    let Some(manifests) = &plan.manifests else {
        return Ok(());
    };
    let apply = ["apply", "--server-side", "--force-conflicts", "-R", "-f"];
    let apply = apply.map(Into::into).into_iter();
    cluster
        .kubectl(apply.chain([manifests.clone().into_os_string()]))
        .await?;
    let (class, limit) = (&plan.class, ACCEPT);
    let accepted = format!("wait gatewayclass/{class} --for=condition=Accepted --timeout={limit}s");
    if cluster.kubectl(accepted.split(' ')).await.is_err() {
        bail!(
            "GatewayClass {class} was not accepted by {} within {limit} s",
            plan.controller
        );
    }
    Ok(())
}

/// Whether the GatewayClass is accepted now.
async fn accepted(plan: &Plan, cluster: &Cluster) -> anyhow::Result<bool> {
    let path = "jsonpath={.status.conditions[?(@.type=='Accepted')].status}";
    let status = cluster
        .kubectl(["get", "gatewayclass", &plan.class, "-o", path])
        .await?;
    Ok(status == "True")
}

/// Reads the suite's report, and prints and keeps the table.
async fn finish(plan: &Plan, progress: &Progress) -> anyhow::Result<()> {
    let file = plan.folder.join("report.yaml");
    let report = match tokio::fs::read_to_string(&file).await {
        Ok(text) => Report::parse(&text).with_context(|| file.display().to_string())?,
        Err(_) => Report::default(),
    };
    let text = format!(
        "{}API {} {}, suite {}\n",
        report::table(&plan.profiles, &report, progress),
        report.version,
        report.channel,
        programs::suite(),
    );
    tokio::fs::write(plan.folder.join("summary.txt"), &text).await?;
    println!(
        "\n{text}report, log and failures: {}",
        plan.folder.display()
    );
    Ok(())
}

/// The suite, and what makes events of its output; both end when this is dropped.
struct Suite {
    tests: Child,
    events: Child,
}

impl Suite {
    async fn start(plan: &Plan, cluster: &Cluster, programs: &Programs) -> anyhow::Result<Self> {
        let errors = tokio::fs::File::create(plan.folder.join("stderr.log")).await?;
        let mut tests = Command::new(&programs.suite)
            .current_dir(&plan.folder)
            .args(["-test.v=test2json", "-test.count=1", "-test.timeout", LIMIT])
            .args(arguments(plan, cluster))
            .env("KUBECONFIG", cluster.kubeconfig())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors.into_std().await)
            .kill_on_drop(true)
            .spawn()
            .context("the suite cannot be started")?;
        let output: Stdio = tests.stdout.take().context("no output")?.try_into()?;
        let events = Command::new(&programs.test2json)
            .arg("-t")
            .stdin(output)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("test2json cannot be started")?;
        Ok(Self { tests, events })
    }
}

/// The suite's own flags.
fn arguments(plan: &Plan, cluster: &Cluster) -> Vec<String> {
    let repository = env!("CARGO_PKG_REPOSITORY");
    let mut flags = vec![
        format!("--gateway-class={}", plan.class),
        format!("--conformance-profiles={}", plan.profiles.join(",")),
        "--report-output=report.yaml".to_owned(),
        "--organization=false-systems".to_owned(),
        "--project=rauta".to_owned(),
        format!("--url={repository}"),
        format!("--version=v{}", env!("CARGO_PKG_VERSION")),
        format!("--contact={repository}/issues/new"),
    ];
    if let Some(test) = &plan.test {
        flags.push(format!("--run-test={test}"));
    }
    if !plan.features.is_empty() {
        flags.push(format!("--supported-features={}", plan.features.join(",")));
    }
    if plan.manifests.is_none() {
        flags.push(format!(
            "--timeout-config-overrides=GWCMustBeAccepted:{ACCEPT_NONE}"
        ));
        if plan.features.is_empty() {
            // Nothing publishes features; without one the suite would not even look at the class.
            flags.push("--supported-features=Gateway".to_owned());
        }
    }
    if let Some([usable, unusable]) = cluster.addresses() {
        flags.push(format!("--usable-address={usable}"));
        flags.push(format!("--unusable-address={unusable}"));
    }
    flags
}
