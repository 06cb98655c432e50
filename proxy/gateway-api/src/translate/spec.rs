//! One view of HTTPRoute's and GRPCRoute's parts.
//!
//! The generated types are per kind and place (rule, backendRef) though their fields are the same;
//! here they become one shape that borrows from the object, so that each filter is translated in
//! one place.

use crate::object::types::grpcroutes::{
    GrpcRouteRules, GrpcRouteRulesBackendRefsFilters, GrpcRouteRulesBackendRefsFiltersType,
    GrpcRouteRulesFilters, GrpcRouteRulesFiltersType, GrpcRouteRulesMatches,
};
use crate::object::types::httproutes::{
    HttpRouteRules, HttpRouteRulesBackendRefsFilters,
    HttpRouteRulesBackendRefsFiltersRequestRedirectScheme as BackendScheme,
    HttpRouteRulesBackendRefsFiltersType, HttpRouteRulesFilters,
    HttpRouteRulesFiltersRequestRedirectScheme as RuleScheme, HttpRouteRulesFiltersType,
    HttpRouteRulesMatches, HttpRouteRulesRetry, HttpRouteRulesTimeouts,
};

/// A rule of a route.
#[derive(Debug)]
pub(super) struct RuleSpec<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) matches: MatchSpecs<'a>,
    pub(super) filters: Vec<FilterSpec<'a>>,
    pub(super) backends: Vec<BackendSpec<'a>>,
    pub(super) timeouts: Option<&'a HttpRouteRulesTimeouts>,
    pub(super) retry: Option<&'a HttpRouteRulesRetry>,
}

/// The matches of a rule, by kind of route.
#[derive(Clone, Copy, Debug)]
pub(super) enum MatchSpecs<'a> {
    Http(&'a [HttpRouteRulesMatches]),
    Grpc(&'a [GrpcRouteRulesMatches]),
}

/// A backendRef with its weight and filters.
#[derive(Debug)]
pub(super) struct BackendSpec<'a> {
    pub(super) target: Target<'a>,
    pub(super) weight: i32,
    pub(super) filters: Vec<FilterSpec<'a>>,
}

/// A reference to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) name: &'a str,
    pub(super) port: Option<i32>,
}

/// A filter.
#[derive(Debug)]
pub(super) enum FilterSpec<'a> {
    RequestHeaders(HeaderSpec<'a>),
    ResponseHeaders(HeaderSpec<'a>),
    Mirror(MirrorSpec<'a>),
    Redirect(RedirectSpec<'a>),
    Rewrite(RewriteSpec<'a>),
    Cors(CorsSpec<'a>),
    /// `ExtensionRef`: kind and name.
    Extension(&'a str, &'a str),
    ExternalAuth,
    /// The filter's own field is missing.
    Incomplete(&'static str),
}

#[derive(Debug)]
pub(super) struct HeaderSpec<'a> {
    pub(super) set: Vec<(&'a str, &'a str)>,
    pub(super) add: Vec<(&'a str, &'a str)>,
    pub(super) remove: Vec<&'a str>,
}

#[derive(Debug)]
pub(super) struct MirrorSpec<'a> {
    pub(super) target: Target<'a>,
    pub(super) percent: Option<i32>,
    /// Numerator and denominator.
    pub(super) fraction: Option<(i32, i32)>,
}

#[derive(Debug)]
pub(super) struct RedirectSpec<'a> {
    pub(super) scheme: Option<&'static str>,
    pub(super) hostname: Option<&'a str>,
    pub(super) port: Option<i32>,
    pub(super) path: PathSpec<'a>,
    pub(super) status: Option<i64>,
}

#[derive(Debug)]
pub(super) struct RewriteSpec<'a> {
    pub(super) hostname: Option<&'a str>,
    pub(super) path: PathSpec<'a>,
}

/// How a path is replaced: wholly, or the prefix that matched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathSpec<'a> {
    pub(super) full: Option<&'a str>,
    pub(super) prefix: Option<&'a str>,
}

#[derive(Debug)]
pub(super) struct CorsSpec<'a> {
    pub(super) origins: &'a [String],
    pub(super) methods: &'a [String],
    pub(super) headers: &'a [String],
    pub(super) expose: &'a [String],
    pub(super) credentials: bool,
    pub(super) max_age: Option<i32>,
}

