//! A NATS server with JetStream, of a test's own: on loopback, in a folder that goes with it.

use crate::beside::{Beside, free_address};
use crate::module::nats_server;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Starting takes a fraction of this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A NATS server; killed when dropped, and its folder removed.
#[derive(Debug)]
pub struct NatsServer {
    folder: TempDir,
    address: SocketAddr,
    /// What stands before the program and its arguments, such as `unshare`.
    before: Vec<String>,
    running: Option<Beside>,
}

impl NatsServer {
    /// Starts one on a port that is free now, and waits until it is ready. `settings` are lines of
    /// its configuration file beside port and JetStream, such as `authorization { token: a }`.
    ///
    /// # Errors
    /// With what it said, where it does not come up.
    pub fn start(settings: &str) -> anyhow::Result<Self> {
        Self::start_within(&[], settings)
    }

    /// The same, started by another program, which ends by executing its arguments.
    ///
    /// # Errors
    /// With what it said, where it does not come up.
    pub fn start_within(before: &[&str], settings: &str) -> anyhow::Result<Self> {
        let address = free_address()?;
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("jetstream"))?;
        let mut server = Self {
            folder,
            address,
            before: before.iter().map(ToString::to_string).collect(),
            running: None,
        };
        server.configure(settings)?;
        server.restart()?;
        Ok(server)
    }

    /// Writes the configuration for the next start.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn configure(&self, settings: &str) -> anyhow::Result<()> {
        let text = format!(
            "listen: \"{}\"\njetstream {{ store_dir: \"{}\" }}\n{settings}\n",
            self.address,
            self.store().display(),
        );
        Ok(std::fs::write(self.folder.path().join("nats.conf"), text)?)
    }

    /// `nats://ip:port`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its streams are kept.
    pub fn store(&self) -> PathBuf {
        self.folder.path().join("jetstream")
    }

    /// A folder of its own that lives as long as this.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref().map(Beside::id)
    }

    /// Kills it with SIGKILL, if it runs. What it keeps stays.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it again on the same port with what it kept; kills it first if it runs.
    ///
    /// # Errors
    /// With what it said, where it does not come up.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let program = nats_server()?.join("nats-server");
        let mut words = self.before.iter().map(String::as_str);
        let mut command = match words.next() {
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg("-c").arg(self.folder.path().join("nats.conf"));
        let running = self.running.insert(Beside::start(&mut command)?);
        running.wait_for("NATS server", |said| {
            said.contains("Server is ready").then_some(())
        })?;
        greet(self.address)
    }
}

/// It greets every connection: then it is there for clients.
fn greet(address: SocketAddr) -> anyhow::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut greeting = [0; 4];
    (&stream).read_exact(&mut greeting)?;
    Ok(())
}
