//! What a stream holds, read by a client of the test's own, straight from the server.

use anyhow::Context;
use async_nats::{ConnectOptions, jetstream};
use rauta_schemas::{Emission, Occurrence};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::timeout;

/// Nothing here takes this long while the server is there.
const PATIENCE: Duration = Duration::from_secs(3);

/// A message of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) headers: async_nats::HeaderMap,
    pub(crate) occurrence: Occurrence,
    pub(crate) emission: Emission,
}

/// All messages so far.
pub(crate) struct Stream {
    url: String,
    name: &'static str,
    options: ConnectOptions,
    read: u64,
    pub(crate) stored: Vec<Stored>,
}

impl Stream {
    pub(crate) fn new(url: String, name: &'static str) -> Self {
        Self::with(ConnectOptions::new(), url, name)
    }

    /// The same for a server that not everybody may connect to.
    pub(crate) fn with(options: ConnectOptions, url: String, name: &'static str) -> Self {
        Self {
            url,
            name,
            options,
            read: 0,
            stored: Vec::new(),
        }
    }

    /// Reads what has come since the last call.
    pub(crate) async fn read(&mut self) -> anyhow::Result<()> {
        let client = timeout(PATIENCE, self.options.clone().connect(&self.url)).await??;
        let context = jetstream::new(client);
        let stream = timeout(PATIENCE, context.get_stream(self.name)).await??;
        let last = stream.cached_info().state.last_sequence;
        while self.read < last {
            let message = timeout(PATIENCE, stream.get_raw_message(self.read + 1)).await??;
            self.read += 1;
            let header = |name: &str| message.headers.get(name).map(ToString::to_string);
            let occurrence: Occurrence = match header("content-type").as_deref() {
                Some("application/msgpack") => rmp_serde::from_slice(&message.payload)?,
                _ => serde_json::from_slice(&message.payload)?,
            };
            self.stored.push(Stored {
                subject: message.subject.to_string(),
                id: header("Nats-Msg-Id").context("an id")?,
                emission: occurrence.data.emission.clone().context("its place")?,
                headers: message.headers.clone(),
                occurrence,
            });
        }
        Ok(())
    }

    /// Messages that stand there a second time.
    pub(crate) fn duplicates(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let stored = self.stored.iter();
        stored
            .map(|s| s.id.as_str())
            .filter(|id| !seen.insert(*id))
            .collect()
    }

    /// The numbers under this boot id, in order.
    pub(crate) fn sequences(&self, boot_id: &str) -> Vec<u64> {
        let of_boot = self.stored.iter().filter(|s| s.emission.boot_id == boot_id);
        let mut sequences: Vec<u64> = of_boot.map(|s| s.emission.sequence).collect();
        sequences.sort_unstable();
        sequences
    }

    /// The boot ids, each once.
    pub(crate) fn boots(&self) -> HashSet<&str> {
        let boots = self.stored.iter().map(|s| s.emission.boot_id.as_str());
        boots.collect()
    }
}
