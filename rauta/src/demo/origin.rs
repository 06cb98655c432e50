//! A small origin whose faults are switched on and off.

use super::plan::FaultKind;
use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Duration, sleep};

/// An answer takes this long when all is well, the second number at most more.
const NORMAL_MS: (u64, u64) = (15, 10);
/// How much longer a slow one takes.
const SLOW_MS: u64 = 250;

/// A running origin; ends when dropped.
#[derive(Debug)]
pub(super) struct Origin {
    service: &'static str,
    address: SocketAddr,
    fault: watch::Sender<Option<FaultKind>>,
    task: AbortHandle,
}

impl Origin {
    /// Starts on a free port of loopback.
    pub(super) fn start(service: &'static str) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .context("an origin needs a free port on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (fault, faults) = watch::channel(None);
        let task = spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(serve(stream, faults.clone()));
            }
        });
        Ok(Self {
            service,
            address,
            fault,
            task: task.abort_handle(),
        })
    }

    /// The Service it stands behind.
    pub(super) fn service(&self) -> &'static str {
        self.service
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Turns a fault on, or all faults off.
    pub(super) fn fail(&self, fault: Option<FaultKind>) {
        self.fault.send_replace(fault);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, faults: watch::Receiver<Option<FaultKind>>) {
    let service = service_fn(|request| answer(request, faults.clone()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(error = %error, "demo origin: connection ended");
    }
}

async fn answer(
    request: Request<Incoming>,
    mut faults: watch::Receiver<Option<FaultKind>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_probe = request.uri().path().ends_with("/healthz");
    let fault = *faults.borrow_and_update();
    let status = match fault {
        Some(FaultKind::Slow) => {
            sleep(Duration::from_millis(SLOW_MS)).await;
            StatusCode::OK
        }
        Some(FaultKind::Hang) => {
            // Answers when the fault ends; an origin that ends first answers nobody.
            drop(faults.wait_for(Option::is_none).await);
            StatusCode::OK
        }
        Some(FaultKind::Errors) => StatusCode::INTERNAL_SERVER_ERROR,
        Some(FaultKind::Probe) if is_probe => StatusCode::SERVICE_UNAVAILABLE,
        Some(FaultKind::Probe) | None => StatusCode::OK,
    };
    sleep(Duration::from_millis(
        NORMAL_MS.0 + fastrand::u64(0..NORMAL_MS.1),
    ))
    .await;
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"ok\":true}\n")));
    *response.status_mut() = status;
    Ok(response)
}
