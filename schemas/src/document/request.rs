//! The document of an [`HttpRequestEvent`].

use super::{Document, DocumentKind, SCHEMA_VERSION, is_false, is_unknown, non_empty, split_query};
use crate::{
    Address, ExchangeId, FourTuple, HttpDetail, HttpMethod, HttpRequestEvent, HttpVersion,
    ListenerName, Names, Source, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request's head was complete, or RAUTA answered before it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpRequestDocument {
    /// The version of this document's form.
    pub schema_version: u32,
    /// Always `http_request`.
    pub event: DocumentKind,
    /// Joins with the response's document.
    pub exchange: ExchangeId,
    /// When the head's first byte arrived.
    pub timestamp: Timestamp,
    /// The same moment on `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// Who saw it.
    pub source: Source,
    /// The listener, and with it the Gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<Arc<ListenerName>>,
    /// The method.
    pub method: HttpMethod,
    /// The version spoken by the client.
    pub version: HttpVersion,
    /// The path, without the query.
    pub path: String,
    /// Was the path longer than what is kept?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_path_cut: bool,
    /// The authority (host and port as the client named them), lower case.
    pub authority: String,
    /// Was the authority longer than what is kept?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_authority_cut: bool,
    /// Client and RAUTA.
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub downstream: FourTuple,
    /// Is it a kubelet-style probe from a trusted source?
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_probe: bool,
    /// What only chosen exchanges carry.
    #[serde(flatten)]
    pub detail: RequestDetail,
}

/// What only exchanges carry that access log or sampling chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestDetail {
    /// The query, without the question mark. It may hold secrets: redact it before it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// `X-Request-Id`, the client's or RAUTA's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The client as `X-Forwarded-For` or the PROXY protocol names it, where trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Address>,
}

impl Document for HttpRequestDocument {
    const NAME: &'static str = "http_request";
}

impl HttpRequestDocument {
    /// The event's document, with its names resolved.
    pub fn new(event: &HttpRequestEvent, names: &Names) -> Self {
        let detail = event.detail.as_deref();
        let whole_path = detail.map(|d| split_query(&d.path).0).unwrap_or_default();
        let whole_authority = detail.map(|d| d.authority.as_str()).unwrap_or_default();
        let (path, is_path_cut) = longer(whole_path, event.path.as_str(), event.path.is_cut());
        let (authority, is_authority_cut) = longer(
            whole_authority,
            event.authority.as_str(),
            event.authority.is_cut(),
        );
        Self {
            schema_version: SCHEMA_VERSION,
            event: DocumentKind::HttpRequest,
            exchange: event.exchange,
            timestamp: Timestamp::from_ns(event.wall_ns),
            monotonic_ns: event.start_ns,
            source: event.source,
            listener: names.listener(event.listener),
            method: event.method,
            version: event.version,
            path,
            is_path_cut,
            authority,
            is_authority_cut,
            downstream: event.downstream,
            is_probe: event.is_probe,
            detail: detail.map(RequestDetail::new).unwrap_or_default(),
        }
    }
}

impl RequestDetail {
    pub(super) fn new(detail: &HttpDetail) -> Self {
        Self {
            query: split_query(&detail.path).1.map(str::to_owned),
            user_agent: non_empty(&detail.user_agent),
            request_id: non_empty(&detail.request_id),
            client: detail.client.is_known().then_some(detail.client),
        }
    }
}

/// The detail's text where there is one, else the slot's prefix; and whether it was cut.
fn longer(whole: &str, prefix: &str, is_prefix_cut: bool) -> (String, bool) {
    if whole.is_empty() {
        (prefix.to_owned(), is_prefix_cut)
    } else {
        (whole.to_owned(), false)
    }
}
