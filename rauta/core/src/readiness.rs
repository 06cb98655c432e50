//! What still has to happen before traffic may come.
//!
//! Each part registers what it waits for under a name and drops the guard when it is done. RAUTA
//! is ready while no guard is held; one that has never been registered does not hold it up, so
//! register before starting the work. A drain registers again and is not ready any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The shared answer to "may traffic come?". Cheap to clone.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// How many guards are held under each name; a name without guards is not in it.
    pending: Arc<watch::Sender<BTreeMap<String, usize>>>,
}

impl Readiness {
    /// Nothing is waited for yet.
    pub fn new() -> Self {
        Self {
            pending: Arc::new(watch::Sender::new(BTreeMap::new())),
        }
    }

    /// RAUTA is not ready until the guard is dropped. Several guards may share a name.
    pub fn register(&self, name: &str) -> BlockReady {
        self.pending.send_modify(|pending| {
            *pending.entry(name.to_owned()).or_default() += 1;
        });
        BlockReady {
            readiness: self.clone(),
            name: name.to_owned(),
        }
    }

    /// May traffic come?
    pub fn is_ready(&self) -> bool {
        self.pending.borrow().is_empty()
    }

    /// The names still waited for, in alphabetical order.
    pub fn pending(&self) -> Vec<String> {
        self.pending.borrow().keys().cloned().collect()
    }

    /// Waits until nothing is waited for.
    pub async fn ready(&self) {
        let mut changes = self.pending.subscribe();
        // The sender lives in `self`, so the wait cannot end for another cause.
        let _ready = changes.wait_for(BTreeMap::is_empty).await;
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

/// Holds readiness up; dropping it says "done".
#[derive(Debug)]
#[must_use = "readiness is held up only while this lives"]
pub struct BlockReady {
    readiness: Readiness,
    name: String,
}

impl Drop for BlockReady {
    fn drop(&mut self) {
        self.readiness.pending.send_modify(|pending| {
            if let Some(count) = pending.get_mut(&self.name) {
                *count -= 1;
                if *count == 0 {
                    pending.remove(&self.name);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_guard_is_dropped() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let routing = readiness.register("routing");
        let listeners = [
            readiness.register("listeners"),
            readiness.register("listeners"),
        ];
        assert_eq!(readiness.pending(), ["listeners", "routing"]);
        drop(routing);
        let [first, second] = listeners;
        drop(first);
        assert_eq!(readiness.pending(), ["listeners"]);
        assert!(!readiness.is_ready());
        drop(second);
        assert!(readiness.is_ready());
        let _draining = readiness.register("draining");
        assert!(!readiness.is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_readiness_ends_with_the_last_guard() {
        let readiness = Readiness::new();
        let guard = readiness.register("routing");
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(guard);
        waiting.await.expect("the wait ends");
    }
}
