//! A lab leaves nothing, however it ends.

use crate::lab::{LAB, Lab, eventually, text};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// A machine of its own: every process, mount and link in it is the lab's, so "before" and "after"
/// must be the same to the letter. Its first process reaps, as an init does.
const ALONE: &str = r#"
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /sys/fs/cgroup
ip link set lo up
"$LAB" witness
for cycle in $(seq "$CYCLES"); do
  "$LAB" up --no-kubelet --name "cycle-$cycle" >/dev/null || exit 1
  "$LAB" down --name "cycle-$cycle" || exit 1
  "$LAB" witness
done
"#;

/// How often a lab goes up and down: `make soak` asks for more.
#[expect(
    clippy::disallowed_methods,
    reason = "the one switch of the tests' size"
)]
fn cycles() -> usize {
    if std::env::var_os("RAUTA_SOAK").is_some() {
        50
    } else {
        5
    }
}

#[test]
fn labs_that_come_and_go_leave_nothing() {
    let output = Command::new("unshare")
        .args([
            "--fork",
            "--pid",
            "--mount",
            "--net",
            "--mount-proc",
            "--kill-child",
        ])
        .args(["bash", "-c", ALONE])
        .env("LAB", LAB)
        .env("CYCLES", cycles().to_string())
        .output();
    let said = text(&output.expect("unshare starts"));
    let looks: Vec<Value> = serde_json::Deserializer::from_str(&said)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("witness says JSON");
    assert_eq!(looks.len(), cycles() + 1);
    let before = &looks[0];
    for (cycle, after) in looks.iter().enumerate().skip(1) {
        assert_eq!(after, before, "after cycle {cycle}");
    }
}

fn process(lab: &Lab, part: &str) -> String {
    let status = lab.status();
    let mut parts = status["parts"].as_array().into_iter().flatten();
    let found = parts.find(|found| found[0] == part);
    found.unwrap_or_else(|| panic!("no {part} in {status}"))[1].to_string()
}

fn kill(process: &str) {
    let output = Command::new("kill").args(["-9", process]).output();
    text(&output.expect("kill starts"));
}

#[test]
fn a_lab_whose_supervisor_was_killed_is_cleared_away_by_all_who_see_it() {
    let lab = Lab::up("killed", &[]);
    kill(&process(&lab, "rauta-lab"));
    eventually("the supervisor's end", || lab.status()["is_up"] == false);
    // Whoever takes a lab down takes the dead with it.
    let down = |name: &str| {
        let mut down = Command::new(LAB);
        down.args(["down", "--name", name]).stderr(Stdio::piped());
        down.spawn().expect("the lab's program starts")
    };
    let all: Vec<_> = [lab.name(), lab.name(), "other"].map(down).into();
    for down in all {
        let said = text(&down.wait_with_output().expect("it ends"));
        assert!(!said.contains("error"), "{said}");
    }
    let left = Command::new(LAB).args(["status", "--json"]).output();
    let left = text(&left.expect("the lab's program starts"));
    assert!(!left.contains(lab.name()), "{left}");
}

#[test]
fn a_lab_that_was_killed_on_its_way_up_is_cleared_away() {
    let lab = Lab::named("halfway");
    let mut up = Command::new(LAB)
        .args(["up", "--no-kubelet", "--name", lab.name()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the lab's program starts");
    let stderr = BufReader::new(up.stderr.take().expect("its stderr was asked for"));
    let mut lines = stderr.lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.starts_with("etcd")),
        "it gets as far as etcd"
    );
    up.kill().expect("it runs");
    up.wait().expect("it ends");
    lab.down();
}

#[test]
fn a_lab_whose_owner_was_killed_is_taken_down_by_whoever_takes_one_down() {
    // It ends with this test, whatever happens: nobody writes to it any more then.
    let mut owner = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let id = owner.id().to_string();
    let lab = Lab::up("owned", &["--nodes", "1", "--owner", &id]);
    let down = || {
        let mut down = Command::new(LAB);
        let said = down.args(["down", "--name", "other"]).output();
        text(&said.expect("the lab's program starts"))
    };
    let stands = format!("the lab `{}` stands", lab.name());
    assert!(down().contains(&stands), "its owner lives");
    owner.kill().expect("it runs");
    owner.wait().expect("it ends");
    // Another test's may be the one that takes it.
    down();
    let left = Command::new(LAB).args(["status", "--json"]).output();
    let left = text(&left.expect("the lab's program starts"));
    assert!(!left.contains(lab.name()), "{left}");
}

#[test]
fn a_part_that_ends_is_started_again() {
    let lab = Lab::up("restarts", &["--nodes", "1"]);
    lab.kubectl(&["create", "configmap", "kept"]);
    let old = process(&lab, "kube-apiserver");
    kill(&old);
    // Each try ends by itself: refused while nobody listens, answered after.
    eventually("the API server with what it held", || {
        let mut kubectl = Command::new(LAB);
        kubectl.args(["kubectl", "--name", lab.name(), "get", "configmap", "kept"]);
        kubectl.output().expect("kubectl starts").status.success()
    });
    assert_ne!(process(&lab, "kube-apiserver"), old);
    lab.down();
}

#[test]
fn a_machine_without_namespaces_is_told_so_in_one_line() {
    let lab = Lab::named("refused");
    let output = Command::new("setpriv")
        .args([
            "--bounding-set=-sys_admin",
            LAB,
            "up",
            "--no-kubelet",
            "--name",
            lab.name(),
        ])
        .output()
        .expect("setpriv starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("needs root and Linux namespaces"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
