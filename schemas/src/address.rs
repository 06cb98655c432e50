//! Socket addresses in a fixed number of bytes.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An IP address and port in 18 bytes; IPv4 is kept as an IPv4-mapped IPv6 address.
/// The default is `[::]:0`, "unknown".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Address {
    ip: [u8; 16],
    port: [u8; 2],
}

impl Address {
    /// Unknown: `[::]:0`.
    pub const UNKNOWN: Self = Self {
        ip: [0; 16],
        port: [0; 2],
    };

    /// Is there an address at all?
    pub fn is_known(&self) -> bool {
        *self != Self::UNKNOWN
    }

    /// The address as the standard library's type, IPv4 where it is one.
    pub fn socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port())
    }

    /// The IP address, IPv4 where it is one.
    pub fn ip(&self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(self.ip)).to_canonical()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        u16::from_be_bytes(self.port)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self {
            ip: ip.octets(),
            port: address.port().to_be_bytes(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket_addr().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `ip:port`, `[ip]:port` for IPv6, empty for unknown.
impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_known() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_str("")
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(Self::UNKNOWN);
        }
        let address: SocketAddr = text.parse().map_err(de::Error::custom)?;
        Ok(address.into())
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "`ip:port`, `[ip]:port` for IPv6, empty for unknown.",
            "type": "string",
        })
    }
}

/// Both ends of one TCP connection, seen from the side that opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub struct FourTuple {
    /// The end that opened the connection.
    pub source: Address,
    /// The end that accepted it.
    pub destination: Address,
}

impl FourTuple {
    /// Is at least one end known?
    pub fn is_known(&self) -> bool {
        self.source.is_known() || self.destination.is_known()
    }
}

/// `source->destination`: how events of one connection are joined across systems.
impl fmt::Display for FourTuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.source, self.destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    proptest! {
        #[test]
        fn addresses_come_back_as_they_went_in(
            v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), port in any::<u16>(),
        ) {
            for ip in [IpAddr::from(v4), IpAddr::from(v6).to_canonical()] {
                let address = SocketAddr::new(ip, port);
                prop_assert_eq!(Address::from(address).socket_addr(), address);
                let json = serde_json::to_string(&Address::from(address)).expect("a text");
                prop_assert_eq!(&json, &format!("\"{address}\""));
                let read: Address = serde_json::from_str(&json).expect("reads back");
                prop_assert_eq!(read.socket_addr(), address);
            }
        }
    }

    #[test]
    fn unknown_is_no_address() {
        assert!(!Address::default().is_known());
        assert_eq!(
            serde_json::to_string(&Address::UNKNOWN).expect("a text"),
            "\"\""
        );
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        assert!(Address::from(any).is_known(), "0.0.0.0 is not [::]");
        assert!(
            serde_json::from_str::<Address>("\"10.0.0.1\"").is_err(),
            "no port"
        );
    }

    #[test]
    fn a_connection_reads_as_one_key() {
        let tuple = FourTuple {
            source: SocketAddr::from(([10, 0, 0, 1], 41000)).into(),
            destination: SocketAddr::from(([10, 0, 0, 2], 80)).into(),
        };
        assert_eq!(tuple.to_string(), "10.0.0.1:41000->10.0.0.2:80");
    }
}
