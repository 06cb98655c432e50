//! RAUTA in front of an origin that works and of endpoints where nobody listens: each request for
//! one of these is one fault, and each fault is one anomaly that names the endpoint.

use rauta_integration::{Disk, Manifests, Rauta, get, route, service};
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Stage {
    manifests: Manifests,
    spool: tempfile::TempDir,
    _origin: JoinSet<()>,
}

/// Where nobody listens: port 9 of loopback addresses that nobody else uses.
pub(crate) fn endpoint(fault: usize) -> SocketAddr {
    let [.., high, low] = u32::try_from(fault).expect("few faults").to_be_bytes();
    SocketAddr::from(([127, 91, high, low], 9))
}

impl Stage {
    /// A Gateway with `/works` and `/fault-0` to the last of `faults`.
    pub(crate) async fn with(faults: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let works = listener.local_addr().expect("an address");
        let manifests = Manifests::new().expect("a folder");
        let mut text = service("works", works) + &route("works", "/works", "works");
        for fault in 0..faults {
            let name = format!("fault-{fault}");
            text += &service(&name, endpoint(fault));
            text += &route(&name, &format!("/{name}"), &name);
        }
        manifests.write("routes.yaml", &text).expect("written");
        let mut origin = JoinSet::new();
        origin.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(answer(stream));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            manifests,
            spool: tempfile::tempdir().expect("a folder"),
            _origin: origin,
        }
    }

    /// Starts RAUTA with a sink at this URL and a spool that outlives it.
    pub(crate) fn rauta(&self, url: &str, variables: &[(&str, &str)]) -> Rauta {
        Rauta::start(&self.arguments(url), variables).expect("starts")
    }

    /// The same where this disk is mounted.
    pub(crate) fn rauta_on(&self, disk: &Disk, url: &str, variables: &[(&str, &str)]) -> Rauta {
        Rauta::start_on(disk, &self.arguments(url), variables).expect("starts")
    }

    /// Where the spool is.
    pub(crate) fn spool(&self) -> &Path {
        self.spool.path()
    }

    fn arguments<'a>(&'a self, url: &'a str) -> [&'a str; 6] {
        let spool = self.spool.path().to_str().expect("UTF-8");
        [
            "--manifests",
            self.manifests.argument(),
            "--nats",
            url,
            "--spool",
            spool,
        ]
    }

    /// Asks for the endpoint of this fault.
    pub(crate) fn inject(&self, fault: usize) -> anyhow::Result<u16> {
        let path = format!("/fault-{fault}");
        Ok(get(self.gateway(), "a.test", &path)?.status)
    }

    pub(crate) fn gateway(&self) -> SocketAddr {
        self.manifests.gateway()
    }
}

/// Answers every request on a connection.
async fn answer(mut stream: TcpStream) {
    let mut bytes = vec![0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        // One write of the proxy's is one head: these have no bodies and are not pipelined.
        let answers = bytes[..count].windows(4).filter(|end| end == b"\r\n\r\n");
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".repeat(answers.count());
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}
