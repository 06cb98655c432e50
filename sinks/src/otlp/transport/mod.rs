//! One request to a collector and what came of it, alike for both protocols.
//!
//! What an answer means follows the OTLP specification word by word: which codes are retried, whose
//! delay is honoured, and that a partial success is none to retry.

mod grpc; // gRPC
mod http; // Protocol Buffers over HTTP
mod tls; // whom to trust, and who RAUTA is

use self::grpc::Grpc;
use self::http::Http;
use super::config::{Protocol, Signal, Target};
use crate::totals::Failure;
use crate::trust;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use std::time::Duration;

pub use tls::TlsError;

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Taken in; `rejected` of its items were not, and must not be sent again.
    Accepted { rejected: u64, why: String },
    /// Not taken in.
    Failed(Failed),
}

/// Why a request was not taken in, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) next: Next,
    pub(super) failure: Failure,
    /// In words, for the log.
    pub(super) why: String,
}

impl Failed {
    /// What becomes of the request, for the log.
    pub(super) fn consequence(&self) -> &'static str {
        match self.next {
            Next::Retry(_) | Next::Reconnect => "it is sent again, while patience lasts",
            Next::Split => "it is sent again in halves, or dropped if it is one item",
            Next::Decompress | Next::Drop => "it is dropped, and counted",
        }
    }

    /// What whoever runs RAUTA can do about it, for the log.
    pub(super) fn advice(&self) -> &'static str {
        match self.failure {
            Failure::Unreachable => "correct otlp.endpoint, or start the collector",
            Failure::Timeout => "give the collector more room, or raise otlp.timeout",
            Failure::Untrusted => "name the certificates to trust in otlp.certificate",
            Failure::Unauthorized => "correct otlp.headers or otlp.client_certificate",
            Failure::NotFound => "correct the path or the port of otlp.endpoint",
            Failure::Full | Failure::Throttled | Failure::Unavailable => {
                "look at the collector's own log"
            }
            Failure::Rejected => "look at the collector's own log, and at otlp.protocol",
        }
    }
}

/// What to do after a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Send it again, not before that time where the collector says one.
    Retry(Option<Duration>),
    /// No answer came: send it again, over a new connection.
    Reconnect,
    /// Send it in parts.
    Split,
    /// Send it without compression.
    Decompress,
    /// Nothing: it was refused for good, or whoever answered is no collector.
    Drop,
}

impl Answer {
    fn failed(next: Next, failure: Failure, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Failed(Failed { next, failure, why })
    }

    fn unreached(error: &(dyn std::error::Error + 'static)) -> Self {
        let trust = trust::failure(error).map(|(failure, _)| failure);
        let failure = trust.unwrap_or(Failure::Unreachable);
        Self::failed(Next::Reconnect, failure, chain(error))
    }
}

/// The way to a collector for one signal.
#[derive(Debug)]
pub(super) enum Transport {
    Grpc(Grpc),
    Http(Box<Http>),
}

impl Transport {
    /// Prepares the way; nothing is sent yet. Needs a runtime.
    pub(super) fn new(target: &Target, signal: Signal) -> Result<Self, TlsError> {
        Ok(match target.protocol {
            Protocol::Grpc => Self::Grpc(Grpc::new(target, signal)?),
            Protocol::HttpProtobuf => Self::Http(Box::new(Http::new(target)?)),
        })
    }

    /// Sends one request and waits for what comes of it, at most for the target's time.
    pub(super) async fn send(&mut self, body: &Bytes, gzip: bool, timeout: Duration) -> Answer {
        let sending = async {
            match self {
                Self::Grpc(grpc) => grpc.send(body.clone(), gzip).await,
                Self::Http(http) => http.send(body, gzip).await,
            }
        };
        tokio::time::timeout(timeout, sending)
            .await
            .unwrap_or_else(|_| {
                let why = format!("no answer within {} ms", timeout.as_millis());
                Answer::failed(Next::Reconnect, Failure::Timeout, why)
            })
    }
}

/// Reads what a collector answers to what it took in. The three signals' answers have the same
/// form: field 1 holds how many items were rejected, and why.
fn accepted(body: &[u8]) -> Answer {
    match ExportTraceServiceResponse::decode(body) {
        Ok(response) => {
            let partial = response.partial_success.unwrap_or_default();
            Answer::Accepted {
                rejected: u64::try_from(partial.rejected_spans).unwrap_or(0),
                why: partial.error_message,
            }
        }
        Err(error) => {
            let why = format!("its answer is no OTLP: {error}");
            Answer::failed(Next::Drop, Failure::Rejected, why)
        }
    }
}

/// An error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
