//! Backends that do to each request what its path says, and note that they saw it.

use super::oracle::Oracle;
use super::plan::Kind;
use super::wire::Wire;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Bytes of a body that is broken off.
const CUT_BYTES: usize = 100;

/// Starts a backend; `place` tells the two endpoints of one Service apart.
pub(crate) async fn start(oracle: &Arc<Oracle>, place: usize) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let oracle = Arc::clone(oracle);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let oracle = Arc::clone(&oracle);
            tokio::spawn(async move {
                if let Ok(wire) = Wire::new(stream) {
                    // A connection that breaks is what this is about.
                    serve(wire, &oracle, place).await.ok();
                }
            });
        }
    });
    Ok(address)
}

async fn serve(mut wire: Wire, oracle: &Oracle, place: usize) -> io::Result<()> {
    while let Some(head) = wire.head().await? {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let Some((kind, id)) = Kind::read(path) else {
            return wire
                .send("HTTP/1.1 421 Misdirected\r\ncontent-length: 0\r\n\r\n")
                .await;
        };
        let earlier = oracle.saw(id, place);
        match kind {
            Kind::Reset => return wire.reset(),
            Kind::Cut => return cut(wire, id).await,
            Kind::Tunnel | Kind::TunnelLeft | Kind::TunnelCut => return tunnel(wire, kind).await,
            Kind::Part => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                wire.send(format!("{head}5\r\nbegin\r\n")).await?;
                wire.rest().await;
                return Ok(());
            }
            Kind::Slow | Kind::Late | Kind::Abandon => {
                oracle.tell_client(id);
                wire.rest().await;
                return Ok(());
            }
            Kind::Leave => oracle.await_client(id).await,
            _ => {}
        }
        if !wire.body(&head).await.is_complete {
            return Ok(());
        }
        match kind {
            Kind::Retry if earlier == 0 => {
                let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
                wire.send(answer).await?;
            }
            Kind::Head => {
                let length = answer_body(id).len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                wire.send(head).await?;
            }
            _ => wire.send(answer(id)).await?,
        }
        if kind == Kind::Fickle {
            return Ok(());
        }
    }
    Ok(())
}

/// What the body of a complete answer is: no other request's answer looks like it.
pub(crate) fn answer_body(id: usize) -> String {
    format!("answer to {id}")
}

fn answer(id: usize) -> String {
    let body = answer_body(id);
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// Breaks off inside the body, in order or not.
async fn cut(mut wire: Wire, id: usize) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {CUT_BYTES}\r\n\r\nbegin");
    wire.send(head).await?;
    if id.is_multiple_of(2) {
        wire.reset()
    } else {
        Ok(())
    }
}

/// Gives back what it gets; ends as its kind says.
async fn tunnel(mut wire: Wire, kind: Kind) -> io::Result<()> {
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    wire.send(head).await?;
    let heard = wire.take(TUNNEL_BYTES).await;
    wire.send(&heard.bytes).await?;
    if kind == Kind::TunnelCut {
        // Not before the client has got all of it: a reset overtakes what is on its way.
        let confirmed = wire.take(1).await;
        return if confirmed.is_complete {
            wire.reset()
        } else {
            Ok(())
        };
    }
    wire.rest().await;
    Ok(())
}

/// Bytes that each tunnel carries in each direction.
pub(crate) const TUNNEL_BYTES: usize = 20;
