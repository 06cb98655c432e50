//! What events look like outside: documents with the names resolved, times as RFC 3339, and ids
//! as texts. Fields that do not apply are left out.
//!
//! Every document encodes as JSON and as MessagePack with named maps, reads back from both, and
//! has its JSON Schema in the folder `json` of this crate. A field may be added at any time;
//! [`SCHEMA_VERSION`] rises when one changes its meaning or goes.

mod connection;
mod endpoint;
mod identity;
mod progress;
mod request;
mod response;

pub use connection::ConnectionDocument;
pub use endpoint::EndpointDocument;
pub use identity::{EndpointIdentity, IdentityDocument};
pub use progress::HttpProgressDocument;
pub use request::{HttpRequestDocument, RequestDetail};
pub(crate) use response::outcomes;
pub use response::{AttemptDocument, HttpResponseDocument, TimingsDocument};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version that documents carry.
pub const SCHEMA_VERSION: u32 = 1;

/// Which document this is, where several kinds share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// [`HttpRequestDocument`]
    HttpRequest,
    /// [`HttpResponseDocument`]
    HttpResponse,
    /// [`HttpProgressDocument`]
    HttpProgress,
    /// [`ConnectionDocument`]
    Connection,
    /// [`EndpointDocument`]
    Endpoint,
}

/// A document that leaves RAUTA.
pub trait Document: Serialize + DeserializeOwned + JsonSchema {
    /// The document's name: that of its schema's file, and of its entry in lists.
    const NAME: &'static str;

    /// One line of JSON, without a line break.
    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("documents are maps with text keys, written to memory")
    }

    /// MessagePack with named maps: self-describing, in any order, open to new fields.
    fn to_msgpack(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("documents are maps with text keys, written to memory")
    }
}

/// The JSON Schemas of all documents, by name.
pub fn json_schemas() -> Vec<(&'static str, Schema)> {
    fn of<D: Document>() -> (&'static str, Schema) {
        (
            D::NAME,
            SchemaGenerator::default().into_root_schema_for::<D>(),
        )
    }
    vec![
        of::<HttpRequestDocument>(),
        of::<HttpResponseDocument>(),
        of::<HttpProgressDocument>(),
        of::<ConnectionDocument>(),
        of::<EndpointDocument>(),
        of::<crate::TapioEvent>(),
        of::<crate::Occurrence>(),
    ]
}

/// For `skip_serializing_if`: flags are written only where they are set.
pub(crate) fn is_false(flag: &bool) -> bool {
    !flag
}

/// For `skip_serializing_if`: unknown addresses are left out.
pub(crate) fn is_unknown(tuple: &crate::FourTuple) -> bool {
    !tuple.is_known()
}

/// Splits a path and query at the first question mark.
fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// A text, unless it is empty.
pub(crate) fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
