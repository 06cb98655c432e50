//! A pod's status out of what is known of it. Pure: time and what was said before are arguments.

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use std::net::IpAddr;

use super::record::{ContainerRecord, Role, Snapshot, State, Terminated};
use crate::clock::whole_seconds;

/// The status that a snapshot amounts to. `before` is the status that was written last.
pub(crate) fn status(
    pod: &Pod,
    snapshot: &Snapshot,
    host_ips: &[IpAddr],
    before: &PodStatus,
    now: &Time,
) -> PodStatus {
    let phase = phase(pod, snapshot);
    let generation = pod.metadata.generation;
    let (inits, mains): (Vec<_>, Vec<_>) = snapshot
        .containers
        .iter()
        .partition(|c| c.role != Role::Main);
    let texts = |ips: &[IpAddr]| -> Vec<String> { ips.iter().map(IpAddr::to_string).collect() };
    let (pod_ips, host_ips) = (texts(&snapshot.pod_ips), texts(host_ips));
    PodStatus {
        phase: Some(phase.to_owned()),
        conditions: Some(conditions(pod, snapshot, phase, before, now)),
        init_container_statuses: Some(inits.into_iter().map(container).collect()),
        container_statuses: Some(mains.into_iter().map(container).collect()),
        host_ip: host_ips.first().cloned(),
        host_ips: Some(host_ips.into_iter().map(|ip| HostIP { ip }).collect()),
        pod_ip: pod_ips.first().cloned(),
        pod_ips: (!pod_ips.is_empty())
            .then(|| pod_ips.into_iter().map(|ip| PodIP { ip }).collect()),
        observed_generation: generation,
        start_time: before.start_time.clone().or_else(|| Some(now.clone())),
        reason: snapshot
            .failure
            .as_ref()
            .map(|(reason, _)| (*reason).to_owned()),
        message: snapshot
            .failure
            .as_ref()
            .map(|(_, message)| message.clone()),
        ..PodStatus::default()
    }
}

/// Whether all that must end before the main containers start has ended well, or runs.
fn is_initialized(snapshot: &Snapshot) -> bool {
    snapshot.containers.iter().all(|c| match c.role {
        Role::Main => true,
        Role::Sidecar => c.started || was_started(c),
        Role::Init => matches!(&c.state, State::Terminated(end) if end.exit_code == 0),
    })
}

fn was_started(container: &ContainerRecord) -> bool {
    container.last.is_some() || matches!(container.state, State::Terminated(_))
}

fn restart_policy(pod: &Pod) -> &str {
    let policy = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref());
    policy.unwrap_or("Always")
}

fn phase(pod: &Pod, snapshot: &Snapshot) -> &'static str {
    if snapshot.failure.is_some() {
        return "Failed";
    }
    let policy = restart_policy(pod);
    let failed = |c: &ContainerRecord| exit_code(c).is_some_and(|code| code != 0);
    let failed_init = |c: &ContainerRecord| c.role == Role::Init && failed(c);
    if policy == "Never" && snapshot.containers.iter().any(failed_init) {
        return "Failed";
    }
    let mains: Vec<&ContainerRecord> = snapshot
        .containers
        .iter()
        .filter(|c| c.role == Role::Main)
        .collect();
    let never_ran =
        |c: &&&ContainerRecord| matches!(c.state, State::Waiting { .. }) && c.last.is_none();
    let is_ending = pod.metadata.deletion_timestamp.is_some();
    let ends: Vec<i32> = mains.iter().filter_map(|c| exit_code(c)).collect();
    if !mains.is_empty() && ends.len() == mains.len() && (policy != "Always" || is_ending) {
        let all_well = ends.iter().all(|code| *code == 0);
        return match (all_well, policy) {
            (true, _) => "Succeeded",
            (false, "OnFailure") if !is_ending => "Running",
            (false, _) => "Failed",
        };
    }
    if !is_initialized(snapshot) || mains.iter().filter(never_ran).count() > 0 {
        return "Pending";
    }
    "Running"
}

fn exit_code(container: &ContainerRecord) -> Option<i32> {
    match &container.state {
        State::Terminated(end) => Some(end.exit_code),
        State::Running { .. } | State::Waiting { .. } => None,
    }
}

fn conditions(
    pod: &Pod,
    snapshot: &Snapshot,
    phase: &str,
    before: &PodStatus,
    now: &Time,
) -> Vec<PodCondition> {
    let initialized = initialized(snapshot, phase);
    let containers_ready = containers_ready(snapshot, phase);
    let ready = match gates_closed(pod) {
        Some(message) if containers_ready.is_ok() => Err(("ReadinessGatesNotReady", message)),
        _ => containers_ready.clone(),
    };
    let sandbox = match snapshot.has_sandbox {
        true => Ok(()),
        false => Err(("", String::new())),
    };
    let all = [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
    ];
    let condition = |(type_, verdict)| condition(pod, type_, verdict, before, now);
    all.into_iter().map(condition).collect()
}

