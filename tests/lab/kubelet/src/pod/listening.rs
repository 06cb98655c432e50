//! Whether a program listens on the ports that its container declares, read from the kernel: a
//! connection to try it could disturb the program.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::ContainerPort;
use tokio::time::{Instant, interval};

/// How long a container without a readiness probe is waited for. Then it counts as ready: some
/// declare ports that they never open.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// A transport and a port.
type Port = (&'static str, u16);

/// Answers when the program of process `pid` listens on all `ports`, or the wait is over.
pub(super) async fn wait(pid: u32, ports: &[ContainerPort]) {
    let wanted: BTreeSet<Port> = ports.iter().filter_map(port).collect();
    let end = Instant::now() + WAIT_MAX;
    let mut looks = interval(LOOK);
    while !wanted.is_empty() && Instant::now() < end {
        looks.tick().await;
        let open = open_ports(pid).await;
        if wanted.is_subset(&open) {
            return;
        }
    }
}

fn port(declared: &ContainerPort) -> Option<Port> {
    let number = u16::try_from(declared.container_port).ok()?;
    match declared.protocol.as_deref() {
        None | Some("TCP") => Some(("tcp", number)),
        Some("UDP") => Some(("udp", number)),
        Some(_) => None,
    }
}

async fn open_ports(pid: u32) -> BTreeSet<Port> {
    let mut open = BTreeSet::new();
    for (file, transport) in [
        ("tcp", "tcp"),
        ("tcp6", "tcp"),
        ("udp", "udp"),
        ("udp6", "udp"),
    ] {
        let path = format!("/proc/{pid}/net/{file}");
        let table = tokio::fs::read_to_string(path).await.unwrap_or_default();
        open.extend(bound(&table, transport).map(|number| (transport, number)));
    }
    open
}

/// The ports of a table such as `/proc/net/tcp` on which somebody waits.
fn bound(table: &str, transport: &str) -> impl Iterator<Item = u16> {
    // TCP_LISTEN; a UDP socket that waits for anybody is in TCP_CLOSE.
    let state = if transport == "tcp" { "0A" } else { "07" };
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (local, _, there) = (fields.next()?, fields.next()?, fields.next()?);
        let (_, port) = local.rsplit_once(':')?;
        (there == state).then(|| u16::from_str_radix(port, 16).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_found_and_connections_are_not() {
        let table = "  sl  local_address rem_address   st\n   \
                     0: 00000000:0BB8 00000000:0000 0A 0 0\n   \
                     1: 0100007F:1F90 0100007F:C350 01 0 0\n";
        assert_eq!(bound(table, "tcp").collect::<Vec<_>>(), [3000]);
        let table = "  sl\n 7: 00000000:1F90 00000000:0000 07 0\n";
        assert_eq!(bound(table, "udp").collect::<Vec<_>>(), [8080]);
    }
}
