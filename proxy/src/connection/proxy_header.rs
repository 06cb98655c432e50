//! The PROXY protocol, versions 1 and 2: a load balancer in front tells who its client is. Only
//! peers that are trusted are asked for it, and then it must come. Exactly the header's bytes are
//! read, so that whatever follows, TLS or HTTP, finds the socket as if nothing had been there.

use rauta_schemas::FourTuple;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How version 2 starts.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;

/// The longest block of version 2 that is taken: addresses and some hundred bytes of extensions.
const BLOCK_BYTES_MAX: usize = 2048;

/// Reads the header; `None` where it names no client (the load balancer's own checks).
///
/// # Errors
/// What is no header, or the connection's.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<FourTuple>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return read_binary(stream).await;
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\n") {
        if line.len() == LINE_BYTES_MAX || !line.starts_with(b"PROXY ") {
            return Err(malformed());
        }
        line.push(stream.read_u8().await?);
    }
    parse_line(&line).ok_or_else(malformed)
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<FourTuple>> {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).await?;
    let [command, family, high, low] = prefix;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > BLOCK_BYTES_MAX {
        return Err(malformed());
    }
    let mut block = vec![0; length];
    stream.read_exact(&mut block).await?;
    parse_block(command, family, &block).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the PROXY protocol's header is malformed",
    )
}

/// `PROXY TCP4|TCP6 source destination sourceport destinationport`, or `PROXY UNKNOWN …`.
fn parse_line(line: &[u8]) -> Option<Option<FourTuple>> {
    let line = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let address = |word: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address(words.next()?)?, address(words.next()?)?);
    let ports = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    if words.next().is_some() {
        return None;
    }
    Some(Some(FourTuple {
        source: SocketAddr::new(source, ports.0).into(),
        destination: SocketAddr::new(destination, ports.1).into(),
    }))
}

/// The block behind version 2's signature: addresses, then extensions that are not looked at.
fn parse_block(command: u8, family: u8, block: &[u8]) -> Option<Option<FourTuple>> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    match (command, family) {
        (PROXY, TCP_OVER_IPV4) => {
            let (addresses, ports) = block.get(..12)?.split_at(8);
            let ip = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
            tuple(ip(&addresses[..4])?, ip(&addresses[4..])?, ports).map(Some)
        }
        (PROXY, TCP_OVER_IPV6) => {
            let (addresses, ports) = block.get(..36)?.split_at(32);
            let ip = |bytes: &[u8]| <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
            tuple(ip(&addresses[..16])?, ip(&addresses[16..])?, ports).map(Some)
        }
        // Anything else that is proxied has no address that could be told.
        (LOCAL | PROXY, _) => Some(None),
        _ => None,
    }
}

fn tuple(source: IpAddr, destination: IpAddr, ports: &[u8]) -> Option<FourTuple> {
    let port = |at: usize| Some(u16::from_be_bytes([*ports.get(at)?, *ports.get(at + 1)?]));
    Some(FourTuple {
        source: SocketAddr::new(source, port(0)?).into(),
        destination: SocketAddr::new(destination, port(2)?).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client that `bytes` name, and what is left behind the header.
    async fn check(bytes: &[u8]) -> (io::Result<Option<String>>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        let client = read.map(|tuple| tuple.map(|tuple| tuple.source.to_string()));
        (client, rest.len())
    }

    #[tokio::test]
    async fn headers_of_both_versions_name_the_client_and_end_exactly() {
        let v4 = [
            &SIGNATURE[..],
            b"\x21\x11\x00\x0f\x01\x02\x03\x04\x05\x06\x07\x08\x10\x00\x00\x50ext",
        ];
        let mut v6 = [&SIGNATURE[..], b"\x21\x21\x00\x24"].concat();
        v6.extend([[0x20; 16], [0x30; 16]].concat());
        v6.extend(b"\x10\x00\x00\x50");
        let cases = [
            (
                b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\r\n".to_vec(),
                Some("1.2.3.4:4096"),
            ),
            (
                b"PROXY TCP6 ::1 ::2 4096 80\r\n".to_vec(),
                Some("[::1]:4096"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ::1 ::2 1 2\r\n".to_vec(), None),
            (v4.concat(), Some("1.2.3.4:4096")),
            (v6, Some("[2020:2020:2020:2020:2020:2020:2020:2020]:4096")),
            ([&SIGNATURE[..], b"\x20\x00\x00\x00"].concat(), None),
            ([&SIGNATURE[..], b"\x21\x00\x00\x01x"].concat(), None),
        ];
        for (header, client) in cases {
            let (read, left) = check(&[&header[..], b"GET /"].concat()).await;
            assert_eq!(read.unwrap().as_deref(), client, "{header:?}");
            assert_eq!(left, 5, "{header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
        let cases: [&[u8]; 12] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 4096\r\n",
            b"PROXY TCP4 ::1 ::2 4096 80\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 80 x\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 80\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 4096 80\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 4096 80\r\n",
            long.as_bytes(),
            b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x00",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04abcd",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            b"PROXY",
        ];
        for bytes in cases {
            assert!(check(bytes).await.0.is_err(), "{bytes:?}");
        }
    }
}
