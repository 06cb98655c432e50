//! Matches of HTTPRoute and GRPCRoute rules, and the path template they have in documents.

use super::filters::header_name;
use super::pattern;
use super::spec::MatchSpecs;
use crate::object::types::grpcroutes::{
    GrpcRouteRulesMatches, GrpcRouteRulesMatchesHeadersType as GrpcHeaderType,
    GrpcRouteRulesMatchesMethodType as GrpcMethodType,
};
use crate::object::types::httproutes::{
    HttpRouteRulesMatches, HttpRouteRulesMatchesHeadersType as HeaderType,
    HttpRouteRulesMatchesMethod as MethodName, HttpRouteRulesMatchesPathType as PathType,
    HttpRouteRulesMatchesQueryParamsType as QueryType,
};
use http::Method;
use rauta_routing::{GrpcMethodMatch, HeaderMatch, Match, PathMatch, QueryMatch, ValueMatch};

/// Translates the matches of a rule; none at all match every request. One that cannot be
/// translated makes the rule unusable: leaving it out would narrow what the rule matches.
pub(super) fn matches(specs: MatchSpecs<'_>) -> Result<Vec<Match>, String> {
    let mut found: Vec<Match> = match specs {
        MatchSpecs::Http(specs) => specs.iter().map(http_match).collect::<Result<_, _>>()?,
        MatchSpecs::Grpc(specs) => specs.iter().map(grpc_match).collect::<Result<_, _>>()?,
    };
    if found.is_empty() {
        return Ok(vec![Match {
            path: PathMatch::Prefix(String::new()),
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
        }]);
    }
    found.shrink_to_fit();
    Ok(found)
}

fn http_match(spec: &HttpRouteRulesMatches) -> Result<Match, String> {
    let mut headers = Vec::new();
    for header in spec.headers.iter().flatten() {
        let regex = matches!(header.r#type, Some(HeaderType::RegularExpression));
        push_header(&mut headers, &header.name, &header.value, regex)?;
    }
    let mut query: Vec<QueryMatch> = Vec::new();
    for parameter in spec.query_params.iter().flatten() {
        let regex = matches!(parameter.r#type, Some(QueryType::RegularExpression));
        let value = value("queryParams", &parameter.name, &parameter.value, regex)?;
        if query.iter().all(|known| known.name != parameter.name) {
            query.push(QueryMatch {
                name: parameter.name.clone(),
                value,
            });
        }
    }
    Ok(Match {
        path: path(spec)?,
        method: spec.method.as_ref().map(method),
        headers,
        query,
    })
}

fn path(spec: &HttpRouteRulesMatches) -> Result<PathMatch, String> {
    let path = spec.path.as_ref();
    let text = path.and_then(|path| path.value.as_deref()).unwrap_or("/");
    match path.and_then(|path| path.r#type.as_ref()) {
        Some(PathType::Exact) => Ok(PathMatch::Exact(text.to_owned())),
        Some(PathType::PathPrefix) | None => {
            Ok(PathMatch::Prefix(text.trim_end_matches('/').to_owned()))
        }
        Some(PathType::RegularExpression) => pattern::whole(text)
            .map(PathMatch::Regex)
            .map_err(|why| format!("path: {why}")),
    }
}

fn method(name: &MethodName) -> Method {
    match name {
        MethodName::Get => Method::GET,
        MethodName::Head => Method::HEAD,
        MethodName::Post => Method::POST,
        MethodName::Put => Method::PUT,
        MethodName::Delete => Method::DELETE,
        MethodName::Connect => Method::CONNECT,
        MethodName::Options => Method::OPTIONS,
        MethodName::Trace => Method::TRACE,
        MethodName::Patch => Method::PATCH,
    }
}

fn grpc_match(spec: &GrpcRouteRulesMatches) -> Result<Match, String> {
    let mut headers = Vec::new();
    for header in spec.headers.iter().flatten() {
        let regex = matches!(header.r#type, Some(GrpcHeaderType::RegularExpression));
        push_header(&mut headers, &header.name, &header.value, regex)?;
    }
    let mut path = GrpcMethodMatch::default();
    if let Some(wanted) = &spec.method {
        let regex = matches!(wanted.r#type, Some(GrpcMethodType::RegularExpression));
        let part = |name: &str, text: Option<&String>| match text.filter(|text| !text.is_empty()) {
            Some(text) => value("method", name, text, regex).map(Some),
            None => Ok(None),
        };
        path.service = part("service", wanted.service.as_ref())?;
        path.method = part("method", wanted.method.as_ref())?;
    }
    Ok(Match {
        path: PathMatch::Grpc(path),
        method: None,
        headers,
        query: Vec::new(),
    })
}

fn push_header(
    headers: &mut Vec<HeaderMatch>,
    name: &str,
    text: &str,
    regex: bool,
) -> Result<(), String> {
    let value = value("headers", name, text, regex)?;
    let name = header_name(name).map_err(|why| format!("headers: {why}"))?;
    // Of equal names the first counts, as the API says.
    if headers.iter().all(|known| known.name != name) {
        headers.push(HeaderMatch { name, value });
    }
    Ok(())
}

fn value(field: &str, name: &str, text: &str, regex: bool) -> Result<ValueMatch, String> {
    if regex {
        pattern::whole(text)
            .map(ValueMatch::Regex)
            .map_err(|why| format!("{field} {name}: {why}"))
    } else {
        Ok(ValueMatch::Exact(text.to_owned()))
    }
}

/// The path template of metrics and documents: the most general path that the rule matches.
pub(super) fn template(specs: MatchSpecs<'_>) -> String {
    match specs {
        MatchSpecs::Http(specs) => specs
            .iter()
            .map(http_template)
            .min()
            .map_or_else(|| "/*".to_owned(), |(_, _, template)| template),
        MatchSpecs::Grpc(specs) => specs
            .iter()
            .map(grpc_template)
            .min()
            .map_or_else(|| "/*".to_owned(), |(_, template)| template),
    }
}

/// Orders templates from general to specific: prefixes, the shortest first, then expressions,
/// then exact paths.
fn http_template(spec: &HttpRouteRulesMatches) -> (u8, usize, String) {
    let path = spec.path.as_ref();
    let text = path.and_then(|path| path.value.as_deref()).unwrap_or("/");
    match path.and_then(|path| path.r#type.as_ref()) {
        Some(PathType::PathPrefix) | None => {
            let template = format!("{}/*", text.trim_end_matches('/'));
            (0, text.len(), template)
        }
        Some(PathType::RegularExpression) => (1, text.len(), text.to_owned()),
        Some(PathType::Exact) => (2, text.len(), text.to_owned()),
    }
}

fn grpc_template(spec: &GrpcRouteRulesMatches) -> (u8, String) {
    let wanted = spec.method.as_ref();
    let part = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
    let service = part(wanted.and_then(|wanted| wanted.service.as_ref()));
    let method = part(wanted.and_then(|wanted| wanted.method.as_ref()));
    let named = u8::from(service.is_some()) + u8::from(method.is_some());
    let text = |part: Option<String>| part.unwrap_or_else(|| "*".to_owned());
    if named == 0 {
        return (0, "/*".to_owned());
    }
    (named, format!("/{}/{}", text(service), text(method)))
}
