//! Asks gRPC's health service, `grpc.health.v1.Health/Check`, over HTTP/2 in the clear.
//!
//! The two messages have one field each, so they are written and read here by hand.

use std::net::IpAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// What is read of an answer: it has a handful of bytes.
const ANSWER_BYTES_MAX: usize = 4096;
/// `HealthCheckResponse.ServingStatus`, by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/// gRPC's code for a method that the server does not have.
const UNIMPLEMENTED: &str = "12";

/// Asks for the health of `service`; the empty name is the whole server.
pub(super) async fn check(ip: IpAddr, port: u16, service: &str) -> Result<(), String> {
    let said = |error: &dyn std::fmt::Display| format!("error: health rpc probe failed: {error}");
    let stream = TcpStream::connect((ip, port))
        .await
        .map_err(|error| format!("error: failed to connect service at \"{ip}:{port}\": {error}"))?;
    let io = TokioIo::new(stream);
    let handshake = http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = handshake.map_err(|error| said(&error))?;
    let exchange = async {
        let request = request(ip, port, service).map_err(|error| said(&error))?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| said(&error))?;
        let head_status = grpc_status(response.headers());
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await;
        let body = body.map_err(|error| said(&error))?;
        let status = body.trailers().and_then(grpc_status).or(head_status);
        match status.as_deref() {
            None | Some("0") => verdict(&body.to_bytes()),
            Some(UNIMPLEMENTED) => Err("error: this server does not implement the grpc health \
                 protocol (grpc.health.v1.Health)"
                .to_owned()),
            Some(code) => Err(said(&format!("rpc error: code = {code}"))),
        }
    };
    tokio::pin!(exchange);
    tokio::select! {
        result = &mut exchange => result,
        // A connection that ends behind its answer leaves the answer to be read.
        _ended = connection => exchange.await,
    }
}

fn request(ip: IpAddr, port: u16, service: &str) -> http::Result<Request<Full<Bytes>>> {
    let host = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Request::post(format!("http://{host}:{port}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.36")
        .body(Full::new(Bytes::from(question(service))))
}

fn grpc_status(headers: &http::HeaderMap) -> Option<String> {
    let value = headers.get("grpc-status")?;
    Some(value.to_str().ok()?.to_owned())
}

/// An uncompressed message `HealthCheckRequest { service: 1 }`.
fn question(service: &str) -> Vec<u8> {
    let name = service.as_bytes();
    let mut message = Vec::new();
    // The API server limits the name to 253 bytes: a length of at most two.
    if !name.is_empty() {
        message.push(0x0a);
        let mut length = name.len();
        while length >= 0x80 {
            message.push((length as u8 & 0x7f) | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(name);
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut framed = vec![0];
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(&message);
    framed
}

/// Reads `HealthCheckResponse { status: 1 }`.
fn verdict(framed: &[u8]) -> Result<(), String> {
    let status = match framed {
        [0, _, _, _, _, 0x08, status, ..] => *status,
        // A message without fields says 0.
        _ => 0,
    };
    let name = STATUSES.get(usize::from(status));
    match name {
        Some(&"SERVING") => Ok(()),
        Some(name) => Err(format!("service unhealthy (responded with \"{name}\")")),
        None => Err(format!("service unhealthy (responded with \"{status}\")")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_framed_protobuf() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = question(&"x".repeat(200));
        assert_eq!(long[..9], [0, 0, 0, 0, 203, 0x0a, 0xc8, 0x01, b'x']);
    }

    #[test]
    fn only_serving_is_healthy() {
        assert_eq!(verdict(&[0, 0, 0, 0, 2, 0x08, 1]), Ok(()));
        let check = |framed: &[u8], said: &str| {
            let expected = format!("service unhealthy (responded with \"{said}\")");
            assert_eq!(verdict(framed), Err(expected));
        };
        check(&[0, 0, 0, 0, 2, 0x08, 2], "NOT_SERVING");
        check(&[0, 0, 0, 0, 2, 0x08, 3], "SERVICE_UNKNOWN");
        check(&[0, 0, 0, 0, 2, 0x08, 9], "9");
        check(&[0, 0, 0, 0, 0], "UNKNOWN");
        check(&[], "UNKNOWN");
    }
}
