//! Which run's log is meant, and what is said of one that is not there.

use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, Pod};

use super::Run;

/// What is known of a pod's container.
pub(crate) fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let inits = status.init_container_statuses.iter().flatten();
    let mut all = inits.chain(status.container_statuses.iter().flatten());
    all.find(|status| status.name == container)
}

fn waiting(status: Option<&ContainerStatus>) -> Option<&ContainerStateWaiting> {
    status?.state.as_ref()?.waiting.as_ref()
}

/// The run that is asked for. While the next one is waited for, the one before it is the newest;
/// what is known of the container may be older than its next start.
pub(crate) fn run(status: Option<&ContainerStatus>, previous: bool) -> Run {
    let last = status.and_then(|status| status.last_state.as_ref());
    let has_ended = last.is_some_and(|last| last.terminated.is_some());
    match previous {
        false => Run::Newest,
        true if has_ended && waiting(status).is_some() => Run::LastEnded,
        true => Run::BeforeNewest,
    }
}

/// Why there is none, as a person reads it who asked for it.
pub(crate) fn no_log(
    status: Option<&ContainerStatus>,
    (container, pod): (&str, &str),
    previous: bool,
) -> String {
    if previous {
        return format!("previous terminated container \"{container}\" in pod \"{pod}\" not found");
    }
    let reason = waiting(status).and_then(|waiting| waiting.reason.as_deref());
    let why = match reason {
        Some("ErrImagePull") => "image can't be pulled",
        Some("ImagePullBackOff") => "trying and failing to pull image",
        Some(reason) => reason,
        None => "no logs yet",
    };
    format!("container \"{container}\" in pod \"{pod}\" is waiting to start: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn status(state: Value, last: Value) -> ContainerStatus {
        let status = json!({
            "name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last,
        });
        serde_json::from_value(status).expect("a status")
    }

    #[test]
    fn the_run_before_is_the_newest_one_while_the_next_is_waited_for() {
        let check = |state: Value, last: Value, expected: Run| {
            let status = status(state.clone(), last.clone());
            assert_eq!(run(Some(&status), true), expected, "{state} {last}");
            assert_eq!(run(Some(&status), false), Run::Newest);
        };
        let ended = json!({"terminated": {"exitCode": 1}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        check(waiting.clone(), ended.clone(), Run::LastEnded);
        check(waiting, json!({}), Run::BeforeNewest);
        check(json!({"running": {}}), ended.clone(), Run::BeforeNewest);
        check(ended.clone(), ended, Run::BeforeNewest);
        assert_eq!(run(None, true), Run::BeforeNewest);
    }

    #[test]
    fn who_asks_for_a_log_that_is_not_there_is_told_why() {
        let waiting = |reason: &str| status(json!({"waiting": {"reason": reason}}), json!({}));
        let told = |reason: &str| no_log(Some(&waiting(reason)), ("c", "p"), false);
        let start = "container \"c\" in pod \"p\" is waiting to start:";
        assert_eq!(
            told("ContainerCreating"),
            format!("{start} ContainerCreating")
        );
        assert_eq!(
            told("ErrImagePull"),
            format!("{start} image can't be pulled")
        );
        assert_eq!(
            no_log(None, ("c", "p"), true),
            "previous terminated container \"c\" in pod \"p\" not found"
        );
    }
}