macro_rules! target {
    ($reference:expr) => {{
        let reference = $reference;
        Target {
            group: reference.group.as_deref().unwrap_or_default(),
            kind: reference.kind.as_deref().unwrap_or("Service"),
            namespace: reference.namespace.as_deref(),
            name: &reference.name,
            port: reference.port,
        }
    }};
}

macro_rules! headers {
    ($modifier:expr) => {
        $modifier.as_ref().map(|modifier| HeaderSpec {
            set: modifier
                .set
                .iter()
                .flatten()
                .map(|header| (header.name.as_str(), header.value.as_str()))
                .collect(),
            add: modifier
                .add
                .iter()
                .flatten()
                .map(|header| (header.name.as_str(), header.value.as_str()))
                .collect(),
            remove: modifier
                .remove
                .iter()
                .flatten()
                .map(String::as_str)
                .collect(),
        })
    };
}

macro_rules! mirror {
    ($mirror:expr) => {
        $mirror.as_ref().map(|mirror| MirrorSpec {
            target: target!(&mirror.backend_ref),
            percent: mirror.percent,
            fraction: mirror
                .fraction
                .as_ref()
                .map(|fraction| (fraction.numerator, fraction.denominator.unwrap_or(100))),
        })
    };
}

macro_rules! path {
    ($path:expr) => {
        $path.as_ref().map_or(PathSpec::default(), |path| PathSpec {
            full: path.replace_full_path.as_deref(),
            prefix: path.replace_prefix_match.as_deref(),
        })
    };
}

/// `Some` of the filter's own field, or the field's name.
fn complete<'a, S>(
    spec: Option<S>,
    field: &'static str,
    filter: impl FnOnce(S) -> FilterSpec<'a>,
) -> FilterSpec<'a> {
    spec.map_or(FilterSpec::Incomplete(field), filter)
}

macro_rules! http_filters {
    ($name:ident, $filter:ty, $kind:ident, $scheme:ident) => {
        fn $name(filters: Option<&Vec<$filter>>) -> Vec<FilterSpec<'_>> {
            filters.into_iter().flatten().map($name::one).collect()
        }

        mod $name {
            use super::*;

            pub(super) fn one(filter: &$filter) -> FilterSpec<'_> {
                match filter.r#type {
                    $kind::RequestHeaderModifier => complete(
                        headers!(filter.request_header_modifier),
                        "requestHeaderModifier",
                        FilterSpec::RequestHeaders,
                    ),
                    $kind::ResponseHeaderModifier => complete(
                        headers!(filter.response_header_modifier),
                        "responseHeaderModifier",
                        FilterSpec::ResponseHeaders,
                    ),
                    $kind::RequestMirror => complete(
                        mirror!(filter.request_mirror),
                        "requestMirror",
                        FilterSpec::Mirror,
                    ),
                    $kind::RequestRedirect => {
                        complete(redirect(filter), "requestRedirect", FilterSpec::Redirect)
                    }
                    $kind::UrlRewrite => {
                        complete(rewrite(filter), "urlRewrite", FilterSpec::Rewrite)
                    }
                    $kind::Cors => complete(cors(filter), "cors", FilterSpec::Cors),
                    $kind::ExtensionRef => {
                        complete(filter.extension_ref.as_ref(), "extensionRef", |extension| {
                            FilterSpec::Extension(&extension.kind, &extension.name)
                        })
                    }
                    $kind::ExternalAuth => FilterSpec::ExternalAuth,
                }
            }

            fn redirect(filter: &$filter) -> Option<RedirectSpec<'_>> {
                let redirect = filter.request_redirect.as_ref()?;
                Some(RedirectSpec {
                    scheme: redirect.scheme.as_ref().map(|scheme| match scheme {
                        $scheme::Http => "http",
                        $scheme::Https => "https",
                    }),
                    hostname: redirect.hostname.as_deref(),
                    port: redirect.port,
                    path: path!(redirect.path),
                    status: redirect.status_code,
                })
            }

            fn rewrite(filter: &$filter) -> Option<RewriteSpec<'_>> {
                let rewrite = filter.url_rewrite.as_ref()?;
                Some(RewriteSpec {
                    hostname: rewrite.hostname.as_deref(),
                    path: path!(rewrite.path),
                })
            }

            fn cors(filter: &$filter) -> Option<CorsSpec<'_>> {
                let cors = filter.cors.as_ref()?;
                Some(CorsSpec {
                    origins: cors.allow_origins.as_deref().unwrap_or_default(),
                    methods: cors.allow_methods.as_deref().unwrap_or_default(),
                    headers: cors.allow_headers.as_deref().unwrap_or_default(),
                    expose: cors.expose_headers.as_deref().unwrap_or_default(),
                    credentials: cors.allow_credentials.unwrap_or_default(),
                    max_age: cors.max_age,
                })
            }
        }
    };
}

