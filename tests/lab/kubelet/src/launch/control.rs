//! The launcher's end of the control socket.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use anyhow::Context;
use serde::de::DeserializeOwned;

/// The socket, taken from standard input.
pub(super) struct Control(UnixStream);

impl Control {
    /// Takes the socket over and puts nothing in its place, so that the program reads end of file.
    /// The socket closes by itself when the program is executed.
    pub(super) fn take() -> anyhow::Result<Self> {
        let socket: OwnedFd = std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .context("standard input is no control socket")?;
        let nothing = File::open("/dev/null").context("/dev/null")?;
        nix::unistd::dup2_stdin(&nothing).context("standard input cannot be replaced")?;
        Ok(Control(UnixStream::from(socket)))
    }

    /// Reads the one line that the kubelet writes.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let mut line = String::new();
        BufReader::new(&self.0)
            .read_line(&mut line)
            .context("the kubelet hung up")?;
        serde_json::from_str(&line).context("the specification cannot be read")
    }

    /// Tells the kubelet one line.
    pub(super) fn say(&self, line: &str) -> anyhow::Result<()> {
        let line = format!("{}\n", line.replace('\n', " "));
        (&self.0)
            .write_all(line.as_bytes())
            .context("the kubelet hung up")
    }

    /// A second descriptor of the socket, for the launcher's second stage.
    pub(super) fn share(&self) -> anyhow::Result<OwnedFd> {
        let socket = self.0.try_clone().context("control socket")?;
        Ok(OwnedFd::from(socket))
    }

    /// Waits until the kubelet closes its end or is gone.
    pub(super) fn wait_for_end(&self) {
        let mut nothing = [0; 64];
        while matches!((&self.0).read(&mut nothing), Ok(1..)) {}
    }
}
