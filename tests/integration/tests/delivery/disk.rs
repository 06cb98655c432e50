//! The spool's own disk fills up while NATS is away.

use crate::stage::{Stage, endpoint};
use crate::stream::Stream;
use crate::{figure, fired, injected, reaches};
use rauta_integration::{Disk, NatsServer, get};
use rauta_schemas::Phase;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Faults before the disk is full, while it is, and once it has room again.
const FAULTS: [std::ops::Range<usize>; 3] = [0..2, 2..14, 14..16];

const MEMORY_ONLY: &str = "rauta_spool_memory_only";
const EMITTED: &str = "rauta_spool_emitted_total";

async fn all_written(admin: SocketAddr) {
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let written = timeout(crate::PATIENCE, async {
        while figure(admin, MEMORY_ONLY) != Some(0.0) {
            ticks.tick().await;
        }
    });
    written.await.expect("what only memory had is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_whose_disk_is_full_keeps_on_in_memory_and_loses_nothing() {
    let mut nats = NatsServer::start("").expect("a NATS server");
    nats.kill();
    let [before, full, after] = FAULTS;
    let stage = Stage::with(after.end).await;
    let disk = Disk::mount(stage.spool(), 1).expect("a disk");
    let variables = [("RAUTA_NATS_STREAM_CREATE", "true")];
    let mut rauta = stage.rauta_on(&disk, &nats.url(), &variables);
    for fault in before.clone() {
        injected(&stage, fault).await;
    }
    reaches(rauta.admin(), EMITTED, before.end as f64).await;
    all_written(rauta.admin()).await;

    disk.fill().expect("filled");
    for fault in full.clone() {
        injected(&stage, fault).await;
        let works = get(stage.gateway(), "a.test", "/works").expect("answers");
        assert_eq!(works.status, 200);
    }
    // Each fault is found, disk or not.
    reaches(rauta.admin(), EMITTED, full.end as f64).await;
    reaches(rauta.admin(), "rauta_spool_write_failures_total", 2.0).await;
    assert!(figure(rauta.admin(), MEMORY_ONLY).is_some_and(|count| count > 0.0));
    let told = rauta
        .wait_for_text("the spool cannot be written")
        .expect("told");
    assert!(told.contains("No space left"), "{told}");

    disk.free().expect("freed");
    all_written(rauta.admin()).await;
    rauta
        .wait_for_text("the spool's disk is back")
        .expect("told");
    for fault in after.clone() {
        injected(&stage, fault).await;
    }
    reaches(rauta.admin(), EMITTED, after.end as f64).await;
    all_written(rauta.admin()).await;
    rauta.kill();
    rauta.wait().expect("ends");

    let _rauta = stage.rauta_on(&disk, &nats.url(), &variables);
    nats.restart().expect("starts again");
    let mut stream = Stream::new(nats.url(), "RAUTA");
    let stored = fired(&mut stream, after.end).await;
    for fault in 0..after.end {
        let name = format!("endpoint:{}", endpoint(fault));
        let of_fault = stored.iter().filter(|stored| {
            stored.occurrence.data.phase == Phase::Firing
                && stored.occurrence.entity_ids.contains(&name)
        });
        assert_eq!(of_fault.count(), 1, "{name}");
    }
    assert_eq!(stream.duplicates(), Vec::<&str>::new());
    let first = stored[0].emission.boot_id.as_str();
    let sequences = stream.sequences(first);
    let whole: Vec<u64> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, whole, "none is missing");
}
