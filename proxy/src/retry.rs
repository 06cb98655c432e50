//! Which failed attempts are made again. Without `retry` in its rule a request is replayed at most
//! once, and only where no backend can have seen it twice to harm: an idempotent request without
//! a body whose reused connection died before any byte of a response. With it, failures that no
//! backend processed, and the listed statuses, are tried again, within a budget.

use crate::error::ProxyError;
use http::{Method, StatusCode};
use rauta_http1::BodyLength;
use rauta_routing::Retry;
use std::cell::Cell;
use std::time::Duration;

/// What a retry costs, in hundredths of a token.
const COST: i64 = 100;

/// Unused budget is kept up to this many retries.
const KEPT_MAX: i64 = 100 * COST;

/// Added with every tick whatever the traffic: ten retries a second are always allowed.
const PER_TICK: i64 = COST;

/// The most that a back-off grows to.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// One worker's budget: retries stay a share of the requests, so that a backend that fails under
/// load is not buried under its own failures.
#[derive(Debug)]
pub(crate) struct Budget(Cell<i64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(10 * COST))
    }
}

impl Budget {
    /// A request came: earns its share of a retry.
    pub(crate) fn earn(&self, percent: u32) {
        self.0
            .set((self.0.get() + i64::from(percent)).min(KEPT_MAX));
    }

    /// A tick passed.
    pub(crate) fn tick(&self) {
        self.0.set((self.0.get() + PER_TICK).min(KEPT_MAX));
    }

    /// Takes one retry out, if there is one.
    pub(crate) fn spend(&self) -> bool {
        let is_enough = self.0.get() >= COST;
        if is_enough {
            self.0.set(self.0.get() - COST);
        }
        is_enough
    }
}

/// What decides about another attempt, beside the failure itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts<'a> {
    /// The rule's own.
    pub(crate) retry: Option<&'a Retry>,
    pub(crate) method: &'a Method,
    pub(crate) body: BodyLength,
    /// Can what was read of the body be sent again?
    pub(crate) is_replayable: bool,
    /// Attempts made so far.
    pub(crate) made: u32,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: the failure stands.
    GiveUp,
    /// The one safe replay, on a new connection; it costs no budget.
    Replay,
    /// A retry, within the budget.
    Retry,
}

impl Attempts<'_> {
    /// After an error.
    pub(crate) fn after(&self, error: ProxyError) -> Next {
        if error == ProxyError::StaleConnection {
            // RFC 9110 section 9.2.2: the bytes may have been seen before the connection died.
            if !self.method.is_idempotent() {
                return Next::GiveUp;
            }
            if self.made == 1 && self.body == BodyLength::Empty {
                return Next::Replay;
            }
        }
        if error.is_retryable() && self.may_retry() {
            Next::Retry
        } else {
            Next::GiveUp
        }
    }

    /// After a response: is its status one to try again?
    pub(crate) fn after_status(&self, status: StatusCode) -> Next {
        let is_listed = self
            .retry
            .is_some_and(|retry| retry.codes.contains(&status));
        if is_listed && self.may_retry() {
            Next::Retry
        } else {
            Next::GiveUp
        }
    }

    fn may_retry(&self) -> bool {
        self.is_replayable && self.retry.is_some_and(|retry| self.made <= retry.attempts)
    }

    /// How long to wait before the next attempt: doubled per attempt, and spread, so that many
    /// requests that failed together do not come back together.
    pub(crate) fn backoff(&self, random: f64) -> Option<Duration> {
        let base = self.retry?.backoff?;
        let doubled = base.saturating_mul(1 << self.made.saturating_sub(1).min(10));
        Some(
            doubled
                .min(BACKOFF_MAX.max(base))
                .mul_f64(0.5 + random / 2.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempts<'a>(method: &'a Method, body: BodyLength, made: u32) -> Attempts<'a> {
        Attempts {
            retry: None,
            method,
            body,
            is_replayable: true,
            made,
        }
    }

    #[test]
    fn without_a_rule_only_a_dead_reused_connection_is_replayed_once() {
        let stale = ProxyError::StaleConnection;
        let get = attempts(&Method::GET, BodyLength::Empty, 1);
        assert_eq!(get.after(stale), Next::Replay);
        assert_eq!(get.after(ProxyError::ConnectRefused), Next::GiveUp);
        assert_eq!(get.after(ProxyError::BackendReset), Next::GiveUp);
        assert_eq!(
            attempts(&Method::GET, BodyLength::Empty, 2).after(stale),
            Next::GiveUp
        );
        assert_eq!(
            attempts(&Method::PUT, BodyLength::Length(1), 1).after(stale),
            Next::GiveUp
        );
        assert_eq!(
            attempts(&Method::POST, BodyLength::Empty, 1).after(stale),
            Next::GiveUp
        );
    }

    #[test]
    fn a_rule_retries_what_no_backend_processed_and_listed_statuses() {
        let codes = vec![StatusCode::SERVICE_UNAVAILABLE];
        let retry = Retry {
            attempts: 2,
            backoff: None,
            codes,
        };
        let post = Attempts {
            retry: Some(&retry),
            ..attempts(&Method::POST, BodyLength::Length(5), 1)
        };
        assert_eq!(post.after(ProxyError::ConnectRefused), Next::Retry);
        assert_eq!(post.after(ProxyError::BackendReset), Next::GiveUp);
        assert_eq!(post.after(ProxyError::StaleConnection), Next::GiveUp);
        assert_eq!(
            post.after_status(StatusCode::SERVICE_UNAVAILABLE),
            Next::Retry
        );
        assert_eq!(post.after_status(StatusCode::BAD_GATEWAY), Next::GiveUp);
        let used_up = Attempts { made: 3, ..post };
        assert_eq!(used_up.after(ProxyError::ConnectRefused), Next::GiveUp);
        let consumed = Attempts {
            is_replayable: false,
            ..post
        };
        assert_eq!(consumed.after(ProxyError::ConnectRefused), Next::GiveUp);
    }

    #[test]
    fn back_off_doubles_and_is_spread() {
        let backoff = Some(Duration::from_millis(100));
        let retry = Retry {
            attempts: 9,
            backoff,
            codes: Vec::new(),
        };
        let at = |made, random| {
            let attempts = attempts(&Method::GET, BodyLength::Empty, made);
            Attempts {
                retry: Some(&retry),
                ..attempts
            }
            .backoff(random)
        };
        assert_eq!(at(1, 1.0), Some(Duration::from_millis(100)));
        assert_eq!(at(1, 0.0), Some(Duration::from_millis(50)));
        assert_eq!(at(3, 1.0), Some(Duration::from_millis(400)));
        assert_eq!(at(9, 1.0), Some(BACKOFF_MAX));
    }

    #[test]
    fn the_budget_is_a_share_of_the_requests() {
        let budget = Budget::default();
        while budget.spend() {}
        (0..4).for_each(|_| budget.earn(20));
        assert!(!budget.spend());
        budget.earn(20);
        assert!(budget.spend());
        assert!(!budget.spend());
        budget.tick();
        assert!(budget.spend());
    }
}
