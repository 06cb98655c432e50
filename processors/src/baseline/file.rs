//! The state file: baselines by name, so that a restart inside an incident does not learn the
//! fault. Written whole beside the old one and renamed over it; read with suspicion, for a file
//! that is torn, foreign or too old must cost nothing but what it held.
//!
//! ```text
//! "RAUTA baselines 1\n" · saved at (wall, ns, 8 bytes) · count · entries · checksum (8 bytes)
//! entry = key · learnt over (ns) · young · old      texts and bytes: length first
//! ```
//! Numbers are variable-length: seven bits a byte, lowest first.

use super::Stored;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The file's first bytes; the number is the version of the format.
const MAGIC: &[u8] = b"RAUTA baselines 1\n";
/// A larger file is none of ours: 1,000,000 keys with full sketches stay below.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// Why a state file was not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It could not be read.
    #[error("baselines {path}: cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no whole file of this version.
    #[error("baselines {path}: torn, foreign or of another version, starting without")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// What it knows is too old.
    #[error("baselines {path}: {age_s} s old, more than {age_max_s} s, starting without")]
    Old {
        /// The file.
        path: PathBuf,
        /// Its age, seconds.
        age_s: u64,
        /// The age from which on it is not used, seconds.
        age_max_s: u64,
    },
}

/// Writes the state file: whole or not at all.
///
/// # Errors
/// What the file system answers; the old file stays as it was.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// Reads the state file; no file is an empty one.
///
/// # Errors
/// Where it cannot be used; the caller warns and starts without.
pub(crate) fn load(path: &Path, wall_ns: u64, age_max_ns: u64) -> Result<Vec<Stored>, LoadError> {
    let failed = |source| LoadError::Read {
        path: path.into(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let Some((saved_ns, stored)) = decode(&bytes) else {
        return Err(LoadError::Damaged { path: path.into() });
    };
    let age_ns = wall_ns.saturating_sub(saved_ns);
    if age_ns > age_max_ns {
        let (age_s, age_max_s) = (age_ns / 1_000_000_000, age_max_ns / 1_000_000_000);
        return Err(LoadError::Old {
            path: path.into(),
            age_s,
            age_max_s,
        });
    }
    Ok(stored)
}

/// The file's bytes.
pub(crate) fn encode(wall_ns: u64, stored: &[Stored]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(wall_ns.to_be_bytes());
    put_number(&mut bytes, stored.len() as u64);
    for entry in stored {
        put_bytes(&mut bytes, entry.key.as_bytes());
        put_number(&mut bytes, entry.learnt_ns);
        for generation in &entry.generations {
            put_bytes(&mut bytes, generation);
        }
    }
    let sum = checksum(&bytes);
    bytes.extend(sum.to_be_bytes());
    bytes
}

/// The wall time it was saved at and its entries; `None` where it is not a whole file of ours.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u64, Vec<Stored>)> {
    let (body, sum) = bytes.split_last_chunk::<8>()?;
    if checksum(body) != u64::from_be_bytes(*sum) {
        return None;
    }
    let (wall_ns, mut rest) = body.strip_prefix(MAGIC)?.split_first_chunk::<8>()?;
    let count = take_number(&mut rest)?;
    let mut stored = Vec::new();
    for _ in 0..count {
        stored.push(Stored {
            key: String::from_utf8(take_bytes(&mut rest)?.to_vec()).ok()?,
            learnt_ns: take_number(&mut rest)?,
            generations: [
                take_bytes(&mut rest)?.to_vec(),
                take_bytes(&mut rest)?.to_vec(),
            ],
        });
    }
    rest.is_empty()
        .then_some((u64::from_be_bytes(*wall_ns), stored))
}

/// Appends a number, seven bits a byte, lowest first.
pub(crate) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front; `None` where there is none that fits 64 bits.
pub(crate) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn put_bytes(bytes: &mut Vec<u8>, text: &[u8]) {
    put_number(bytes, text.len() as u64);
    bytes.extend(text);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_number(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

/// FNV-1a, 64 bits: against torn writes, not against forgers.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_NS: u64 = 86_400_000_000_000;

    fn entries() -> Vec<Stored> {
        (0..3u8)
            .map(|n| Stored {
                key: format!("slow_response/HTTPRoute/shop/cart/{n}/GET"),
                learnt_ns: u64::MAX - u64::from(n),
                generations: [vec![n; 40], Vec::new()],
            })
            .collect()
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("baselines");
        assert_eq!(load(&path, 0, DAY_NS).expect("no file is an empty one"), []);
        for wall_ns in [DAY_NS, 2 * DAY_NS] {
            save(&path, &encode(wall_ns, &entries())).expect("saved");
        }
        assert_eq!(load(&path, 3 * DAY_NS, DAY_NS).expect("loaded"), entries());
        let error = load(&path, 3 * DAY_NS + 1, DAY_NS).expect_err("too old");
        assert!(
            error
                .to_string()
                .ends_with("86400 s old, more than 86400 s, starting without")
        );
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused() {
        let bytes = encode(7, &entries());
        assert_eq!(decode(&bytes), Some((7, entries())));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]), None, "cut at {len}");
        }
    }

    #[test]
    fn a_file_with_one_changed_byte_is_refused() {
        let bytes = encode(7, &entries());
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x20;
            assert_eq!(decode(&changed), None, "changed at {place}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            is_sealed in any::<bool>(),
        ) {
            let mut file = bytes;
            if is_sealed {
                // The right frame around hostile content.
                file = [MAGIC, &file].concat();
                let sum = checksum(&file);
                file.extend(sum.to_be_bytes());
            }
            let _ = decode(&file);
        }

        #[test]
        fn numbers_survive(number in any::<u64>()) {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            prop_assert_eq!(take_number(&mut bytes.as_slice()), Some(number));
        }
    }
}
