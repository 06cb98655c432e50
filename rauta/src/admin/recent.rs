//! The last anomalies, and each new one for those who listen.

use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast;

/// How many are kept.
const KEPT: usize = 256;

/// A ring of documents with live listeners.
#[derive(Debug)]
pub(crate) struct Recent {
    ring: Mutex<VecDeque<Arc<Value>>>,
    live: broadcast::Sender<Arc<Value>>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            live: broadcast::channel(KEPT).0,
        }
    }
}

impl Recent {
    /// Keeps a document and shows it to listeners; the oldest makes room.
    pub(crate) fn push(&self, document: Value) {
        let document = Arc::new(document);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(Arc::clone(&document));
        // Nobody listening is no failure.
        drop(self.live.send(document));
    }

    /// What is kept, oldest first, and everything after it: nothing is missed in between.
    pub(crate) fn subscribe(&self) -> (Vec<Arc<Value>>, broadcast::Receiver<Arc<Value>>) {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        (ring.iter().cloned().collect(), self.live.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_and_listeners_see_what_comes_after() {
        let recent = Recent::default();
        for number in 0..KEPT + 2 {
            recent.push(number.into());
        }
        let (kept, mut live) = recent.subscribe();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(*kept[0], Value::from(2));
        recent.push("new".into());
        assert_eq!(*live.try_recv().expect("one new"), Value::from("new"));
        assert!(live.try_recv().is_err());
    }
}
