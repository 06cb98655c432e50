//! The life of one container: prepared, started, watched, and started again as its pod wants it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::context::Context;
use super::last_words::last_words;
use super::probe::Target;
use super::process::Process;
use super::record::{Role, State, Terminated, role};
use super::restart::{BackOff, is_restarted};
use super::spec::{self, Parts};
use super::supervise::{self, stopped, supervise};
use super::{env, terminate};
use crate::clock;
use crate::events::Severity;
use crate::launch::EXIT_NOT_STARTED;
use crate::launch::spec::LaunchSpec;
use crate::logs::Owner;
use crate::logs::write::{LogFile, copy};
use crate::objects;

/// How a container's life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It ended well and is not started again.
    Succeeded,
    /// It ended badly and is not started again.
    Failed,
    /// The pod ends.
    Stopped,
}

/// Why a container cannot be started yet, in the words of its status.
struct Refusal {
    reason: &'static str,
    message: String,
}

/// Between two tries to prepare a container whose configuration cannot be had.
const RETRY: Duration = Duration::from_secs(1);
/// How long a log may take to end after its program.
const LOG_END_MAX: Duration = Duration::from_secs(1);

const NORMAL: Severity = Severity::Normal;
const WARNING: Severity = Severity::Warning;

struct Runner<'a> {
    context: &'a Context,
    container: &'a Container,
    crashes: BackOff,
    refusals: BackOff,
    folder: PathBuf,
}

/// Runs a container until it is over or the pod stops.
pub(super) async fn run(context: &Context, container: &Container) -> End {
    let args = &context.kubelet.args;
    let back_off = BackOff::new(args.back_off, args.back_off_max);
    let mut runner = Runner {
        context,
        container,
        crashes: back_off.clone(),
        refusals: back_off,
        folder: context
            .surroundings
            .folder
            .join("containers")
            .join(&container.name),
    };
    loop {
        let prepared = tokio::select! {
            () = stopped(&context.stop) => return End::Stopped,
            prepared = runner.prepare() => prepared,
        };
        let spec = match prepared {
            Ok(spec) => spec,
            Err(refusal) => {
                if runner.refused(refusal).await {
                    continue;
                }
                return End::Stopped;
            }
        };
        let exit_code = runner.run_once(spec).await;
        if context.stop.borrow().is_some() {
            return End::Stopped;
        }
        if !is_restarted(&runner.policy(), exit_code) {
            return if exit_code == 0 {
                End::Succeeded
            } else {
                End::Failed
            };
        }
        if !runner.wait_after_crash().await {
            return End::Stopped;
        }
    }
}

