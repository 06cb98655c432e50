//! Ids: what an event carries instead of a name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize, JsonSchema,
        )]
        pub struct $name(u32);

        impl $name {
            /// Nothing was chosen, or nothing is known.
            pub const NONE: Self = Self(0);

            /// Is this a real id?
            pub const fn is_some(self) -> bool {
                self.0 != 0
            }

            /// The number behind the id, for indexing and hashing.
            pub const fn number(self) -> u32 {
                self.0
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                Self(number)
            }
        }
    };
}

name_id! {
    /// A listener of a Gateway; resolves to a [`crate::ListenerName`].
    ListenerId
}
name_id! {
    /// A rule of a route; resolves to a [`crate::RuleName`].
    RuleId
}
name_id! {
    /// A backend (a Service and port); resolves to a [`crate::BackendName`].
    BackendId
}
name_id! {
    /// An endpoint of a backend; resolves to a [`crate::EndpointName`].
    EndpointId
}

/// One downstream connection, unique in this process: the producing thread in the top 16 bits,
/// a counter of that thread below.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The `count`-th connection of producing thread `thread`.
    pub const fn new(thread: u16, count: u64) -> Self {
        Self(((thread as u64) << 48) | (count & 0xffff_ffff_ffff))
    }

    /// The number behind the id.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The producing thread's number.
    pub const fn thread(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// What joins a request's event with its response's: the connection and the request's ordinal on
/// it, counted from 1 (HTTP/2: in the order of the streams' heads).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct ExchangeId {
    /// The downstream connection.
    pub connection: ConnectionId,
    /// The request's place on the connection, from 1.
    pub ordinal: u32,
}

impl ExchangeId {
    /// Does a sample of `per_million` exchanges hold this one? The same answer for everyone who
    /// asks, so that whoever adds details and whoever writes them choose the same exchanges.
    pub const fn is_sampled(self, per_million: u32) -> bool {
        // The finaliser of SplitMix64: neighbouring ids land far apart.
        let mut bits = self.connection.0 ^ (self.ordinal as u64).rotate_left(32);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        bits % 1_000_000 < per_million as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_holds_its_share_of_the_exchanges() {
        let exchanges = |share| {
            (0..100_000u32)
                .map(|n| ExchangeId {
                    connection: ConnectionId::new(1, u64::from(n / 10)),
                    ordinal: n % 10 + 1,
                })
                .filter(|exchange| exchange.is_sampled(share))
                .count()
        };
        assert_eq!(exchanges(0), 0);
        assert_eq!(exchanges(1_000_000), 100_000);
        let tenth = exchanges(100_000);
        assert!((9_500..10_500).contains(&tenth), "{tenth} of 100,000 at a tenth");
    }
}
