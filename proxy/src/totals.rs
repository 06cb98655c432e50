//! The handful of counters that scrapes read directly: exact, whatever the bus drops. Each worker
//! owns a block of them and is its only writer, so counting is a plain load and store on a cache
//! line that no other core writes.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter or gauge with one writer.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds `by`. Only the owning worker calls this.
    pub(crate) fn add(&self, by: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(by),
            Ordering::Relaxed,
        );
    }

    /// Takes away one. Only the owning worker calls this.
    pub(crate) fn decrease(&self) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_sub(1),
            Ordering::Relaxed,
        );
    }

    /// Reads it, from any thread.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! totals {
    ($($(#[$doc:meta])* $field:ident,)+) => {
        /// One worker's counters, on cache lines of their own.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct WorkerTotals {
            $($(#[$doc])* pub(crate) $field: Count,)+
            /// Answers by the status' first digit; 0: none was sent.
            pub(crate) by_class: [Count; 6],
        }

        /// The sums over all workers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $field: u64,)+
            /// Answers by the status' first digit; 0: none was sent (a client that left).
            pub by_class: [u64; 6],
        }

        impl Totals {
            /// Adds one worker's counters.
            pub(crate) fn add(&mut self, worker: &WorkerTotals) {
                $(self.$field = self.$field.wrapping_add(worker.$field.get());)+
                for (sum, class) in self.by_class.iter_mut().zip(&worker.by_class) {
                    *sum = sum.wrapping_add(class.get());
                }
            }
        }
    };
}

totals! {
    /// Client connections accepted.
    accepted,
    /// Client connections open now.
    open,
    /// Requests in flight now.
    in_flight,
    /// Requests whose head was complete, or that were answered without.
    requests,
    /// Requests whose exchange is over.
    responses,
    /// Bytes of request bodies received.
    request_bytes,
    /// Bytes of response bodies sent.
    response_bytes,
    /// Connections closed at once because a cap was reached.
    refused_connections,
    /// Requests answered 503 because a cap was reached.
    refused_requests,
    /// TLS handshakes with clients that came to their end.
    handshakes,
    /// TLS handshakes with clients that failed or took too long.
    handshakes_failed,
    /// Connections that ended inside a head.
    heads_cut,
    /// Times that accepting paused because the process had no file descriptor left.
    accept_pauses,
    /// Connections made to endpoints.
    upstream_connected,
    /// Requests that were sent on a connection used before.
    upstream_reused,
    /// Attempts at making a connection that failed.
    upstream_connect_failed,
    /// Requests that were tried again.
    retries,
    /// Retries that the budget forbade.
    retries_denied,
    /// Copies of requests sent to mirrors.
    mirrored,
    /// Copies left out because too many were in flight or the body was too large.
    mirrors_dropped,
    /// Upgraded connections open now.
    tunnels,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_run_over_workers() {
        let (first, second) = (WorkerTotals::default(), WorkerTotals::default());
        first.requests.add(2);
        second.requests.add(3);
        second.open.add(1);
        second.open.decrease();
        first.by_class[2].add(5);
        let mut totals = Totals::default();
        totals.add(&first);
        totals.add(&second);
        assert_eq!(
            (totals.requests, totals.open, totals.by_class[2]),
            (5, 0, 5)
        );
    }
}
