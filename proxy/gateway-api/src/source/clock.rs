//! The one place where this room reads the clocks.

use std::time::{Duration, Instant, SystemTime};

/// One moment on both clocks: the monotonic one measures waits, the wall clock dates objects and
/// is what files are stamped with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) monotonic: Instant,
    pub(super) wall: SystemTime,
}

impl Moment {
    /// This moment.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread without a runtime reads files; all else takes the moment as an argument"
    )]
    pub(super) fn now() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// How long it is until `later`; zero if that has passed.
    pub(super) fn until(self, later: Instant) -> Duration {
        later.saturating_duration_since(self.monotonic)
    }
}
