//! What makes a container ready, started, or dead: every kind of probe, of programs that answer
//! well, badly and not at all.

use crate::base::secret;
use crate::stage::{HEALTH, Stage, container, pod, shell};
use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// Containers of one pod, so that they share the servers' address: a readiness probe, and what an
/// event says of it; without that it is ready.
fn cases() -> Vec<(&'static str, Value, Option<&'static str>)> {
    let exec = |words: &[&str]| json!({"exec": {"command": words}});
    let grpc = |service: &str| json!({"grpc": {"port": 50051, "service": service}});
    let https = |path: &str| json!({"httpGet": {"scheme": "HTTPS", "port": 8443, "path": path}});
    let tcp = |port: Value| json!({"tcpSocket": {"port": port}});
    let unknown = "Readiness probe errored and resulted in unknown state: ";
    vec![
        ("https", https("/"), None),
        (
            "https-bad",
            https("/status/503"),
            Some("Readiness probe failed: HTTP probe failed with statuscode: 503"),
        ),
        ("grpc", json!({"grpc": {"port": 50051}}), None),
        ("grpc-named", grpc("orders"), None),
        (
            "grpc-bad",
            grpc("draining"),
            Some("Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")"),
        ),
        (
            "grpc-none",
            grpc("nobody"),
            Some("Readiness probe failed: error: health rpc probe failed: rpc error: code = 5"),
        ),
        ("exec", exec(&["cat", "/tmp/own"]), None),
        (
            "exec-bad",
            exec(&["cat", "/tmp/other"]),
            Some("Readiness probe failed: cat: /tmp/other: No such file or directory"),
        ),
        ("exec-none", exec(&["no-such-program"]), Some(unknown)),
        ("tcp", tcp(json!(3000)), None),
        (
            "tcp-bad",
            tcp(json!(9)),
            Some("Readiness probe failed: dial tcp "),
        ),
        ("name-none", tcp(json!("nowhere")), Some(unknown)),
    ]
}

pub(crate) async fn each_kind_of_probe_decides_who_is_ready(stage: &Stage) -> anyhow::Result<()> {
    const NS: &str = "probes";
    stage.namespace(NS).await?;
    stage.apply(&secret(NS, "certificate")?).await?;
    let with_probe = |mut container: Value, probe: &Value| {
        container["readinessProbe"] = probe.clone();
        container["readinessProbe"]["periodSeconds"] = json!(1);
        container["readinessProbe"]["failureThreshold"] = json!(1);
        container
    };
    let asked = cases().into_iter().map(|(name, probe, _)| {
        let own = shell(stage, name, "touch /tmp/own");
        with_probe(own, &probe)
    });
    let web = json!({
        "name": "web",
        "image": stage.image,
        "env": [
            {"name": "TLS_SERVER_CERT", "value": "/certificate/tls.crt"},
            {"name": "TLS_SERVER_PRIVKEY", "value": "/certificate/tls.key"},
        ],
        "ports": [{"name": "plain", "containerPort": 3000}],
        "volumeMounts": [{"name": "certificate", "mountPath": "/certificate"}],
    });
    // By the port's name, which is the container's own.
    let web = with_probe(
        web,
        &json!({"httpGet": {"port": "plain", "path": "/health"}}),
    );
    let health = json!({
        "name": "health",
        "image": HEALTH,
        "args": ["[::]:50051", "=1", "orders=1", "draining=2"],
    });
    let containers: Vec<Value> = [web, health].into_iter().chain(asked).collect();
    let mut asked = pod(NS, "asked", &containers);
    asked["spec"]["volumes"] =
        json!([{"name": "certificate", "secret": {"secretName": "certificate"}}]);
    stage.apply(&asked).await?;

    let is_ready = |pod: &Pod, name: &str| container(pod, name).is_some_and(|c| c.ready);
    let good = |pods: &[&Pod]| {
        let Some(pod) = pods.first() else {
            return false;
        };
        let mut cases = cases().into_iter();
        cases.all(|(name, _, says)| says.is_some() || is_ready(pod, name)) && is_ready(pod, "web")
    };
    let pods = stage
        .until(stage.all(NS), 20, "who answers well is ready", good)
        .await;
    let pods = match pods {
        Ok(pods) => pods,
        Err(error) => {
            let shown = stage.kubectl("-n probes describe pod asked").await?;
            return Err(error.context(shown));
        }
    };
    for (name, _, says) in cases() {
        let Some(says) = says else { continue };
        let of = ("asked", Some(name));
        stage.told(NS, of, ("Unhealthy", says)).await?;
        let status = container(&pods[0], name).context("no status")?;
        ensure!(!status.ready, "{name} is ready");
        ensure!(status.restart_count == 0, "{name} was restarted");
    }
    Ok(())
}