macro_rules! grpc_filters {
    ($name:ident, $filter:ty, $kind:ident) => {
        fn $name(filters: Option<&Vec<$filter>>) -> Vec<FilterSpec<'_>> {
            let one = |filter| -> FilterSpec<'_> {
                let filter: &$filter = filter;
                match filter.r#type {
                    $kind::RequestHeaderModifier => complete(
                        headers!(filter.request_header_modifier),
                        "requestHeaderModifier",
                        FilterSpec::RequestHeaders,
                    ),
                    $kind::ResponseHeaderModifier => complete(
                        headers!(filter.response_header_modifier),
                        "responseHeaderModifier",
                        FilterSpec::ResponseHeaders,
                    ),
                    $kind::RequestMirror => complete(
                        mirror!(filter.request_mirror),
                        "requestMirror",
                        FilterSpec::Mirror,
                    ),
                    $kind::ExtensionRef => {
                        complete(filter.extension_ref.as_ref(), "extensionRef", |extension| {
                            FilterSpec::Extension(&extension.kind, &extension.name)
                        })
                    }
                }
            };
            filters.into_iter().flatten().map(one).collect()
        }
    };
}

http_filters!(
    http_rule_filters,
    HttpRouteRulesFilters,
    HttpRouteRulesFiltersType,
    RuleScheme
);
http_filters!(
    http_backend_filters,
    HttpRouteRulesBackendRefsFilters,
    HttpRouteRulesBackendRefsFiltersType,
    BackendScheme
);
grpc_filters!(
    grpc_rule_filters,
    GrpcRouteRulesFilters,
    GrpcRouteRulesFiltersType
);
grpc_filters!(
    grpc_backend_filters,
    GrpcRouteRulesBackendRefsFilters,
    GrpcRouteRulesBackendRefsFiltersType
);

impl<'a> RuleSpec<'a> {
    pub(super) fn http(rule: &'a HttpRouteRules) -> Self {
        let backends = rule.backend_refs.iter().flatten();
        Self {
            name: rule.name.as_deref(),
            matches: MatchSpecs::Http(rule.matches.as_deref().unwrap_or_default()),
            filters: http_rule_filters(rule.filters.as_ref()),
            backends: backends
                .map(|backend| BackendSpec {
                    target: target!(backend),
                    weight: backend.weight.unwrap_or(1),
                    filters: http_backend_filters(backend.filters.as_ref()),
                })
                .collect(),
            timeouts: rule.timeouts.as_ref(),
            retry: rule.retry.as_ref(),
        }
    }

    pub(super) fn grpc(rule: &'a GrpcRouteRules) -> Self {
        let backends = rule.backend_refs.iter().flatten();
        Self {
            name: rule.name.as_deref(),
            matches: MatchSpecs::Grpc(rule.matches.as_deref().unwrap_or_default()),
            filters: grpc_rule_filters(rule.filters.as_ref()),
            backends: backends
                .map(|backend| BackendSpec {
                    target: target!(backend),
                    weight: backend.weight.unwrap_or(1),
                    filters: grpc_backend_filters(backend.filters.as_ref()),
                })
                .collect(),
            timeouts: None,
            retry: None,
        }
    }

    /// Every backend the rule refers to, also for mirrors.
    pub(super) fn targets(&self) -> impl Iterator<Item = Target<'a>> + '_ {
        let of_backends = self.backends.iter().flat_map(|backend| {
            std::iter::once(backend.target).chain(mirror_targets(&backend.filters))
        });
        of_backends.chain(mirror_targets(&self.filters))
    }
}

fn mirror_targets<'a>(filters: &[FilterSpec<'a>]) -> impl Iterator<Item = Target<'a>> {
    filters.iter().filter_map(|filter| match filter {
        FilterSpec::Mirror(mirror) => Some(mirror.target),
        _ => None,
    })
}
