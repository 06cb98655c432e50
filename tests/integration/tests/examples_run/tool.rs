//! Outside programs: what is missing is said in one line, and none outlives its limit.

use rauta_test_support::PATIENCE;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;

/// What a program said at its end.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A program that is ended after a minute, whatever it does.
pub(crate) fn bounded(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60"]).arg(program.as_ref());
    command.stdin(Stdio::null());
    command
}

/// Runs a program that a Debian package brings, to its end.
///
/// # Panics
/// When the program is missing, with the package's name.
pub(crate) fn said(mut command: Command, package: &str) -> Said {
    let output = command
        .output()
        .expect("timeout starts (Debian: coreutils)");
    let said = Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    // 127 is how `timeout` says that there is no such program.
    assert!(
        said.code != 127,
        "a program is missing: {} install it (Debian: {package})",
        said.err.trim()
    );
    said
}

/// The Python that has a WebSocket library: the first one found, or Debian's own.
///
/// # Panics
/// When neither has it.
pub(crate) fn python_with_websockets() -> PathBuf {
    let mut found = ["python3", "/usr/bin/python3"].into_iter();
    let found = found.find(|python| {
        let tried = bounded(python).args(["-c", "import websockets"]).output();
        tried.is_ok_and(|output| output.status.success())
    });
    let found =
        found.expect("the Python package websockets: install it (Debian: python3-websockets)");
    PathBuf::from(found)
}

/// A server in a process of its own, ended when dropped.
pub(crate) struct Server {
    child: Child,
    /// What followed the awaited words.
    pub(crate) told: String,
}

impl Server {
    /// Starts it and waits for the line of its output that begins with these words.
    ///
    /// # Panics
    /// When that line does not come.
    pub(crate) fn start(command: &mut Command, words: &'static str) -> Self {
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.expect("the server starts");
        let stdout = child.stdout.take().expect("its output was asked for");
        let (sender, told) = sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(rest) = line.strip_prefix(words) {
                    // One line is enough; all others are read so that the server can go on.
                    sender.try_send(rest.trim().to_owned()).ok();
                }
            }
        });
        let mut server = Self {
            child,
            told: String::new(),
        };
        let told = told.recv_timeout(PATIENCE);
        server.told = told.unwrap_or_else(|_| panic!("the server never said: {words}"));
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
