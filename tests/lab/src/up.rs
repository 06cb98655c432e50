//! Brings a lab up: writes it down, starts its supervisor in namespaces of its own, and waits
//! until it is ready.

use crate::cache::user_cache;
use crate::certificates::Certificates;
use crate::down::end;
use crate::record::{Process, Record, Settings};
use crate::supervisor::Line;
use crate::{kubeconfig, namespace, network, programs};
use anyhow::{Context, anyhow, bail, ensure};
use nix::sched::{CloneFlags, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

/// Longer than all waits of the supervisor together.
const LIMIT: Duration = Duration::from_secs(300);

/// The namespaces that a lab has for itself; its nodes and pods have more.
const OWN: CloneFlags = CloneFlags::CLONE_NEWPID
    .union(CloneFlags::CLONE_NEWNS)
    .union(CloneFlags::CLONE_NEWNET);

/// Brings a lab up, its supervisor being `this` program's `supervise`, and says what it does.
///
/// # Errors
/// One that says what is missing, or what went wrong; then nothing is left of the lab.
pub async fn up(
    this: &Path,
    settings: Settings,
    told: &mut dyn FnMut(&str),
) -> anyhow::Result<Record> {
    check()?;
    programs::build(told)?;
    let mut record = Record::create(settings, &network::routes()?)?;
    match make(this, &mut record, told).await {
        Ok(()) => Ok(record),
        Err(error) => {
            end(&record).await.context("and it cannot be taken down")?;
            Err(error)
        }
    }
}

/// Whether a lab can be here at all.
fn check() -> anyhow::Result<()> {
    let try_out = || Ok(unshare(OWN)?);
    let is_root = nix::unistd::Uid::effective().is_root();
    ensure!(
        is_root && namespace::in_thread(try_out).is_ok(),
        "the lab needs root and Linux namespaces (PID, mount, network), which are not to be had here"
    );
    let ip = Command::new("ip").arg("-V").output();
    ip.context("ip cannot be started: install iproute2")?;
    Ok(())
}

async fn make(this: &Path, record: &mut Record, told: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    Certificates::of(record).make(record)?;
    kubeconfig::write_all(record)?;
    environment(record)?;
    let mut child = spawn(this, record)?;
    let supervisor = Process::of(child.id()).context("the supervisor ended at once")?;
    record.supervisor = Some(supervisor);
    record.write()?;
    network::link_in(record, supervisor.id)?;
    let mut stdin = child.stdin.take().context("its stdin was asked for")?;
    writeln!(stdin, "{}", serde_json::to_string(record)?)?;
    let outcome = timeout(LIMIT, follow(&mut child, record, told)).await;
    outcome.unwrap_or_else(|_| Err(anyhow!("the lab took more than {} s", LIMIT.as_secs())))
}

/// What a person needs to use it: a shell's variables, and kubectl by its name.
fn environment(record: &Record) -> anyhow::Result<()> {
    let folder = record.folder();
    let programs = folder.join("bin");
    fs::create_dir_all(&programs)?;
    fs::create_dir_all(folder.join("log"))?;
    symlink(programs::program("kubectl")?, programs.join("kubectl"))?;
    let text = format!(
        "export KUBECONFIG={}\nexport PATH={}:$PATH\n",
        record.kubeconfig().display(),
        programs.display()
    );
    fs::write(folder.join("env"), text)?;
    Ok(())
}

/// Starts the supervisor: in a thread, so that only the child is in the new namespaces.
fn spawn(this: &Path, record: &Record) -> anyhow::Result<Child> {
    let log = File::create(record.log("supervisor"))?;
    namespace::in_thread(|| {
        unshare(OWN)?;
        let child = Command::new(this)
            .arg("supervise")
            .env_clear()
            .env("XDG_CACHE_HOME", user_cache()?)
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn();
        child.with_context(|| format!("cannot start {}", this.display()))
    })
}

/// Passes on what the supervisor says, until it is ready.
async fn follow(
    child: &mut Child,
    record: &Record,
    told: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    let stdout = child.stdout.take().context("its stdout was asked for")?;
    let stdout = Receiver::from_owned_fd(OwnedFd::from(stdout))?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        match serde_json::from_str(&line).with_context(|| format!("the supervisor said {line}"))? {
            Line::Told(what) => told(&what),
            Line::Ready => return Ok(()),
            Line::Failed(why) => bail!("the lab did not come up: {why}"),
        }
    }
    let log = fs::read_to_string(record.log("supervisor")).unwrap_or_default();
    bail!("the supervisor ended without a word: {}", log.trim())
}
