//! The requests seen last: what a response's event leaves to its request's (path, client), kept
//! just long enough to be shown as evidence.
//!
//! A direct-mapped table of fixed size: writing costs one copy of about 100 bytes, a newer request
//! replaces an older one that falls on the same place, and nothing has to be removed.

use rauta_schemas::{ExchangeId, FourTuple, HttpRequestEvent, InlineText};

/// How many requests are kept; a power of two. Times 104 bytes: 416 KiB.
const REQUESTS_KEPT: usize = 4_096;

/// What is kept of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecentRequest {
    exchange: ExchangeId,
    /// The first bytes of the path, without the query.
    pub(crate) path: InlineText<40>,
    /// Client and RAUTA.
    pub(crate) downstream: FourTuple,
}

/// The requests seen last.
#[derive(Debug)]
pub(crate) struct RecentRequests {
    /// Empty until the first request.
    places: Vec<RecentRequest>,
}

impl RecentRequests {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self { places: Vec::new() }
    }

    /// Keeps one.
    pub(crate) fn note(&mut self, event: &HttpRequestEvent) {
        if self.places.is_empty() {
            self.places = vec![RecentRequest::default(); REQUESTS_KEPT];
        }
        self.places[place_of(event.exchange)] = RecentRequest {
            exchange: event.exchange,
            path: event.path,
            downstream: event.downstream,
        };
    }

    /// The request of this exchange, where it is still there.
    pub(crate) fn find(&self, exchange: ExchangeId) -> Option<&RecentRequest> {
        self.places
            .get(place_of(exchange))
            .filter(|kept| kept.exchange == exchange)
    }
}

impl Default for RecentRequests {
    fn default() -> Self {
        Self::new()
    }
}

fn place_of(exchange: ExchangeId) -> usize {
    let bits = exchange.connection.number() ^ u64::from(exchange.ordinal).rotate_left(32);
    (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as usize % REQUESTS_KEPT
}
