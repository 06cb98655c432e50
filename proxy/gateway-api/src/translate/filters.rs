//! Filters of a rule or backendRef.

use super::backend_ref::Resolutions;
use super::cors::cors;
use super::spec::{FilterSpec, HeaderSpec, MirrorSpec, PathSpec, RedirectSpec, RewriteSpec};
use crate::attach::Problem;
use crate::status::reason;
use http::{HeaderName, HeaderValue, StatusCode};
use rauta_routing::{Filter, HeaderEdit, Mirror, PathRewrite, Redirect, Rewrite};
use rauta_schemas::Names;

/// Translates filters in order. On a problem not one of them may be skipped: whoever asked for
/// the filter must not get unfiltered requests.
pub(super) fn filters(
    specs: &[FilterSpec<'_>],
    resolutions: &Resolutions<'_>,
    names: &Names,
) -> Result<Vec<Filter>, Problem> {
    specs
        .iter()
        .map(|spec| filter(spec, resolutions, names))
        .collect()
}

fn filter(
    spec: &FilterSpec<'_>,
    resolutions: &Resolutions<'_>,
    names: &Names,
) -> Result<Filter, Problem> {
    let unsupported = |message: String| Problem::new(reason::UNSUPPORTED_VALUE, message);
    match spec {
        FilterSpec::RequestHeaders(headers) => header_edit(headers)
            .map(Filter::RequestHeaders)
            .map_err(|why| unsupported(format!("requestHeaderModifier: {why}"))),
        FilterSpec::ResponseHeaders(headers) => header_edit(headers)
            .map(Filter::ResponseHeaders)
            .map_err(|why| unsupported(format!("responseHeaderModifier: {why}"))),
        FilterSpec::Mirror(spec) => Ok(Filter::Mirror(mirror(spec, resolutions, names))),
        FilterSpec::Redirect(spec) => redirect(spec)
            .map(Filter::Redirect)
            .map_err(|why| unsupported(format!("requestRedirect: {why}"))),
        FilterSpec::Rewrite(spec) => rewrite(spec)
            .map(Filter::Rewrite)
            .map_err(|why| unsupported(format!("urlRewrite: {why}"))),
        FilterSpec::Cors(spec) => cors(spec)
            .map(Filter::Cors)
            .map_err(|why| unsupported(format!("cors: {why}"))),
        FilterSpec::Extension(kind, name) => Err(Problem::new(
            reason::INVALID_KIND,
            format!(
                "filter ExtensionRef: {kind} {name} is not a filter that is known: remove it \
                 (until then the rule answers 500)"
            ),
        )),
        FilterSpec::ExternalAuth => Err(unsupported(
            "filter ExternalAuth is not supported: remove it (until then the rule answers 500)"
                .to_owned(),
        )),
        FilterSpec::Incomplete(field) => Err(unsupported(format!("filter lacks its {field}"))),
    }
}

fn header_edit(spec: &HeaderSpec<'_>) -> Result<HeaderEdit, String> {
    Ok(HeaderEdit {
        set: fields(&spec.set)?,
        add: fields(&spec.add)?,
        remove: spec
            .remove
            .iter()
            .map(|name| header_name(name))
            .collect::<Result<_, _>>()?,
    })
}

/// Names with values; of equal names the first counts, as the API says.
fn fields(list: &[(&str, &str)]) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut fields: Vec<(HeaderName, HeaderValue)> = Vec::with_capacity(list.len());
    for (name, value) in list {
        let name = header_name(name)?;
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of {name} cannot be sent in a header"))?;
        if fields.iter().all(|(known, _)| *known != name) {
            fields.push((name, value));
        }
    }
    Ok(fields)
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    name.parse()
        .map_err(|_| format!("{name:?} is not a header name"))
}

fn path_rewrite(spec: PathSpec<'_>) -> Option<PathRewrite> {
    match (spec.full, spec.prefix) {
        (Some(full), _) => Some(PathRewrite::Full(full.to_owned())),
        (None, Some(prefix)) => Some(PathRewrite::Prefix(prefix.to_owned())),
        (None, None) => None,
    }
}

fn redirect(spec: &RedirectSpec<'_>) -> Result<Redirect, String> {
    let status = spec.status.unwrap_or(302);
    let status = u16::try_from(status)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(StatusCode::is_redirection)
        .ok_or_else(|| {
            format!("statusCode {status} is no redirect: use 301, 302, 303, 307 or 308")
        })?;
    let port = spec
        .port
        .map(|port| u16::try_from(port).map_err(|_| format!("port {port} is no port")))
        .transpose()?;
    if let Some(hostname) = spec.hostname {
        HeaderValue::from_str(hostname).map_err(|_| format!("{hostname:?} is no hostname"))?;
    }
    Ok(Redirect {
        scheme: spec.scheme,
        hostname: spec.hostname.map(str::to_owned),
        port,
        path: path_rewrite(spec.path),
        status,
    })
}

fn rewrite(spec: &RewriteSpec<'_>) -> Result<Rewrite, String> {
    let hostname = spec
        .hostname
        .map(|name| HeaderValue::from_str(name).map_err(|_| format!("{name:?} is no hostname")))
        .transpose()?;
    Ok(Rewrite {
        hostname,
        path: path_rewrite(spec.path),
    })
}

/// An invalid mirror copies nothing and hurts nobody: the reference's problem is reported.
fn mirror(spec: &MirrorSpec<'_>, resolutions: &Resolutions<'_>, names: &Names) -> Mirror {
    let (numerator, denominator) = match (spec.fraction, spec.percent) {
        (Some((numerator, denominator)), _) => (numerator, denominator),
        (None, Some(percent)) => (percent, 100),
        (None, None) => (1, 1),
    };
    Mirror {
        backend: resolutions.backend_of(&spec.target, names),
        numerator: u32::try_from(numerator).unwrap_or_default(),
        denominator: u32::try_from(denominator).unwrap_or_default().max(1),
    }
}
