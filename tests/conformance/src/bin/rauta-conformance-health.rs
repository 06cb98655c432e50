//! A server of gRPC's health service, for pods whose probes ask it:
//! `rauta-conformance-health ADDRESS [SERVICE=STATUS]…`, statuses by their number. Of a service
//! that is not listed it says that there is none.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Services = BTreeMap<String, u8>;

/// gRPC's code for a service that is not there.
const NOT_FOUND: &str = "5";

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let address = words.next().context("say where to listen")?;
    let services = words.map(|word| service(&word)).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(&address, services))
}

/// `SERVICE=STATUS`.
fn service(word: &str) -> anyhow::Result<(String, u8)> {
    let (name, status) = word.split_once('=').context("write it as SERVICE=STATUS")?;
    Ok((name.to_owned(), status.parse()?))
}

async fn serve(address: &str, services: Services) -> anyhow::Result<()> {
    let services = Arc::new(services);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened at"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let services = services.clone();
        let answer = service_fn(move |request| check(services.clone(), request));
        let connection = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), answer);
        // Who leaves in the middle has had enough.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn check(
    services: Arc<Services>,
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, hyper::Error> {
    let asked = request.into_body().collect().await?.to_bytes();
    // Five bytes frame the message; its only field is the name: tag, length, text.
    let name = asked.get(7..).unwrap_or_default();
    let status = services.get(&*String::from_utf8_lossy(name));
    let (message, code) = match status {
        Some(status) => (Bytes::from(vec![0, 0, 0, 0, 2, 8, *status]), "0"),
        None => (Bytes::new(), NOT_FOUND),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    Ok(response)
}
