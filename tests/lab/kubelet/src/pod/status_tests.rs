//! A pod's status: phases and conditions for each mixture of containers.

use super::*;
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn pod(policy: &str) -> Pod {
    let pod = json!({
        "metadata": { "name": "p", "generation": 3 },
        "spec": { "containers": [], "restartPolicy": policy },
    });
    serde_json::from_value(pod).expect("a pod")
}

fn container_in(role: Role, state: State) -> ContainerRecord {
    ContainerRecord {
        name: "c".to_owned(),
        image: "i".to_owned(),
        role,
        started: matches!(state, State::Running { .. }),
        ready: matches!(state, State::Running { .. }),
        state,
        last: None,
        restarts: 0,
        id: None,
    }
}

fn waiting() -> State {
    State::Waiting {
        reason: "ContainerCreating",
        message: None,
    }
}

fn running() -> State {
    State::Running { since: at(5) }
}

fn ended(exit_code: i32) -> State {
    State::Terminated(Terminated {
        exit_code,
        reason: "Completed",
        message: None,
        started_at: at(5),
        finished_at: at(6),
        container_id: None,
    })
}

fn snapshot(containers: &[(Role, State)]) -> Snapshot {
    Snapshot {
        containers: containers
            .iter()
            .map(|(role, state)| container_in(*role, state.clone()))
            .collect(),
        has_sandbox: true,
        ..Snapshot::default()
    }
}

#[test]
fn the_phase_follows_the_containers_and_the_restart_policy() {
    let check = |policy: &str, containers: &[(Role, State)], expected: &str| {
        assert_eq!(
            phase(&pod(policy), &snapshot(containers)),
            expected,
            "{containers:?}"
        );
    };
    use Role::{Init, Main, Sidecar};
    check("Always", &[(Main, waiting())], "Pending");
    check("Always", &[(Main, running())], "Running");
    check("Always", &[(Main, running()), (Main, waiting())], "Pending");
    check("Always", &[(Main, ended(1))], "Running");
    check("Never", &[(Main, ended(0))], "Succeeded");
    check("Never", &[(Main, ended(0)), (Main, ended(2))], "Failed");
    check("Never", &[(Main, ended(0)), (Main, running())], "Running");
    check("OnFailure", &[(Main, ended(1))], "Running");
    check("OnFailure", &[(Main, ended(0))], "Succeeded");
    check("Always", &[(Init, running()), (Main, waiting())], "Pending");
    check("Never", &[(Init, ended(1)), (Main, waiting())], "Failed");
    check("Always", &[(Init, ended(0)), (Main, running())], "Running");
    check(
        "Always",
        &[(Sidecar, waiting()), (Main, waiting())],
        "Pending",
    );
    check(
        "Never",
        &[(Sidecar, running()), (Main, ended(0))],
        "Succeeded",
    );
}

#[test]
fn a_container_that_waits_to_be_restarted_has_run() {
    let mut snapshot = snapshot(&[(Role::Main, waiting())]);
    let State::Terminated(end) = ended(1) else {
        unreachable!("it ended");
    };
    snapshot.containers[0].last = Some(end);
    assert_eq!(phase(&pod("Always"), &snapshot), "Running");
}

#[test]
fn a_pod_that_is_deleted_ends_as_its_containers_did() {
    let mut pod = pod("Always");
    pod.metadata.deletion_timestamp = Some(Time(at(9)));
    assert_eq!(
        phase(&pod, &snapshot(&[(Role::Main, ended(0))])),
        "Succeeded"
    );
    assert_eq!(
        phase(&pod, &snapshot(&[(Role::Main, ended(137))])),
        "Failed"
    );
    assert_eq!(
        phase(&pod, &snapshot(&[(Role::Main, running())])),
        "Running"
    );
}

fn condition_of<'a>(status: &'a PodStatus, type_: &str) -> &'a PodCondition {
    let mut conditions = status.conditions.iter().flatten();
    conditions
        .find(|c| c.type_ == type_)
        .expect("it is always there")
}

#[test]
fn ready_names_the_containers_that_are_not() {
    let snapshot = snapshot(&[(Role::Main, waiting())]);
    let status = status(
        &pod("Always"),
        &snapshot,
        &[],
        &PodStatus::default(),
        &Time(at(7)),
    );
    let ready = condition_of(&status, "Ready");
    assert_eq!(ready.status, "False");
    assert_eq!(ready.reason.as_deref(), Some("ContainersNotReady"));
    assert_eq!(
        ready.message.as_deref(),
        Some("containers with unready status: [c]")
    );
    assert_eq!(ready.observed_generation, Some(3));
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(condition_of(&status, "Initialized").status, "True");
}

#[test]
fn a_transition_keeps_its_time_until_the_next_one() {
    let pod = pod("Always");
    let up = snapshot(&[(Role::Main, running())]);
    let first = status(&pod, &up, &[], &PodStatus::default(), &Time(at(10)));
    let second = status(&pod, &up, &[], &first, &Time(at(20)));
    assert_eq!(
        condition_of(&second, "Ready").last_transition_time,
        Some(Time(at(10)))
    );
    assert_eq!(second.start_time, Some(Time(at(10))));
    let down = snapshot(&[(Role::Main, waiting())]);
    let third = status(&pod, &down, &[], &second, &Time(at(30)));
    assert_eq!(
        condition_of(&third, "Ready").last_transition_time,
        Some(Time(at(30)))
    );
}

#[test]
fn a_readiness_gate_that_is_closed_keeps_a_pod_from_ready() {
    let mut pod = pod("Always");
    let spec = json!({ "containers": [], "readinessGates": [{ "conditionType": "a/gate" }] });
    pod.spec = serde_json::from_value(spec).expect("a specification");
    let up = snapshot(&[(Role::Main, running())]);
    let check = |pod: &Pod, expected: &str| {
        let status = status(pod, &up, &[], &PodStatus::default(), &Time(at(1)));
        assert_eq!(condition_of(&status, "Ready").status, expected);
        assert_eq!(condition_of(&status, "ContainersReady").status, "True");
    };
    check(&pod, "False");
    let open = json!({ "conditions": [{ "type": "a/gate", "status": "True" }] });
    pod.status = serde_json::from_value(open).expect("a status");
    check(&pod, "True");
}
