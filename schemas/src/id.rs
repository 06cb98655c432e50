//! Ids: what an event carries instead of a name.

use crate::textual::serde_as_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

// As a text: a number of 64 bits would lose its last ones in readers that know doubles only.
serde_as_text!(
    ConnectionId,
    "One downstream connection of this process: 16 hexadecimal digits.",
    "^[0-9a-f]{16}$"
);
serde_as_text!(
    ExchangeId,
    "One exchange: its connection, then the request's place on it, from 1.",
    "^[0-9a-f]{16}-[0-9]+$"
);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connection, self.ordinal)
    }
}

/// A text is not the id of a connection or an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdError;

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("id is not of the form 0001000000000007 or 0001000000000007-1")
    }
}

impl std::error::Error for IdError {}

impl FromStr for ConnectionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // Checked by hand, because the conversion would take a sign.
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(IdError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError)
    }
}

impl FromStr for ExchangeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (connection, ordinal) = text.split_once('-').ok_or(IdError)?;
        if !ordinal.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IdError);
        }
        Ok(Self {
            connection: connection.parse()?,
            ordinal: ordinal.parse().map_err(|_| IdError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_read_back(thread in any::<u16>(), count in 0..1_u64 << 48, ordinal in any::<u32>()) {
            let connection = ConnectionId::new(thread, count);
            let exchange = ExchangeId { connection, ordinal };
            prop_assert_eq!(connection.thread(), thread);
            prop_assert_eq!(exchange.to_string().parse(), Ok(exchange));
        }

        #[test]
        fn no_text_makes_a_panic(text in "[-+0-9a-fx]{0,30}|.*") {
            let _parsed = (text.parse::<ConnectionId>(), text.parse::<ExchangeId>());
        }
    }

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
        assert!(
            (9_500..10_500).contains(&tenth),
            "{tenth} of 100,000 at a tenth"
        );
    }
}
