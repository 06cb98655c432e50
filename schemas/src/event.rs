//! What a slot of the bus holds.

use crate::{
    ConnectionEvent, EndpointEvent, HttpDetail, HttpProgressEvent, HttpRequestEvent,
    HttpResponseEvent,
};

/// One immutable fact. At most 192 bytes, so that a lane of 8,192 slots stays below 2 MiB.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request's head is complete.
    HttpRequest(HttpRequestEvent),
    /// An exchange is over.
    HttpResponse(HttpResponseEvent),
    /// An exchange is still open.
    HttpProgress(HttpProgressEvent),
    /// A connection ended without an exchange to tell it.
    Connection(ConnectionEvent),
    /// An endpoint was ejected or came back.
    Endpoint(EndpointEvent),
}

const _: () = assert!(size_of::<Event>() <= 192);

/// The families of events: what a subscriber chooses by and drops are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Family {
    /// [`Event::HttpRequest`]
    HttpRequest,
    /// [`Event::HttpResponse`]
    HttpResponse,
    /// [`Event::HttpProgress`]
    HttpProgress,
    /// [`Event::Connection`]
    Connection,
    /// [`Event::Endpoint`]
    Endpoint,
}

impl Family {
    /// How many families there are.
    pub const COUNT: usize = 5;

    /// Every family, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::HttpRequest,
        Self::HttpResponse,
        Self::HttpProgress,
        Self::Connection,
        Self::Endpoint,
    ];

    /// The stable label used in metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::HttpRequest => "http_request",
            Self::HttpResponse => "http_response",
            Self::HttpProgress => "http_progress",
            Self::Connection => "connection",
            Self::Endpoint => "endpoint",
        }
    }
}

impl Event {
    /// The event's family.
    pub const fn family(&self) -> Family {
        match self {
            Self::HttpRequest(_) => Family::HttpRequest,
            Self::HttpResponse(_) => Family::HttpResponse,
            Self::HttpProgress(_) => Family::HttpProgress,
            Self::Connection(_) => Family::Connection,
            Self::Endpoint(_) => Family::Endpoint,
        }
    }

    /// What does not fit the slot, where this event carries it.
    pub fn detail(&self) -> Option<&HttpDetail> {
        match self {
            Self::HttpRequest(event) => event.detail.as_deref(),
            Self::HttpResponse(event) => event.detail.as_deref(),
            Self::HttpProgress(_) | Self::Connection(_) | Self::Endpoint(_) => None,
        }
    }

    /// Takes the event's detail out, so that it can be used again.
    pub fn take_detail(&mut self) -> Option<Box<HttpDetail>> {
        match self {
            Self::HttpRequest(event) => event.detail.take(),
            Self::HttpResponse(event) => event.detail.take(),
            Self::HttpProgress(_) | Self::Connection(_) | Self::Endpoint(_) => None,
        }
    }
}

/// A set of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families(u8);

impl Families {
    /// All of them.
    pub const ALL: Self = Self((1 << Family::COUNT) - 1);
    /// None of them.
    pub const NONE: Self = Self(0);

    /// This set and `family`.
    pub const fn with(self, family: Family) -> Self {
        Self(self.0 | 1 << family as u8)
    }

    /// Is `family` in the set?
    pub const fn contains(self, family: Family) -> bool {
        self.0 & (1 << family as u8) != 0
    }
}
