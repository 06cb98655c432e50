//! Unused HTTP/1 connections of one worker. The one used last is taken first, so that the others
//! grow old and are closed; one that has anything to read is never used again.

use super::Http1;
use crate::config::Limits;
use crate::worker::Worker;
use rauta_routing::{Backend, Endpoint, FastHash};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// Connections with equal keys may carry each other's requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The endpoint.
    address: SocketAddr,
    /// The hash of the TLS settings; `None`: plain.
    tls: Option<u64>,
}

impl Key {
    /// The key of connections to an endpoint of a backend.
    pub(crate) fn new(backend: &Backend, endpoint: &Endpoint) -> Self {
        Self {
            address: endpoint.address,
            tls: backend.tls.as_ref().map(|tls| tls.hash),
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => {
                let bits = ip.to_bits();
                (bits >> 64) as u64 ^ bits as u64
            }
        };
        state.write_u64(ip);
        state.write_u64(u64::from(self.address.port()) ^ self.tls.unwrap_or(0));
    }
}

struct Unused {
    connection: Box<Http1>,
    since_ms: u64,
}

/// Ticks between two searches for connections that are old or dead.
const TICKS_PER_SWEEP: u32 = 10;

/// The unused connections of one worker, by endpoint.
#[derive(Default)]
pub(crate) struct Pool {
    unused: RefCell<HashMap<Key, Vec<Unused>, FastHash>>,
    ticks: Cell<u32>,
}

impl Pool {
    /// The connection used last that is still sound.
    pub(crate) fn take(&self, key: &Key) -> Option<Box<Http1>> {
        let mut unused = self.unused.borrow_mut();
        let stack = unused.get_mut(key)?;
        while let Some(Unused { mut connection, .. }) = stack.pop() {
            if !connection.has_news() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for later, or closes it where enough are kept or the worker stops.
    pub(crate) fn put(&self, mut connection: Box<Http1>, worker: &Worker) {
        if worker.is_draining() {
            return;
        }
        connection.rest(worker);
        let since_ms = worker.now_ms();
        let mut unused = self.unused.borrow_mut();
        match unused.get_mut(connection.key()) {
            Some(stack) => {
                if stack.len() < worker.config.limits.upstream_idle_per_endpoint {
                    stack.push(Unused {
                        connection,
                        since_ms,
                    });
                }
            }
            None => {
                unused.insert(
                    connection.key().clone(),
                    vec![Unused {
                        connection,
                        since_ms,
                    }],
                );
            }
        }
    }

    /// Closes all that are kept for an address.
    pub(crate) fn forget(&self, address: SocketAddr) {
        self.unused
            .borrow_mut()
            .retain(|key, _| key.address != address);
    }

    /// Now and then, closes what is old or has been closed by the backend.
    pub(crate) fn tick(&self, now_ms: u64, limits: &Limits) {
        self.ticks.set(self.ticks.get() + 1);
        if self.ticks.get() < TICKS_PER_SWEEP {
            return;
        }
        self.ticks.set(0);
        let idle_ms = u64::try_from(limits.upstream_idle.as_millis()).unwrap_or(u64::MAX);
        self.unused.borrow_mut().retain(|_, stack| {
            stack.retain_mut(|unused| {
                now_ms.saturating_sub(unused.since_ms) < idle_ms && !unused.connection.has_news()
            });
            !stack.is_empty()
        });
    }
}
