//! Hashing for lookups on the request path, and hashes that every node computes alike.
//!
//! The maps that use [`FastHash`] are filled from configuration only; a client chooses what is
//! looked up, never what is stored, so it cannot make chains grow. Nothing here is fit for keys
//! that clients store.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, SocketAddr};

/// A map keyed by text or tuples of text, filled from configuration.
pub(crate) type FastMap<K, V> = HashMap<K, V, FastHash>;
/// A map keyed by one of the ids, which count up and so are spread by one multiplication.
pub(crate) type IdMap<K, V> = HashMap<K, V, IdHash>;

/// Makes hashers that are all alike: for maps whose keys come from configuration alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct FastHash;

impl BuildHasher for FastHash {
    type Hasher = FastHasher;

    fn build_hasher(&self) -> FastHasher {
        FastHasher(SEED)
    }
}

/// Folds eight bytes at a time by one widening multiplication.
#[derive(Clone, Copy, Debug)]
pub struct FastHasher(u64);

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        // Byte by byte: a copy of so few bytes would be a call.
        let last = rest
            .iter()
            .rev()
            .fold(0, |last, byte| (last << 8) | u64::from(*byte));
        // The length keeps "a" and "a\0" apart.
        self.write_u64(last ^ (bytes.len() as u64) << 56);
    }

    fn write_u8(&mut self, number: u8) {
        // `str` ends its bytes by 0xff, to keep tuples of them apart: the length did that above.
        self.0 = self.0.rotate_left(7) ^ u64::from(number);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = fold(self.0 ^ number, MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        fold(self.0, MULTIPLIER)
    }
}

/// Hashes ids by themselves: for maps keyed by one of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHash;

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher(0)
    }
}

/// Hashes an id by one multiplication: the map looks at the top bits, too.
#[derive(Clone, Copy, Debug)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(MULTIPLIER);
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number).wrapping_mul(MULTIPLIER);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The hash of a client's address for [`crate::Affinity::ClientIp`]: the same on every worker and
/// node and in every build. An IPv4 address counts as itself also when it came mapped into IPv6.
pub fn client_ip_hash(address: IpAddr) -> u64 {
    address_hash(address, CLIENT_KEY)
}

/// The hash of an endpoint's address under `key`: the same on every node and in every build.
pub(crate) fn endpoint_hash(address: SocketAddr, key: u64) -> u64 {
    mix(address_hash(address.ip(), key) ^ u64::from(address.port()))
}

/// The finalizer of splitmix64: each bit of the input changes half of the output's.
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn address_hash(address: IpAddr, key: u64) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => mix(key ^ u64::from(v4.to_bits())),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            mix(mix(!key ^ (bits >> 64) as u64) ^ bits as u64)
        }
    }
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

/// Any odd number with well-spread bits does: 2^64 over the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x2545_f491_4f6c_dd1d;
const CLIENT_KEY: u64 = 0xd1b5_4a32_d192_ed03;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn similar_texts_do_not_collide() {
        let hashes: HashSet<u64> = (0..100_000)
            .map(|n| FastHash.hash_one(format!("host-{n}.example.com")))
            .chain(["", "\0", "a", "a\0", "/a", "/a/"].map(|text| FastHash.hash_one(text)))
            .collect();
        assert_eq!(hashes.len(), 100_006);
    }

    #[test]
    fn hashes_for_stickiness_never_change_between_builds() {
        let v4: IpAddr = "192.0.2.7".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        assert_eq!(client_ip_hash(v4), client_ip_hash(mapped));
        assert_eq!(client_ip_hash(v4), EXPECTED.0);
        assert_eq!(client_ip_hash(v6), EXPECTED.1);
        assert_eq!(
            endpoint_hash("192.0.2.7:80".parse().unwrap(), 1),
            EXPECTED.2
        );
    }

    const EXPECTED: (u64, u64, u64) = (
        0x3444_951d_5381_2e25,
        0x2950_c734_5f11_4d59,
        0xba72_9011_db16_ce90,
    );
}
