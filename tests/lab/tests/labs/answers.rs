//! What clients of the API server rely on.

use crate::lab::{LAB, Lab};
use futures_util::io::AsyncBufReadExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};
use std::time::Duration;
use tokio::time::timeout;

/// Nothing here may take longer: an etcd that does not tell its progress takes a minute.
const SOON: Duration = Duration::from_secs(1);

/// A user without rights.
const NOBODY: u32 = 65534;

/// A kind of which a new cluster has nothing.
const EMPTY: &str = "/apis/apps/v1/daemonsets";

async fn client(lab: &Lab) -> Client {
    let file = lab.status()["kubeconfig"].as_str().map(str::to_owned);
    let kubeconfig = Kubeconfig::read_from(file.expect("a path")).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    Client::try_from(config.expect("it is whole")).expect("its certificates are good")
}

#[tokio::test]
async fn a_streaming_list_and_a_bare_watch_on_an_empty_kind_answer_within_a_second() {
    let lab = Lab::up("answers", &[]);
    let client = client(&lab).await;
    let ask = |query: &str| http::Request::get(format!("{EMPTY}?watch=1&{query}")).body(Vec::new());

    let listing =
        "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let first = timeout(SOON, async {
        let stream = client
            .request_stream(ask(listing).expect("a request"))
            .await;
        let mut lines = stream.expect("a stream").lines();
        let line = futures_util::StreamExt::next(&mut lines).await;
        line.expect("an event").expect("a line")
    });
    let first = first
        .await
        .expect("a streaming list answers within a second");
    let event: Value = serde_json::from_str(&first).expect("an event is JSON");
    let is_the_end = &event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"];
    assert_eq!(
        (&event["type"], is_the_end),
        (&"BOOKMARK".into(), &"true".into())
    );

    let bare = timeout(SOON, client.request_stream(ask("").expect("a request"))).await;
    assert!(bare.expect("a bare watch answers within a second").is_ok());
    lab.down();
}

#[test]
fn two_labs_stand_side_by_side() {
    let first = Lab::up("first", &["--nodes", "3"]);
    let second = Lab::up("second", &[]);
    let servers = [&first, &second].map(|lab| {
        assert_eq!(lab.kubectl(&["get", "--raw", "/readyz"]), "ok");
        let status = lab.status();
        assert_eq!(status["is_up"], true);
        status["api_server"]
            .as_str()
            .map(str::to_owned)
            .expect("an address")
    });
    assert_ne!(servers[0], servers[1]);
    first.kubectl(&["create", "configmap", "of-the-first"]);
    let others = second.kubectl(&["get", "configmaps", "-o", "name"]);
    assert!(!others.contains("of-the-first"), "{others}");
    first.down();
    assert_eq!(second.kubectl(&["get", "--raw", "/readyz"]), "ok");
    second.down();
}

#[test]
fn nodes_and_strangers_may_do_what_is_theirs_and_no_more() {
    let lab = Lab::up("rights", &["--nodes", "1"]);
    let kubeconfig = lab.status()["kubeconfig"]
        .as_str()
        .map(|path| path.replace("kubeconfig", ""));
    let node = format!("{}node-1.kubeconfig", kubeconfig.expect("a path"));
    let can = |verb: &str, what: &str| {
        let kubectl = Command::new(LAB)
            .args(["kubectl", "--name", lab.name(), "--kubeconfig", &node])
            .args(["auth", "can-i", verb, what])
            .output();
        String::from_utf8_lossy(&kubectl.expect("kubectl starts").stdout)
            .trim()
            .to_owned()
    };
    assert_eq!(can("create", "nodes"), "yes");
    assert!(can("list", "secrets").starts_with("no"));
    assert!(can("create", "deployments").starts_with("no"));

    let again = Command::new(LAB)
        .args(["up", "--no-kubelet", "--name", lab.name()])
        .output();
    let name = lab.name();
    let is_there = format!(
        "error: the lab `{name}` is there already: use it, or `make lab-down ARGS=--name={name}` \
         first\n"
    );
    assert_eq!(complaint(&again.expect("it starts")), is_there);
    // Where a stranger may start it.
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("rauta-lab");
    std::fs::copy(LAB, &program).expect("a copy");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("open to all");
    for task in ["status", "down", "kubectl"] {
        let output = Command::new(&program)
            .args([task, "--name", lab.name()])
            .uid(NOBODY)
            .gid(NOBODY)
            .output();
        let said = complaint(&output.expect("it starts"));
        // Which of the labs that are there does not matter.
        let is_told = said.starts_with("error: the lab `") && said.ends_with("run this as root\n");
        assert!(is_told, "{task}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    lab.down();
}

/// What a program says that fails.
fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
