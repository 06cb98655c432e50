//! OTLP over gRPC.

use super::tls::{self, TlsError};
use super::{Answer, Next, accepted};
use crate::otlp::config::{Signal, Target};
use crate::totals::Failure;
use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use std::time::Duration;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// A collector that says nothing on an idle connection for so long is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A channel that connects when it is first used, and again whenever it has to.
#[derive(Debug)]
pub(in crate::otlp) struct Grpc {
    channel: Channel,
    metadata: MetadataMap,
    path: PathAndQuery,
}

impl Grpc {
    pub(super) fn new(target: &Target, signal: Signal) -> Result<Self, TlsError> {
        let connector = tls::connector(&target.tls, target.timeout, true)?;
        let channel = Endpoint::from(target.url.clone())
            .user_agent(concat!("rauta/", env!("CARGO_PKG_VERSION")))
            .unwrap_or_else(|_| Endpoint::from(target.url.clone()))
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .connect_with_connector_lazy(connector);
        Ok(Self {
            channel,
            metadata: MetadataMap::from_headers(target.headers.clone()),
            path: PathAndQuery::from_static(signal.grpc_path()),
        })
    }

    pub(super) async fn send(&mut self, body: Bytes, gzip: bool) -> Answer {
        // A collector may answer compressed what came compressed.
        let mut grpc = tonic::client::Grpc::new(self.channel.clone())
            .accept_compressed(CompressionEncoding::Gzip);
        if gzip {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        if let Err(error) = grpc.ready().await {
            return Answer::unreached(&error);
        }
        let mut request = Request::new(body);
        *request.metadata_mut() = self.metadata.clone();
        match grpc.unary(request, self.path.clone(), Verbatim).await {
            Ok(response) => accepted(&response.into_inner()),
            Err(status) => judge(&status, gzip),
        }
    }
}

/// What a status means.
fn judge(status: &Status, gzip: bool) -> Answer {
    // A status with a cause was not sent by the collector: the connection broke.
    if let Some(cause) = std::error::Error::source(status) {
        return Answer::unreached(cause);
    }
    let after = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    let (next, failure) = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted if after.is_none() && is_size(status) => {
            (Next::Split, Failure::Rejected)
        }
        Code::ResourceExhausted if after.is_none() => (Next::Drop, Failure::Throttled),
        Code::ResourceExhausted => (Next::Retry(after), Failure::Throttled),
        Code::DeadlineExceeded => (Next::Retry(after), Failure::Timeout),
        Code::Cancelled | Code::Aborted | Code::OutOfRange | Code::Unavailable | Code::DataLoss => {
            (Next::Retry(after), Failure::Unavailable)
        }
        Code::Unimplemented if gzip && status.message().contains("compress") => {
            (Next::Decompress, Failure::Rejected)
        }
        Code::Unimplemented | Code::NotFound => (Next::Drop, Failure::NotFound),
        Code::Unauthenticated | Code::PermissionDenied => (Next::Drop, Failure::Unauthorized),
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Internal => (Next::Drop, Failure::Rejected),
    };
    let why = format!("{:?}: {}", status.code(), status.message());
    Answer::failed(next, failure, why)
}

/// gRPC has no code for a message that is too large; its libraries say it in words.
fn is_size(status: &Status) -> bool {
    let message = status.message();
    ["larger than max", "too large", "exceeds maximum size"]
        .iter()
        .any(|words| message.contains(words))
}

/// Messages are encoded before, so that their size is known and a retry need not do it again.
#[derive(Clone, Copy, Debug)]
struct Verbatim;

impl Codec for Verbatim {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Verbatim {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    fn next(status: &Status, gzip: bool) -> Next {
        match judge(status, gzip) {
            Answer::Failed(failed) => failed.next,
            Answer::Accepted { .. } => panic!("{status:?} is no success"),
        }
    }

    #[test]
    fn exactly_the_listed_codes_are_retried() {
        let retried: Vec<Code> = (0..=16)
            .map(Code::from_i32)
            .filter(|code| next(&Status::new(*code, "no"), false) == Next::Retry(None))
            .collect();
        assert_eq!(
            retried,
            [
                Code::Cancelled,
                Code::DeadlineExceeded,
                Code::Aborted,
                Code::OutOfRange,
                Code::Unavailable,
                Code::DataLoss,
            ]
        );
    }

    #[test]
    fn an_exhausted_collector_is_asked_again_only_where_it_says_when() {
        let delay = Duration::from_secs(7);
        let details = ErrorDetails::with_retry_info(Some(delay));
        let told = Status::with_error_details(Code::ResourceExhausted, "busy", details);
        assert_eq!(next(&told, false), Next::Retry(Some(delay)));
        assert_eq!(next(&Status::resource_exhausted("busy"), false), Next::Drop);
        let large = Status::resource_exhausted("grpc: received message larger than max (5 vs. 4)");
        assert_eq!(next(&large, false), Next::Split);
        let large = Status::out_of_range("decoded message length too large");
        assert_eq!(next(&large, false), Next::Split);
    }

    #[test]
    fn a_collector_that_cannot_decompress_is_told_from_one_that_has_no_such_service() {
        let cannot =
            Status::unimplemented("Content is compressed with `gzip` which isn't supported");
        assert_eq!(next(&cannot, true), Next::Decompress);
        assert_eq!(next(&cannot, false), Next::Drop);
        assert_eq!(
            next(&Status::unimplemented("unknown service"), true),
            Next::Drop
        );
    }
}
