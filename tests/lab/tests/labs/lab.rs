//! A lab of a test: named after it, taken down with it.

use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;
use tokio::time::Instant;

/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program under test.
pub(crate) const LAB: &str = env!("CARGO_BIN_EXE_rauta-lab");

/// A lab without kubelets, unless asked otherwise; taken down when dropped.
pub(crate) struct Lab {
    name: String,
}

impl Lab {
    /// Brings one up. The name is the test's own and this run's.
    pub(crate) fn up(name: &str, arguments: &[&str]) -> Self {
        let lab = Self::named(name);
        lab.run("up", &[&["--no-kubelet"], arguments].concat());
        lab
    }

    /// One that is not there yet.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: format!("{name}-{}", std::process::id()),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes it down; the program itself looks whether anything is left.
    pub(crate) fn down(self) {
        let said = self.run("down", &[]);
        assert!(said.contains("is gone"), "{said}");
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.run("kubectl", arguments)
    }

    /// What `status --json` says of it.
    pub(crate) fn status(&self) -> Value {
        let said = self.run("status", &["--json"]);
        let all: Value = serde_json::from_str(&said).expect("status is JSON");
        all[0].clone()
    }

    /// Runs `rauta-lab TASK --name NAME ARGUMENTS`; what it says, when it goes well.
    pub(crate) fn run(&self, task: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(LAB);
        let output = command
            .args([task, "--name", &self.name])
            .args(arguments)
            .output();
        text(&output.expect("the lab's program starts"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        Command::new(LAB)
            .args(["down", "--name", &self.name])
            .output()
            .ok();
    }
}

/// Looks until it is so. Each look takes its own time: it asks somebody.
pub(crate) fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
    }
}

/// Everything that a program said; it has to have gone well.
pub(crate) fn text(output: &Output) -> String {
    let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
    assert!(
        output.status.success(),
        "{}: {stderr}{stdout}",
        output.status
    );
    if stdout.is_empty() { stderr } else { stdout }
}
