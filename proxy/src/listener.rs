//! Sockets of bound addresses, made on the control side: one for each worker, all sharing the
//! address (`SO_REUSEPORT`), so that the kernel spreads connections over the workers. An address
//! that another process holds is an error, not a silent share.

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

/// Connections that wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// Binds `address` once for each of `count` workers. With port 0 all get the port that the first
/// was given. A client that acknowledges nothing for the time of `vanished` is gone.
pub(crate) fn bind(
    address: SocketAddr,
    count: usize,
    vanished: Duration,
) -> io::Result<Vec<TcpListener>> {
    // Sockets that share an address may do so with another process of the same user. One that
    // does not share fails while anyone listens there, so it is tried first.
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    drop(probe);
    let mut address = address;
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        notice_vanished(&socket, vanished)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        address = listener.local_addr()?;
        sockets.push(listener);
    }
    Ok(sockets)
}

/// Takes no new handshake from now on: a client that begins one hears nothing and tries again,
/// and by then is refused, or meets another socket of the address. Handshakes that have begun end
/// as usual. Closing a socket without this resets clients whose handshake ends at that moment.
pub(crate) fn refuse_new(listener: &impl AsFd) -> io::Result<()> {
    // Classic BPF over the TCP header: of the flags (byte 13) SYN without ACK is dropped.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    const SYN_ACK: u32 = 0x12;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, SYN_ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// Has the kernel end connections whose peer has vanished without a word. Accepted sockets take
/// this over from the one that listens, so that it costs a connection nothing.
fn notice_vanished(socket: &Socket, after: Duration) -> io::Result<()> {
    // Half of the time in silence, the rest for probes.
    let probes = TcpKeepalive::new()
        .with_time(after / 2)
        .with_interval(after / 6);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(after))
}

/// May the address come later than the listener? A virtual one does that moves between machines, or
/// one whose interface is not up yet. Loopback is there or never will be.
fn is_freely_bound(ip: IpAddr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified()
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // `[::]` must not take IPv4 along: a listener there has an address of its own.
        socket.set_only_v6(true)?;
    }
    if is_freely_bound(address.ip()) {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    // Connections of a process that has just ended must not keep the next one from starting.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn every_worker_gets_a_socket_of_the_same_address() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 3, MINUTE).unwrap();
        let addresses: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap()).collect();
        assert_eq!(addresses.len(), 3);
        assert!(addresses.iter().all(|address| *address == addresses[0]));
    }

    #[test]
    fn an_address_that_is_not_there_yet_is_bound_and_one_of_loopback_must_be() {
        // Addresses for documentation: no machine has them.
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let sockets = bind(address, 2, MINUTE).unwrap();
            assert_eq!(sockets[1].local_addr().unwrap().ip(), address.ip());
        }
        // `::1` may be missing where IPv6 is off, and then nobody could ever reach it.
        let loopback: SocketAddr = "[::1]:0".parse().unwrap();
        assert!(!is_freely_bound(loopback.ip()));
        assert!(!is_freely_bound("127.0.10.1".parse().unwrap()));
        assert!(!is_freely_bound("::".parse().unwrap()));
    }

    #[test]
    fn accepted_connections_end_when_their_peer_vanishes() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 1, MINUTE).unwrap();
        let _client = std::net::TcpStream::connect(sockets[0].local_addr().unwrap()).unwrap();
        // The listener does not block, and the connection is complete.
        let (accepted, _) = sockets[0].accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), Some(MINUTE));
        assert!(accepted.keepalive().unwrap());
        let probing = accepted.tcp_keepalive_time().unwrap();
        assert!(probing < MINUTE, "{probing:?}");
    }

    #[test]
    fn an_address_that_is_taken_is_an_error_even_where_its_holder_would_share() {
        let held = bind("127.0.0.1:0".parse().unwrap(), 1, MINUTE).unwrap();
        let error = bind(held[0].local_addr().unwrap(), 1, MINUTE).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
