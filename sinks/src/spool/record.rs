//! One anomaly as bytes, and what of damaged bytes is whole. Pure.
//!
//! ```text
//! mark 4 | payload's length 4 | position 8 | sum of these 4 | sum of the payload 4 | payload
//! ```
//!
//! Numbers are little-endian. The payload is MessagePack with named maps. The head has a checksum
//! of its own, so that behind a damaged record the next one is found by looking for a head.

use super::Spooled;
use rauta_schemas::{Emission, ObserverEvent};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// What a file begins with: the form of what follows.
pub(super) const FILE_MARK: [u8; 8] = *b"RAUTASP1";
const MARK: [u8; 4] = *b"\xf5rec";
const HEAD: usize = 24;

#[derive(Serialize)]
struct Written<'a> {
    emission: &'a Emission,
    event: &'a ObserverEvent,
}

#[derive(Deserialize)]
struct Read {
    emission: Emission,
    event: ObserverEvent,
}

/// Appends an anomaly to `bytes`.
pub(super) fn encode(spooled: &Spooled, bytes: &mut Vec<u8>) {
    let payload = rmp_serde::to_vec_named(&Written {
        emission: &spooled.emission,
        event: &spooled.event,
    })
    .expect("anomalies are maps with text keys, written to memory");
    let length = u32::try_from(payload.len()).expect("an anomaly is far smaller than 4 GiB");
    let head = bytes.len();
    bytes.extend(MARK);
    bytes.extend(length.to_le_bytes());
    bytes.extend(spooled.position.to_le_bytes());
    let sum = crc32fast::hash(&bytes[head..]);
    bytes.extend(sum.to_le_bytes());
    bytes.extend(crc32fast::hash(&payload).to_le_bytes());
    bytes.extend(payload);
}

/// A record whose checksums are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) position: u64,
    pub(super) payload: Range<usize>,
}

impl Found {
    /// The anomaly; `None` where a program that wrote another form wrote it.
    pub(super) fn decode(&self, file: &[u8]) -> Option<Spooled> {
        let read: Read = rmp_serde::from_slice(file.get(self.payload.clone())?).ok()?;
        Some(Spooled {
            position: self.position,
            emission: read.emission,
            event: Arc::new(read.event),
        })
    }
}

/// All whole records of a file, in order; what is damaged is left out.
pub(super) fn scan(file: &[u8]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    if !file.starts_with(&FILE_MARK) {
        return found;
    }
    let mut at = FILE_MARK.len();
    while at + HEAD <= file.len() {
        let Some(head) = head(file, at) else {
            // Damaged, or the middle of a record: the next head is somewhere behind.
            at += 1;
            continue;
        };
        let is_next = found
            .last()
            .is_none_or(|last| last.position < head.position);
        let is_whole = file
            .get(head.payload.clone())
            .is_some_and(|payload| crc32fast::hash(payload) == head.sum);
        if is_whole && is_next {
            at = head.payload.end;
            found.push(Found {
                position: head.position,
                payload: head.payload,
            });
        } else {
            at += MARK.len();
        }
    }
    found
}

struct Head {
    position: u64,
    payload: Range<usize>,
    sum: u32,
}

fn head(file: &[u8], at: usize) -> Option<Head> {
    let head: &[u8; HEAD] = file.get(at..)?.first_chunk()?;
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let is_head = head.starts_with(&MARK) && crc32fast::hash(&head[..16]) == u32_at(16);
    let position = head[8..16].first_chunk().copied().map(u64::from_le_bytes)?;
    let start = at + HEAD;
    is_head.then(|| Head {
        position,
        payload: start..start.saturating_add(u32_at(4) as usize),
        sum: u32_at(20),
    })
}