impl Runner<'_> {
    /// The pod's restart policy, as it concerns this container.
    fn policy(&self) -> String {
        let pod = self.context.pod();
        let spec = pod.spec.clone().unwrap_or_default();
        let of_pod = spec
            .restart_policy
            .clone()
            .unwrap_or_else(|| "Always".to_owned());
        match role(self.container, &spec) {
            Role::Sidecar => "Always".to_owned(),
            // An init container that ended well has done its work.
            Role::Init if of_pod == "Always" => "OnFailure".to_owned(),
            Role::Init | Role::Main => of_pod,
        }
    }

    async fn prepare(&self) -> Result<LaunchSpec, Refusal> {
        let Context {
            kubelet,
            surroundings,
            ..
        } = self.context;
        let config_error = |message: String| Refusal {
            reason: "CreateContainerConfigError",
            message,
        };
        let name = self.container.image.as_deref().unwrap_or_default();
        let images = kubelet.images().map_err(|error| Refusal {
            reason: "ErrImagePull",
            message: error.to_string(),
        })?;
        let image = images.find(name).ok_or_else(|| Refusal {
            reason: "ErrImagePull",
            message: format!(
                "failed to pull image \"{name}\": the node's image table has no such name"
            ),
        })?;
        let facts = self.context.facts();
        let namespace = facts.pod.namespace().unwrap_or_default();
        let references = env::references(self.container);
        let objects = objects::read(&kubelet.client, &namespace, references).await;
        let objects = objects.map_err(|error| config_error(error.to_string()))?;
        let environment = env::environment(self.container, &image.env, &facts, &objects);
        let parts = Parts {
            facts: &facts,
            image,
            environment: &environment.map_err(config_error)?,
            volumes: &surroundings.volumes,
            etc: &surroundings.etc,
            folder: &self.folder,
            sandbox_pid: surroundings.sandbox_pid,
        };
        let spec = spec::launch_spec(self.container, &parts).map_err(config_error)?;
        self.make_folder()
            .map_err(|error| config_error(error.to_string()))?;
        Ok(spec)
    }

    /// An empty place for the root, and for the container's last words.
    fn make_folder(&self) -> std::io::Result<()> {
        fs::create_dir_all(self.folder.join(spec::ROOT))?;
        let words = self.folder.join(spec::TERMINATION_LOG);
        fs::write(&words, "")?;
        fs::set_permissions(&words, fs::Permissions::from_mode(0o666))
    }

    /// Tells why, and waits; `false` if the pod stops meanwhile.
    async fn refused(&mut self, refusal: Refusal) -> bool {
        let Refusal { reason, message } = refusal;
        let name = &self.container.name;
        self.context
            .tell(Some(name), (WARNING, "Failed"), format!("Error: {message}"));
        self.wait_state(reason, message);
        if reason != "ErrImagePull" {
            return self.pause(RETRY).await;
        }
        // The first wait is not zero here: nothing ran that could have crashed.
        let wait = match self.refusals.after_end(Instant::now()) {
            Duration::ZERO => self.refusals.after_end(Instant::now()),
            wait => wait,
        };
        // Who asks at once sees the error; who asks later, that it is waited.
        if !self.pause(wait.min(RETRY)).await {
            return false;
        }
        let image = self.container.image.as_deref().unwrap_or_default();
        let message = format!("Back-off pulling image \"{image}\"");
        self.context
            .tell(Some(name), (NORMAL, "BackOff"), message.clone());
        self.wait_state("ImagePullBackOff", message);
        self.pause(wait.saturating_sub(RETRY)).await
    }

    fn wait_state(&self, reason: &'static str, message: String) {
        self.context
            .record
            .update_container(&self.container.name, |c| {
                if let State::Terminated(end) = &c.state {
                    c.last = Some(end.clone());
                }
                c.state = State::Waiting {
                    reason,
                    message: Some(message),
                };
            });
    }

    /// Waits out a crash; `false` if the pod stops meanwhile.
    async fn wait_after_crash(&mut self) -> bool {
        let wait = self.crashes.after_end(Instant::now());
        if wait.is_zero() {
            return true;
        }
        let name = &self.container.name;
        let pod = self.context.pod();
        let (namespace, uid) = (
            pod.namespace().unwrap_or_default(),
            pod.uid().unwrap_or_default(),
        );
        let which = format!("{}_{namespace}({uid})", pod.name_any());
        let message = format!("Back-off restarting failed container {name} in pod {which}");
        self.context.tell(Some(name), (WARNING, "BackOff"), message);
        let message = format!("back-off {wait:?} restarting failed container={name} pod={which}");
        self.wait_state("CrashLoopBackOff", message);
        self.pause(wait).await
    }

    async fn pause(&mut self, wait: Duration) -> bool {
        tokio::select! {
            () = stopped(&self.context.stop) => false,
            () = sleep(wait) => true,
        }
    }

    /// One start and one end; answers the exit code.
    async fn run_once(&mut self, spec: LaunchSpec) -> i32 {
        let name = self.container.name.as_str();
        let (restarts, id) = self.next_run();
        let image = self.container.image.as_deref().unwrap_or_default();
        let present = format!(
            "Container image \"{image}\" already present on machine and can be accessed by the pod"
        );
        self.context.tell(Some(name), (NORMAL, "Pulled"), present);
        let log = self.begin_log(restarts).await;
        let notes = self.context.kubelet.folders.notes();
        let started_at = clock::now();
        let started = Process::start(&["launch"], &spec, &notes).await;
        let (exit_code, failure) = match started {
            Err(error) => (i32::from(EXIT_NOT_STARTED), Some(format!("{error:#}"))),
            Ok(process) => {
                for (reason, message) in [
                    ("Created", "Container created"),
                    ("Started", "Container started"),
                ] {
                    self.context.tell(Some(name), (NORMAL, reason), message);
                }
                self.context.record.update_container(name, |c| {
                    c.state = State::Running { since: started_at };
                    c.id = Some(id.clone());
                });
                (self.attend(process, spec, log).await, None)
            }
        };
        self.ended(exit_code, failure, started_at, id);
        exit_code
    }

    /// The number of restarts before the run that begins, and its id.
    fn next_run(&self) -> (i32, String) {
        let mut restarts = 0;
        self.context
            .record
            .update_container(&self.container.name, |c| {
                if let State::Terminated(end) = &c.state {
                    c.last = Some(end.clone());
                }
                c.restarts += i32::from(c.last.is_some());
                restarts = c.restarts;
            });
        (restarts, format!("rauta-lab://{:032x}", fastrand::u128(..)))
    }

    async fn begin_log(&self, restarts: i32) -> Option<LogFile> {
        let pod = self.context.pod();
        let owner = Owner::of(&pod, &self.container.name);
        match self.context.kubelet.logs.begin(&owner, restarts).await {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::warn!(pod = pod.name_any(), error = %error, "its log cannot be written");
                None
            }
        }
    }

    /// Stays with a program until it has ended and its log is complete.
    async fn attend(&self, mut process: Process, spec: LaunchSpec, log: Option<LogFile>) -> i32 {
        let pipes = (process.stdout.take(), process.stderr.take());
        let mut copies = JoinSet::new();
        if let (Some(log), (Some(stdout), Some(stderr))) = (log, pipes) {
            let log = Arc::new(Mutex::new(log));
            let (out, err) = (log.clone(), log);
            copies.spawn(async move { copy(stdout, "stdout", &out).await });
            copies.spawn(async move { copy(stderr, "stderr", &err).await });
        }
        let target = Target {
            ip: self.context.surroundings.ip(),
            ports: self.container.ports.clone().unwrap_or_default(),
            pid: process.pid,
            process: spec.process,
            notes: self.context.kubelet.folders.notes(),
        };
        let exit_code = match self.post_start(&mut process, &target).await {
            Some(exit_code) => exit_code,
            None => supervise(self.context, self.container, &mut process, target).await,
        };
        let logged = timeout(LOG_END_MAX, copies.join_all())
            .await
            .unwrap_or_default();
        if let Some(error) = logged.into_iter().find_map(Result::err) {
            tracing::warn!(container = self.container.name, error = %error, "its log was cut");
        }
        exit_code
    }

    /// Runs the hook behind the start; answers an exit code if the program is over after that.
    async fn post_start(&self, process: &mut Process, target: &Target) -> Option<i32> {
        let hook = self.container.lifecycle.as_ref()?.post_start.as_ref()?;
        let done = tokio::select! {
            code = process.wait() => return Some(code),
            () = stopped(&self.context.stop) => return None,
            done = terminate::run_hook(hook, target) => done,
        };
        let why = done.err()?;
        let name = &self.container.name;
        tracing::info!(container = name, why = %why, "its postStart hook");
        self.context.tell(
            Some(name),
            (WARNING, "FailedPostStartHook"),
            "PostStartHook failed",
        );
        self.context
            .tell(Some(name), (NORMAL, "Killing"), "FailedPostStartHook");
        Some(supervise::end_early(self.context, self.container, process, target).await)
    }

    fn ended(&self, exit_code: i32, failure: Option<String>, started_at: Timestamp, id: String) {
        let name = &self.container.name;
        let reason = match (&failure, exit_code) {
            (Some(_), _) => "StartError",
            (None, 0) => "Completed",
            (None, _) => "Error",
        };
        if let Some(message) = &failure {
            self.context
                .tell(Some(name), (WARNING, "Failed"), format!("Error: {message}"));
        }
        let message = failure.or_else(|| last_words(self.context, self.container, exit_code));
        let end = Terminated {
            exit_code,
            reason,
            message,
            started_at,
            finished_at: clock::now(),
            container_id: Some(id.clone()),
        };
        self.context.record.update_container(name, |c| {
            c.state = State::Terminated(end);
            c.id = Some(id);
            c.started = false;
            c.ready = false;
        });
    }
}
