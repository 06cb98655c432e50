//! A NATS server with JetStream, of a test's own: on loopback, in a folder that goes with it.

use crate::beside::{Beside, free_address};
use crate::disk::Disk;
use crate::module::nats_server;
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
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
    running: Option<Beside>,
    /// Its store, where that is a disk of its own.
    disk: Option<Disk>,
    folder: TempDir,
    address: SocketAddr,
}

impl NatsServer {
    /// Starts one on a port that is free now, and waits until it is ready. `settings` are lines of
    /// its configuration file beside port and JetStream, such as `authorization { token: a }`.
    ///
    /// # Errors
    /// With what it said, where it does not come up.
    pub fn start(settings: &str) -> anyhow::Result<Self> {
        Self::start_on(None, settings)
    }

    /// The same with streams on a disk of so many MiB, in a mount namespace of its own: needs root.
    ///
    /// # Errors
    /// With what is missing, or what it said, where it does not come up.
    pub fn start_on_disk(mebibytes: u32, settings: &str) -> anyhow::Result<Self> {
        Self::start_on(Some(mebibytes), settings)
    }

    fn start_on(mebibytes: Option<u32>, settings: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("jetstream");
        std::fs::create_dir(&store)?;
        let mut server = Self {
            folder,
            address: free_address()?,
            running: None,
            disk: mebibytes
                .map(|size| Disk::mount(&store, size))
                .transpose()?,
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

    /// Its disk, where it has one of its own. The server notices room that comes back at its next
    /// start.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref().map(Beside::id)
    }

    /// Kills it with SIGKILL, if it runs. What it keeps stays.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Makes it read its configuration again while it runs.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn reload(&self) -> anyhow::Result<()> {
        let id = self.id().and_then(|id| i32::try_from(id).ok());
        let id = id.and_then(Pid::from_raw).context("it does not run")?;
        Ok(kill_process(id, Signal::HUP)?)
    }

    /// Starts it again on the same port with what it kept; kills it first if it runs.
    ///
    /// # Errors
    /// With what it said, where it does not come up.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        let program = nats_server()?.join("nats-server");
        let mut command = match &self.disk {
            Some(disk) => disk.command(program),
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

/// It greets every connection, in clear also where TLS comes next: then it is there for clients.
fn greet(address: SocketAddr) -> anyhow::Result<()> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut greeting = [0; 4];
    (&stream).read_exact(&mut greeting)?;
    Ok(())
}
