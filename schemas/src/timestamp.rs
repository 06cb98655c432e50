//! Wall time in documents: RFC 3339 in UTC with nanoseconds, which every reader knows.

use crate::textual::serde_as_text;
use std::fmt;
use std::str::FromStr;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;

/// A moment, e.g. `2026-11-21T03:00:00.123456789Z`. It holds nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

serde_as_text!(
    Timestamp,
    "RFC 3339 in UTC with nanoseconds: `2026-11-21T03:00:00.123456789Z`.",
    r"^\d{4,}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$"
);

impl Timestamp {
    /// The moment at `wall_ns` nanoseconds since 1970.
    pub const fn from_ns(wall_ns: u64) -> Self {
        Self(wall_ns)
    }

    /// Nanoseconds since 1970.
    pub const fn ns(self) -> u64 {
        self.0
    }
}

/// A text is not a timestamp of the form `2026-11-21T03:00:00.123456789Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampError;

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timestamp is not of the form 2026-11-21T03:00:00.123456789Z")
    }
}

impl std::error::Error for TimestampError {}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ns) = (self.0 / SECOND_NS, self.0 % SECOND_NS);
        let (year, month, day) = date(seconds / DAY_S);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ns:09}Z"
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text).map(Self).ok_or(TimestampError)
    }
}

fn parse(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut day = day.splitn(3, '-');
    let days = days(
        number(day.next()?)?,
        number(day.next()?)?,
        number(day.next()?)?,
    )?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':');
    let (hour, minute) = (number(time.next()?)?, number(time.next()?)?);
    let second = number(time.next()?)?;
    if hour > 23 || minute > 59 || second > 59 || fraction.len() > 9 {
        return None;
    }
    let places = u32::try_from(fraction.len()).ok()?;
    let ns = number(fraction)? * 10_u64.pow(9 - places);
    let seconds = days.checked_mul(DAY_S)? + hour * 3600 + minute * 60 + second;
    seconds.checked_mul(SECOND_NS)?.checked_add(ns)
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { text.parse().ok() } else { None }
}

/// Days in the 400 years after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;

/// Year, month and day of the `days`-th day since 1970-01-01.
///
/// Years are counted from 1 March, so that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let (era, day) = (days / ERA_DAYS, days % ERA_DAYS);
    // Take out the leap days before `day`, and each year has 365.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March have 31, 30, 31, 30, 31 days, again and again: 153 in five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year;
    if month < 10 {
        (year, month + 3, day)
    } else {
        (year + 1, month - 9, day)
    }
}

/// Days from 1970-01-01 to a date; `None` if there is no such date, or it lies before.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (from_march, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (from_march / 400, from_march % 400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days = era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let days = days.checked_sub(719_468)?;
    // 31 April and its like come out as another date.
    (date(days).2 == day).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(wall_ns: u64) -> String {
        Timestamp::from_ns(wall_ns).to_string()
    }

    #[test]
    fn known_moments_read_as_known() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(
            text(951_782_400_000_000_001),
            "2000-02-29T00:00:00.000000001Z"
        );
        assert_eq!(
            text(1_709_251_199_999_999_999),
            "2024-02-29T23:59:59.999999999Z"
        );
        assert_eq!(
            text(4_107_542_400_000_000_000),
            "2100-03-01T00:00:00.000000000Z"
        );
    }

    #[test]
    fn the_calendar_counts_every_day_once() {
        let is_leap = |year: u64| {
            year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
        };
        let month_days = |year: u64, month| match month {
            4 | 6 | 9 | 11 => 30,
            2 if is_leap(year) => 29,
            2 => 28,
            _ => 31,
        };
        let mut count = 0;
        for year in 1970..2420 {
            for month in 1..=12 {
                for day in 1..=month_days(year, month) {
                    assert_eq!(date(count), (year, month, day));
                    assert_eq!(days(year, month, day), Some(count));
                    count += 1;
                }
            }
        }
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        let fine = "2026-02-28T03:00:00.5Z";
        assert_eq!(
            fine.parse().map(Timestamp::ns),
            Ok(1_772_247_600_500_000_000)
        );
        for bad in [
            "",
            "2026-02-29T03:00:00Z",
            "2026-02-28T24:00:00Z",
            "2026-02-28T03:00:00+00:00",
            "2026-02-28 03:00:00Z",
            "2026-02-28T03:00:00.0123456789Z",
            "2026-02-28T03:00:+1Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(bad.parse::<Timestamp>(), Err(TimestampError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_reads_back(wall_ns in any::<u64>()) {
            prop_assert_eq!(text(wall_ns).parse().map(Timestamp::ns), Ok(wall_ns));
        }

        #[test]
        fn no_text_makes_a_panic(text in "[-0-9TZ:.+]{0,40}|.*") {
            let _parsed = text.parse::<Timestamp>();
        }
    }
}
