//! Filters as data: everything a worker needs is prebuilt, nothing is parsed per request.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use rauta_schemas::{BackendName, Named};
use std::time::Duration;

/// One filter of a rule or backendRef, applied in the order of the list.
#[derive(Clone, Debug)]
pub enum Filter {
    /// RequestHeaderModifier
    RequestHeaders(HeaderEdit),
    /// ResponseHeaderModifier
    ResponseHeaders(HeaderEdit),
    /// RequestRedirect: answered by RAUTA.
    Redirect(Redirect),
    /// URLRewrite
    Rewrite(Rewrite),
    /// RequestMirror
    Mirror(Mirror),
    /// CORS: preflights are answered by RAUTA, responses get their fields.
    Cors(Cors),
}

/// Header changes: `set` and `add` first, `remove` last, as the API orders them.
#[derive(Clone, Debug, Default)]
pub struct HeaderEdit {
    /// Replace every field of the name by one.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// Add one more field.
    pub add: Vec<(HeaderName, HeaderValue)>,
    /// Remove every field of the name.
    pub remove: Vec<HeaderName>,
}

/// How a path is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// The whole path; the query stays.
    Full(String),
    /// The prefix that matched.
    Prefix(String),
}

/// RequestRedirect. What is absent stays as the request has it.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
    /// The host of `Location`.
    pub hostname: Option<String>,
    /// The port of `Location`; absent: 80 or 443 by an explicit scheme, else the listener's port.
    pub port: Option<u16>,
    /// The path of `Location`.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
}

/// URLRewrite. What is absent stays as the request has it.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The Host that the backend sees.
    pub hostname: Option<HeaderValue>,
    /// The path that the backend sees.
    pub path: Option<PathRewrite>,
}

/// RequestMirror: a copy whose response is thrown away.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Where the copy goes; absent where the reference is invalid: then nothing is copied.
    pub backend: Option<Named<BackendName>>,
    /// Copies per `denominator` requests.
    pub numerator: u32,
    /// At least 1.
    pub denominator: u32,
}

/// Which origins CORS allows.
#[derive(Clone, Debug)]
pub enum CorsOrigins {
    /// `*`
    Any,
    /// A list.
    List(Vec<CorsOrigin>),
}

/// One allowed origin: `scheme://host[:port]`, the host exact or `*.suffix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigin {
    /// The whole origin.
    Exact(String),
    /// Scheme (with `://`), the suffix that starts with a dot (empty: any host), the port part.
    Wildcard {
        /// `http://` or `https://`
        scheme: String,
        /// `.example.com`; empty for `scheme://*`.
        suffix: String,
        /// `:8443`, or empty.
        port: String,
    },
}

/// CORS. Lists with `*` are `None` = any.
#[derive(Clone, Debug)]
pub struct Cors {
    /// Allowed origins.
    pub origins: CorsOrigins,
    /// Allowed methods; `None` = any.
    pub methods: Option<Vec<Method>>,
    /// Allowed request headers, lower case; `None` = any.
    pub headers: Option<Vec<HeaderName>>,
    /// Response headers that scripts may read; `None` = any.
    pub expose: Option<Vec<HeaderName>>,
    /// May credentials be sent?
    pub credentials: bool,
    /// How long a preflight's answer holds.
    pub max_age: Duration,
}
