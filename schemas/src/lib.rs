//! What flows through RAUTA and what leaves it: every event type, its names, and its documents.
//!
//! An event on the bus is a fixed-size slot ([`Event`], at most 192 bytes): ids and short inline
//! prefixes instead of strings, so that publishing one costs no allocation. Names behind ids live
//! in [`Names`]; what leaves the process is a document with the names resolved.
//! This crate does no I/O, reads no clock and knows no runtime.

#![forbid(unsafe_code)]

mod address; // socket addresses and 4-tuples, fixed size
mod connection; // ConnectionEvent: connections that ended without a complete request head
mod document; // what events look like outside
mod endpoint; // EndpointEvent: ejections and recoveries
mod event; // Event: what a bus slot holds
mod http; // HttpRequestEvent, HttpResponseEvent, HttpProgressEvent
mod id; // ids of connections and of interned names
mod names; // the table behind the ids
mod observer; // ObserverEvent: an anomaly with its evidence
mod outcome; // closed enums: outcome, side at fault, reason, attempt outcome
mod text;
mod textual; // types that stand in documents as one text
mod timestamp; // wall time in documents // short inline prefixes of strings

pub use address::{Address, FourTuple};
pub use connection::{ConnectionEvent, ConnectionReason};
pub use document::{
    AttemptDocument, ConnectionDocument, Document, DocumentKind, EndpointDocument,
    EndpointIdentity, HttpProgressDocument, HttpRequestDocument, HttpResponseDocument,
    IdentityDocument, RequestDetail, SCHEMA_VERSION, TimingsDocument, json_schemas,
};
pub use endpoint::{EndpointEvent, EndpointTransition};
pub use event::{Event, Families, Family};
pub use http::{
    Attempt, DETAIL_BYTES_MAX, DetailTexts, HttpDetail, HttpMethod, HttpProgressEvent,
    HttpRequestEvent, HttpResponseEvent, HttpVersion, Identity, Source, Timings, TraceContext,
};
pub use id::{BackendId, ConnectionId, EndpointId, ExchangeId, IdError, ListenerId, RuleId};
pub use names::{
    BackendName, EndpointName, Interner, ListenerName, Named, Names, RouteKind, RuleName,
};
pub use observer::{
    AnomalyKind, Baseline, BaselineDocument, Emission, Evidence, ExchangeSample, Observed,
    ObservedDocument, ObserverEvent, Occurrence, OccurrenceContext, OccurrenceEntity,
    OccurrenceError, OccurrenceNetworkData, Phase, Producer, RAW_DATA_BYTES_MAX, SAMPLES_MAX,
    SampleExchange, Severity, Subject, TapioError, TapioEvent, TapioNetworkData, Unit, WireOutcome,
};
pub use outcome::{AttemptOutcome, Outcome, Reason, Side};
pub use text::InlineText;
pub use timestamp::{Timestamp, TimestampError};
pub use ulid::Ulid;
