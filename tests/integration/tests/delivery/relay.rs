//! A stretch of network between RAUTA and NATS that can be cut: both ways, or only the way back.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    /// The server's bytes are held: publishes arrive, confirmations do not.
    Answers,
    Everything,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

impl Cut {
    fn holds(self, way: Way) -> bool {
        match self {
            Self::Nothing => false,
            Self::Answers => way == Way::Back,
            Self::Everything => true,
        }
    }
}

/// The relay; it ends when dropped.
pub(crate) struct Relay {
    address: SocketAddr,
    cut: watch::Sender<Cut>,
    _accepting: JoinSet<()>,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (cut, watched) = watch::channel(Cut::Nothing);
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(carry(stream, server, watched.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            cut,
            _accepting: accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// What was held when a cut ends never arrives: its connection is closed.
    pub(crate) fn cut(&self, cut: Cut) {
        self.cut.send_replace(cut);
    }
}

async fn carry(client: TcpStream, server: SocketAddr, cut: watch::Receiver<Cut>) {
    let mut waits = cut.clone();
    if waits.wait_for(|cut| *cut != Cut::Everything).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, Way::There, cut.clone()) => {}
        () = pump(from_server, to_client, Way::Back, cut) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut cut: watch::Receiver<Cut>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if cut.borrow().holds(way) {
            drop(cut.wait_for(|cut| !cut.holds(way)).await);
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
