//! The filters of rules and backendRefs, one file each. A request filter changes what leaves for
//! the backend or answers in its place; a response filter changes the response's head. All
//! but the mirror are pure: what they need is prebuilt in the snapshot.

mod cors;
mod header_modifier;
pub(crate) mod mirror;
mod redirect;
mod rewrite;

use crate::upstream::Outgoing;
use http::StatusCode;
use rauta_http1::Headers;
use rauta_routing::{Filter, Mirror};
use smallvec::SmallVec;

/// What filters may ask about a request as it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The host asked for, lower case, without port.
    pub(crate) host: &'a str,
    /// The listener's port.
    pub(crate) port: u16,
    /// The path, without the query.
    pub(crate) path: &'a str,
    /// The query.
    pub(crate) query: Option<&'a str>,
    /// Bytes of the path that the prefix match covered.
    pub(crate) prefix_len: usize,
}

/// An answer in place of the backend's.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
}

/// What the request's filters leave to be done later.
#[derive(Debug, Default)]
pub(crate) struct Later<'a> {
    /// Fields that CORS adds to the response.
    pub(crate) cors: Headers,
    /// Where copies of the request go.
    pub(crate) mirrors: SmallVec<[&'a Mirror; 1]>,
}

/// Applies the request's filters in order; the first that answers ends it.
pub(crate) fn on_request<'a>(
    filters: &'a [Filter],
    received: &Received<'_>,
    request: &mut Outgoing,
    later: &mut Later<'a>,
) -> Option<Answer> {
    for filter in filters {
        match filter {
            Filter::RequestHeaders(edit) => header_modifier::apply(edit, &mut request.headers),
            Filter::ResponseHeaders(_) => {}
            Filter::Redirect(redirect) => return Some(redirect::answer(redirect, received)),
            Filter::Rewrite(rewrite) => rewrite::apply(rewrite, received, request),
            Filter::Mirror(mirror) => later.mirrors.push(mirror),
            Filter::Cors(cors) => match cors::on_request(cors, request) {
                cors::Decision::Preflight(answer) => return Some(answer),
                cors::Decision::Actual(fields) => later.cors = fields,
            },
        }
    }
    None
}

/// Applies the response's filters in order: the rule's, then the backendRef's.
pub(crate) fn on_response(filters: [&[Filter]; 2], later: &Later<'_>, headers: &mut Headers) {
    cors::on_response(&later.cors, headers);
    for filter in filters.into_iter().flatten() {
        if let Filter::ResponseHeaders(edit) = filter {
            header_modifier::apply(edit, headers);
        }
    }
}
