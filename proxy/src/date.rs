//! The Date of responses (RFC 9110 section 6.6.1): for RAUTA's own, and for a backend's that came
//! without one. Written anew once a second, by whoever asks first.

use http::header::{DATE, HeaderValue};
use rauta_http1::Headers;
use std::cell::RefCell;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// The value of one second.
pub(crate) struct Date {
    kept: RefCell<(u64, HeaderValue)>,
}

impl Date {
    pub(crate) fn new() -> Self {
        Self {
            kept: RefCell::new((0, write(0))),
        }
    }

    /// Adds the moment `wall_ns`, nanoseconds since 1970, to a response that says none.
    pub(crate) fn stamp(&self, wall_ns: u64, headers: &mut Headers) {
        if headers.contains(&DATE) {
            return;
        }
        let second = wall_ns / 1_000_000_000;
        let mut kept = self.kept.borrow_mut();
        if kept.0 != second {
            *kept = (second, write(second));
        }
        headers.append(DATE, kept.1.clone());
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` of a second since 1970.
fn write(second: u64) -> HeaderValue {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let weekday = (second / DAY)
        .checked_rem(7)
        .and_then(|day| usize::try_from(day).ok());
    let weekday = weekday.and_then(|day| DAYS.get(day)).unwrap_or(&"Thu");
    let (mut day, mut year) = (second / DAY, 1970);
    while day >= 365 + leap_day(year) {
        day -= 365 + leap_day(year);
        year += 1;
    }
    let mut month = "Dec";
    for (name, days) in MONTHS {
        let days = days + if name == "Feb" { leap_day(year) } else { 0 };
        if day < days {
            month = name;
            break;
        }
        day -= days;
    }
    let (hour, minute) = (second % DAY / 3600, second % 3600 / 60);
    let text = format!(
        "{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{:02} GMT",
        day + 1,
        second % 60
    );
    HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// How many days more than 365 a year has.
fn leap_day(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    u64::from(is_leap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_http_writes_them() {
        for (second, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(write(second), text, "{second}");
        }
    }

    #[test]
    fn a_second_is_written_once_and_what_is_there_stays() {
        let date = Date::new();
        let mut headers = Headers::new();
        date.stamp(784_111_777_999_999_999, &mut headers);
        date.stamp(784_111_778_000_000_000, &mut headers);
        assert_eq!(
            headers.value(&DATE).unwrap(),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(headers.len(), 1);
        headers.clear();
        date.stamp(784_111_778_000_000_000, &mut headers);
        assert_eq!(
            headers.value(&DATE).unwrap(),
            "Sun, 06 Nov 1994 08:49:38 GMT"
        );
    }
}
