//! A real Prometheus with a configuration and a folder of its own, and its metrics' checker.

use crate::beside::{Beside, free_address};
use crate::get;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How often is asked again, and how often at most: a minute.
const PAUSE: Duration = Duration::from_millis(100);
const TRIES: u32 = 600;

/// A running Prometheus; killed when dropped.
#[derive(Debug)]
pub struct Prometheus {
    program: Beside,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `target`'s `/metrics` every second, and waits until it answers.
    ///
    /// # Errors
    /// Where it is not installed, or with all it said where it does not start.
    pub fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = free_address()?;
        let config = folder.path().join("prometheus.yml");
        std::fs::write(
            &config,
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
                 - {{job_name: rauta, static_configs: [{{targets: [\"{target}\"]}}]}}\n"
            ),
        )?;
        let program = Beside::start(
            Command::new("prometheus")
                .arg(format!("--config.file={}", config.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    folder.path().join("data").display()
                ))
                .arg(format!("--web.listen-address={address}")),
        )
        .context("Debian: prometheus")?;
        program.wait_for("line that it is ready", |said| {
            said.contains("Server is ready to receive web requests")
                .then_some(())
        })?;
        Ok(Self {
            program,
            address,
            _folder: folder,
        })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// The series that an expression has now, each with `metric` (its labels) and `value`.
    ///
    /// # Errors
    /// Where Prometheus does not answer, or refuses the expression.
    pub fn query(&self, expression: &str) -> anyhow::Result<Vec<Value>> {
        let escaped: String = expression
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        let host = self.address.to_string();
        let answer = get(
            self.address,
            &host,
            &format!("/api/v1/query?query={escaped}"),
        )?;
        ensure!(answer.status == 200, "{expression}: {}", answer.body);
        // It may come in chunks: the document is what stands between the outermost braces.
        let body = &answer.body;
        let (from, to) = (body.find('{'), body.rfind('}'));
        let json = from.zip(to).and_then(|(from, to)| body.get(from..=to));
        let json: Value = serde_json::from_str(json.context("a document")?)?;
        let result = json["data"]["result"].as_array();
        Ok(result.context("a result")?.clone())
    }

    /// Asks until the expression has a series.
    ///
    /// # Errors
    /// Where it has none for a minute, or cannot be asked for.
    pub fn wait_for(&self, expression: &str) -> anyhow::Result<Vec<Value>> {
        for _ in 0..TRIES {
            let series = self.query(expression)?;
            if !series.is_empty() {
                return Ok(series);
            }
            std::thread::park_timeout(PAUSE);
        }
        bail!("{expression} has no series")
    }
}

/// What `promtool check metrics` finds wrong with a page; empty where nothing is.
///
/// # Errors
/// Where promtool is not installed.
pub fn check_metrics(page: &str) -> anyhow::Result<String> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("promtool cannot be started: install it (Debian: prometheus)")?;
    let mut stdin = promtool.stdin.take().context("its stdin was asked for")?;
    stdin.write_all(page.as_bytes())?;
    drop(stdin);
    let output = promtool.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}
