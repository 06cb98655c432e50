//! Wall time, read here only: status, events and log lines carry it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use k8s_openapi::jiff::Timestamp;

/// The time of day.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// The time of day as objects hold it, in whole seconds.
pub(crate) fn time() -> Time {
    whole_seconds(now())
}

/// A time as objects hold it, in whole seconds.
pub(crate) fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The time of day as Leases hold it.
pub(crate) fn micro_time() -> MicroTime {
    MicroTime(now())
}
