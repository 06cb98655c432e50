//! A program that runs beside a test: what it says is kept, and it is killed when dropped.

use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Nothing here takes this long; only a failure does.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program.
#[derive(Debug)]
pub(crate) struct Beside {
    child: Child,
    said: Arc<Said>,
}

/// What it wrote to stderr so far.
#[derive(Debug, Default)]
struct Said {
    text: Mutex<String>,
    more: Condvar,
    /// It will say nothing more.
    is_over: AtomicBool,
}

impl Beside {
    /// Starts it; its stderr is read to the end by a thread of its own.
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{:?} cannot be started", command.get_program()))?;
        let stderr = child.stderr.take().context("its stderr was asked for")?;
        let said = Arc::new(Said::default());
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut text = kept.text.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                kept.more.notify_all();
            }
            kept.is_over.store(true, Ordering::Release);
            kept.more.notify_all();
        });
        Ok(Self { child, said })
    }

    /// Waits until `find` finds something in what it said; `what` names that for the error.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let text = self
            .said
            .text
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        let (text, _) = self
            .said
            .more
            .wait_timeout_while(text, PATIENCE, |text| {
                found = find(text);
                found.is_none() && !self.said.is_over.load(Ordering::Acquire)
            })
            .unwrap_or_else(PoisonError::into_inner);
        match found {
            Some(found) => Ok(found),
            None => bail!("no {what} in:\n{text}"),
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A loopback address that nobody listened on a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