/// A probe that is a script of the container's, asked each second.
fn script(script: &str, more: &Value) -> Value {
    let mut probe = json!({"exec": {"command": ["sh", "-c", script]}, "periodSeconds": 1});
    for (name, value) in more.as_object().into_iter().flatten() {
        probe[name] = value.clone();
    }
    probe
}

pub(crate) async fn who_does_not_start_or_live_is_started_again(
    stage: &Stage,
) -> anyhow::Result<()> {
    const NS: &str = "living";
    stage.namespace(NS).await?;
    let up = "test -f /tmp/up";
    let at_once = json!({"failureThreshold": 1, "terminationGracePeriodSeconds": 5});

    // Its liveness would kill it at once if it were asked before it has started.
    let mut slow = shell(stage, "slow", "sleep 2; touch /tmp/up");
    slow["startupProbe"] = script(up, &json!({"failureThreshold": 30}));
    slow["livenessProbe"] = script(up, &at_once);
    let mut never = shell(stage, "never", "true");
    never["startupProbe"] = script("false", &json!({"failureThreshold": 2}));
    let mut dies = shell(stage, "dies", "touch /tmp/up; sleep 2; rm /tmp/up");
    dies["livenessProbe"] = script(up, &at_once);
    let mut late = shell(stage, "late", "true");
    late["readinessProbe"] = script("true", &json!({"initialDelaySeconds": 3}));
    for container in [slow, never, dies, late] {
        let name = container["name"].as_str().context("no name")?.to_owned();
        stage.apply(&pod(NS, &name, &[container])).await?;
    }

    let seen = |pods: &[&Pod]| {
        let of = |name: &str| pods.iter().find_map(|pod| container(pod, name));
        let again = |name: &str| of(name).is_some_and(|c| c.restart_count >= 1);
        let ready = |name: &str| of(name).is_some_and(|c| c.ready);
        again("never") && again("dies") && ready("slow") && ready("late")
    };
    let pods = stage
        .until(stage.all(NS), 30, "each is what its probes say", seen)
        .await?;
    let of = |name: &str| {
        let found = pods.iter().find_map(|pod| container(pod, name));
        found.with_context(|| format!("no {name}"))
    };
    ensure!(of("slow")?.restart_count == 0, "slow was restarted");
    ensure!(!of("never")?.ready, "never is ready");
    for (name, word) in [("never", "startup"), ("dies", "liveness")] {
        let says = format!("Container {name} failed {word} probe, will be restarted");
        let of = (name, Some(name));
        stage.told(NS, of, ("Killing", &says)).await?;
    }
    let slow = ("slow", Some("slow"));
    stage
        .told(NS, slow, ("Unhealthy", "Startup probe failed: "))
        .await?;
    waited(pods.iter().find(|pod| container(pod, "late").is_some()))
}

/// It became ready three seconds after its start at the earliest.
fn waited(pod: Option<&Pod>) -> anyhow::Result<()> {
    let pod = pod.context("no such pod")?;
    let state = container(pod, "late").and_then(|c| c.state.clone());
    let running = state.and_then(|state| state.running);
    let started = running.and_then(|running| running.started_at);
    let status = pod.status.as_ref();
    let mut conditions = status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "ContainersReady");
    let ready = ready.and_then(|condition| condition.last_transition_time.clone());
    let (started, ready) = (started.context("no start")?, ready.context("not ready")?);
    let seconds = ready.0.duration_since(started.0).as_secs();
    ensure!(seconds >= 3, "it was ready after {seconds} s");
    Ok(())
}
