//! The clocks of events. Wall time says when, `CLOCK_MONOTONIC` how long; both are read here and
//! nowhere else, so that events of all threads, and of the kernel, compare.

use rustix::time::{ClockId, clock_gettime};

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// `CLOCK_MONOTONIC`, nanoseconds: for durations and order.
    pub monotonic_ns: u64,
    /// Wall time, nanoseconds since 1970: for people and for other machines.
    pub wall_ns: u64,
}

/// This moment, on both clocks.
pub fn now() -> Now {
    Now {
        monotonic_ns: monotonic_ns(),
        wall_ns: read(ClockId::Realtime),
    }
}

/// This moment on `CLOCK_MONOTONIC`, nanoseconds.
pub fn monotonic_ns() -> u64 {
    read(ClockId::Monotonic)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock stands before its zero; a clock set before 1970 reads as 0.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let mut last = monotonic_ns();
        for _ in 0..10_000 {
            let next = monotonic_ns();
            assert!(next >= last);
            last = next;
        }
    }

    #[test]
    fn wall_time_is_of_this_century() {
        let year_2000_ns = 946_684_800_000_000_000;
        assert!(now().wall_ns > year_2000_ns);
    }
}
