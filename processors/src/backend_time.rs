//! Which part of an exchange is the backend's: from the moment an endpoint was chosen, without the
//! time the client took to send the request, to the first byte of the answer.
//!
//! ```text
//! head  chosen  connected      sent            first byte            last byte
//! ├───────┼─────────┼────────────┼──────────────────┼────────────────────┤
//!         └─connect─┘  (upload)  └───── waiting ────┘     (download)
//! ```
//! The backend's time is connect + waiting. Uploads and downloads depend on the client.

use rauta_schemas::{HttpProgressEvent, HttpResponseEvent, Outcome, Side, Source, Timings};

/// The backend's time in one exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BackendTime {
    /// How long it took, or has taken so far, microseconds.
    pub(crate) micros: u64,
    /// Did the answer's first byte come? Otherwise it would have taken longer.
    pub(crate) is_answered: bool,
}

/// The backend's time in an exchange that is over; `None` where it says nothing about the backend:
/// tunnels and streams, probes, what never reached a backend, what the client broke.
pub(crate) fn of_response(event: &HttpResponseEvent) -> Option<BackendTime> {
    if event.is_streaming || event.is_probe || event.outcome == Outcome::Tunnelled {
        return None;
    }
    let end_us = event.last_byte_ns / 1_000;
    let time = backend_time(&event.timings, end_us, event.source)?;
    // A client that left while it waited is evidence of the wait; one that left later, or broke
    // its own request, is evidence of nothing.
    (event.side != Side::Client || !time.is_answered).then_some(time)
}

/// The backend's time so far in an open exchange; `None` as above, and while the request is still
/// being sent.
pub(crate) fn of_progress(event: &HttpProgressEvent) -> Option<BackendTime> {
    if event.is_streaming || event.is_probe {
        return None;
    }
    backend_time(&event.timings, event.age_ns / 1_000, event.source)
}

/// May the baseline learn from it? Only whole answers that went well.
pub(crate) fn is_learnable(event: &HttpResponseEvent, time: BackendTime) -> bool {
    time.is_answered && event.side == Side::None && event.status < 500
}

fn backend_time(timings: &Timings, end_us: u64, source: Source) -> Option<BackendTime> {
    let head_read = step(timings.head_read_us);
    // Whoever only watches sees no choice: the head's end stands for it.
    let watched = (source == Source::Observer).then_some(head_read).flatten();
    let chosen = step(timings.upstream_chosen_us).or(watched)?;
    let first_byte = step(timings.first_byte_us);
    let until = first_byte.unwrap_or(end_us);
    let is_answered = first_byte.is_some();
    let Some(connected) = step(timings.connected_us).or(watched) else {
        return Some(BackendTime {
            micros: until.saturating_sub(chosen),
            is_answered,
        });
    };
    let sent = step(timings.sent_us)?;
    // Answered before the request was complete: no wait to measure.
    let waiting = until.checked_sub(sent)?;
    Some(BackendTime {
        micros: connected.saturating_sub(chosen) + waiting,
        is_answered,
    })
}

fn step(offset_us: u32) -> Option<u64> {
    (offset_us != Timings::UNSET).then_some(u64::from(offset_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    const U: u32 = Timings::UNSET;

    fn check(steps: [u32; 5], end_us: u64, expected: Option<(u64, bool)>) {
        let [
            head_read_us,
            upstream_chosen_us,
            connected_us,
            sent_us,
            first_byte_us,
        ] = steps;
        let timings = Timings {
            head_read_us,
            upstream_chosen_us,
            connected_us,
            sent_us,
            first_byte_us,
        };
        let time = backend_time(&timings, end_us, Source::Proxy);
        assert_eq!(
            time.map(|time| (time.micros, time.is_answered)),
            expected,
            "{steps:?}"
        );
    }

    #[test]
    fn only_connecting_and_waiting_are_the_backends_time() {
        // A quick answer with a slow download.
        check([10, 20, 20, 30, 530], 9_000_000, Some((500, true)));
        // A new connection.
        check([10, 20, 220, 230, 730], 800, Some((700, true)));
        // A slow upload, answered at once.
        check(
            [10, 20, 20, 5_000_000, 5_000_100],
            5_000_200,
            Some((100, true)),
        );
        // Still uploading when it was answered, or when it ended.
        check([10, 20, 20, 900, 800], 1_000, None);
        check([10, 20, 20, U, 800], 1_000, None);
        check([10, 20, 20, U, U], 9_000_000, None);
        // Hanging, and hanging in the connect.
        check([10, 20, 20, 30, U], 1_000_030, Some((1_000_000, false)));
        check([10, 20, U, U, U], 1_000_020, Some((1_000_000, false)));
        // Never at a backend.
        check([10, U, U, U, U], 1_000, None);
        check([U, U, U, U, U], 0, None);
        // Steps that cannot be.
        check([9, 8, 7, 6, 5], 0, None);
        check([9, 8, 7, 6, 6], 0, Some((0, true)));
    }

    #[test]
    fn an_observer_measures_from_the_heads_end() {
        let timings = Timings {
            head_read_us: 40,
            sent_us: 50,
            first_byte_us: 250,
            ..Timings::NONE
        };
        let time = backend_time(&timings, 300, Source::Observer).expect("measured");
        assert_eq!(time.micros, 200);
    }
}
