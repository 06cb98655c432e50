//! Timeouts and retries of a rule.

use super::duration;
use super::spec::RuleSpec;
use http::StatusCode;
use rauta_routing::{Retry, Timeouts};

/// `attempts` where `retry` leaves it out.
const ATTEMPTS_DEFAULT: i64 = 1;

/// Translates `timeouts`.
pub(super) fn timeouts(spec: &RuleSpec<'_>) -> Result<Timeouts, String> {
    let Some(timeouts) = spec.timeouts else {
        return Ok(Timeouts::default());
    };
    let limit = |field: &str, text: Option<&String>| match text {
        Some(text) => duration::limit(text).map_err(|why| format!("timeouts.{field}: {why}")),
        None => Ok(None),
    };
    Ok(Timeouts {
        request: limit("request", timeouts.request.as_ref())?,
        backend_request: limit("backendRequest", timeouts.backend_request.as_ref())?,
    })
}

/// Translates `retry`.
pub(super) fn retry(spec: &RuleSpec<'_>) -> Result<Option<Retry>, String> {
    let Some(retry) = spec.retry else {
        return Ok(None);
    };
    let attempts = retry.attempts.unwrap_or(ATTEMPTS_DEFAULT);
    let attempts = u32::try_from(attempts)
        .map_err(|_| format!("retry.attempts: {attempts} is not a number of retries"))?;
    let backoff = match &retry.backoff {
        Some(text) => duration::limit(text).map_err(|why| format!("retry.backoff: {why}"))?,
        None => None,
    };
    let codes = retry.codes.iter().flatten().map(|code| {
        u16::try_from(*code)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .ok_or_else(|| format!("retry.codes: {code} is not a status"))
    });
    Ok(Some(Retry {
        attempts,
        backoff,
        codes: codes.collect::<Result<_, _>>()?,
    }))
}
