//! The lab's own truth: what people and controllers expect of a cluster, asked of a lab.
//!
//! One lab carries all scenes, because it is what costs time. The first scene is alone, since its
//! time counts; those of workloads are played side by side, each in its own namespace; those that
//! take nodes away are last.

#![expect(
    clippy::print_stdout,
    reason = "how long each scene took is part of what it gives"
)]

mod base; // the suite's own backends
mod families; // IPv4 and IPv6
mod hooks; // around a container's life
mod nodes; // cordoned, drained, lost
mod probes; // what makes a container ready, started, or dead
mod runs; // of one container, one behind the other
mod stage; // what scenes stand on
mod talk; // requests to pods
mod tokens; // who a pod is to the API server
mod verbs; // kubectl in a person's hands
mod volumes; // of the node's own files
mod workloads; // Deployments and their pods

use anyhow::Context;
use rauta_conformance::cluster::{Cluster, Lab};
use rauta_conformance::programs::Programs;
use stage::Stage;
use std::path::Path;
use tokio::time::Instant;

const NAME: &str = "drive";
const HEALTH: &str = env!("CARGO_BIN_EXE_rauta-conformance-health");

#[tokio::test]
async fn a_lab_behaves_as_a_cluster_does() {
    let mut tell = |what: &str| println!("{what}");
    let folder = tempfile::tempdir().expect("a folder");
    let programs = Programs::get().expect("the suite's programs");
    let images = folder.path().join("images.toml");
    programs
        .write_images(&[(stage::HEALTH.to_owned(), HEALTH.into())], &images)
        .expect("a table of images");
    let lab = Lab {
        name: &format!("{NAME}-{}", std::process::id()),
        supervisor: Path::new(env!("CARGO_BIN_EXE_rauta-conformance")),
        kubelet: Path::new(env!("CARGO_BIN_EXE_rauta-conformance-kubelet")),
        ipv6: true,
        gateway: None,
    };
    let cluster = Cluster::start(&lab, &images, &mut tell)
        .await
        .expect("a lab");
    let outcome = match Stage::new(cluster.clone(), programs).await {
        Ok(stage) => play(&stage).await,
        Err(error) => Err(error),
    };
    let down = cluster.stop(&mut tell).await;
    let failed = outcome.expect("the stage is set");
    assert!(
        failed.is_empty(),
        "{} scenes failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    down.expect("the lab goes and leaves nothing");
}

/// Plays all scenes; what failed.
async fn play(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let mut failed = Vec::new();
    macro_rules! scene {
        ($module:ident :: $name:ident) => {
            scene(stage, stringify!($name), $module::$name(stage))
        };
    }
    stage
        .cluster
        .install_api(&stage.programs, "standard")
        .await
        .context("the API's CRDs")?;
    failed.extend(scene!(base::the_base_manifests_become_ready_and_answer).await);
    let together = tokio::join!(
        scene!(workloads::a_rolling_update_keeps_every_replica_available),
        scene!(workloads::a_pod_that_is_not_ready_gets_no_traffic_and_is_not_restarted),
        scene!(workloads::a_container_that_dies_is_restarted_with_back_off),
        scene!(verbs::kubectl_shows_follows_and_deletes),
        scene!(runs::logs_and_events_tell_of_each_run),
        scene!(verbs::a_deleted_namespace_takes_everything_with_it),
        scene!(probes::each_kind_of_probe_decides_who_is_ready),
        scene!(probes::who_does_not_start_or_live_is_started_again),
        scene!(families::a_pod_has_an_address_of_each_family_and_answers_at_both),
        scene!(hooks::hooks_run_beside_the_program_and_before_its_end),
        scene!(volumes::a_part_of_the_node_is_seen_if_it_is_what_the_pod_says),
        scene!(tokens::a_pod_is_known_to_the_api_server_by_its_token),
    );
    let (a, b, c, d, e, f, g, h, i, j, k, l) = together;
    failed.extend([a, b, c, d, e, f, g, h, i, j, k, l].into_iter().flatten());
    // Pods that stay would only be in the way; their namespaces are not.
    for namespace in ["probes", "living", "families", "hooks"] {
        let delete = format!("-n {namespace} delete pods --all --wait=false");
        stage.kubectl(&delete).await?;
    }
    failed.extend(scene!(nodes::a_drained_node_has_no_pods_until_it_is_uncordoned).await);
    failed.extend(scene!(nodes::a_node_that_stops_renewing_loses_its_pods_and_comes_back).await);
    Ok(failed)
}

/// Plays one scene and tells how long it took; what went wrong.
async fn scene(
    stage: &Stage,
    name: &str,
    scene: impl Future<Output = anyhow::Result<()>>,
) -> Option<String> {
    let begun = Instant::now();
    let outcome = scene.await;
    let seconds = begun.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => {
            println!("{name}: {seconds:.1} s");
            None
        }
        Err(error) => {
            println!("{name}: FAILED after {seconds:.1} s: {error:#}");
            for line in ["get pods -A -o wide", "get nodes", "get events -A"] {
                println!("{}", stage.kubectl(line).await.unwrap_or_default());
            }
            Some(format!("{name}: {error:#}"))
        }
    }
}