/// True, or false with a reason and a message.
type Verdict = Result<(), (&'static str, String)>;

fn initialized(snapshot: &Snapshot, phase: &str) -> Verdict {
    if phase == "Succeeded" || is_initialized(snapshot) {
        return Ok(());
    }
    let waiting = names(snapshot, |c| match c.role {
        Role::Init => exit_code(c) != Some(0),
        Role::Sidecar => !c.started,
        Role::Main => false,
    });
    let message = format!("containers with incomplete status: [{waiting}]");
    Err(("ContainersNotInitialized", message))
}

fn containers_ready(snapshot: &Snapshot, phase: &str) -> Verdict {
    match phase {
        "Succeeded" => return Err(("PodCompleted", String::new())),
        "Failed" => return Err(("PodFailed", String::new())),
        _ => {}
    }
    let unready = names(snapshot, |c| c.role != Role::Init && !c.ready);
    match unready.is_empty() {
        true => Ok(()),
        false => Err((
            "ContainersNotReady",
            format!("containers with unready status: [{unready}]"),
        )),
    }
}

fn names(snapshot: &Snapshot, of: impl Fn(&&ContainerRecord) -> bool) -> String {
    let names: Vec<&str> = snapshot
        .containers
        .iter()
        .filter(of)
        .map(|c| c.name.as_str())
        .collect();
    names.join(" ")
}

/// What keeps a pod from being ready that others decide: its readiness gates.
fn gates_closed(pod: &Pod) -> Option<String> {
    let gates = pod.spec.as_ref()?.readiness_gates.iter().flatten();
    let conditions = pod
        .status
        .as_ref()
        .and_then(|s| s.conditions.as_deref())
        .unwrap_or_default();
    let closed = gates.into_iter().find(|gate| {
        let is_open = |c: &PodCondition| c.type_ == gate.condition_type && c.status == "True";
        !conditions.iter().any(is_open)
    })?;
    let name = &closed.condition_type;
    Some(format!(
        "the status of pod readiness gate {name:?} is not \"True\""
    ))
}

fn condition(
    pod: &Pod,
    type_: &str,
    verdict: Verdict,
    before: &PodStatus,
    now: &Time,
) -> PodCondition {
    let status = if verdict.is_ok() { "True" } else { "False" };
    let (reason, message) = verdict.err().unwrap_or_default();
    let filled = |text: String| (!text.is_empty()).then_some(text);
    let mut earlier = before.conditions.iter().flatten();
    let same = earlier.find(|c| c.type_ == type_ && c.status == status);
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: filled(reason.to_owned()),
        message: filled(message),
        observed_generation: pod.metadata.generation,
        last_transition_time: same
            .and_then(|c| c.last_transition_time.clone())
            .or_else(|| Some(now.clone())),
        last_probe_time: None,
    }
}

fn container(record: &ContainerRecord) -> ContainerStatus {
    ContainerStatus {
        name: record.name.clone(),
        image: record.image.clone(),
        image_id: record.image.clone(),
        container_id: record.id.clone(),
        ready: match record.role {
            Role::Init => exit_code(record) == Some(0),
            Role::Sidecar | Role::Main => record.ready,
        },
        started: Some(record.started),
        restart_count: record.restarts,
        state: Some(state(&record.state)),
        last_state: record.last.as_ref().map(|end| ContainerState {
            terminated: Some(terminated(end)),
            ..ContainerState::default()
        }),
        ..ContainerStatus::default()
    }
}

fn state(state: &State) -> ContainerState {
    match state {
        State::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting {
                reason: Some((*reason).to_owned()),
                message: message.clone(),
            }),
            ..ContainerState::default()
        },
        State::Running { since } => ContainerState {
            running: Some(ContainerStateRunning {
                started_at: Some(whole_seconds(*since)),
            }),
            ..ContainerState::default()
        },
        State::Terminated(end) => ContainerState {
            terminated: Some(terminated(end)),
            ..ContainerState::default()
        },
    }
}

fn terminated(end: &Terminated) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: end.exit_code,
        reason: Some(end.reason.to_owned()),
        message: end.message.clone(),
        started_at: Some(whole_seconds(end.started_at)),
        finished_at: Some(whole_seconds(end.finished_at)),
        container_id: end.container_id.clone(),
        signal: None,
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
