//! What a launcher is asked for, out of a pod's specification, its image and its volumes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::downward::Facts;
use super::expand::expand;
use super::{files, security, volumes};
use crate::images::Image;
use crate::launch::spec::{Bind, LaunchSpec, ProcessSpec, RootSpec};

/// What a container is made of, beside its own specification.
pub(super) struct Parts<'a> {
    pub(super) facts: &'a Facts,
    pub(super) image: &'a Image,
    pub(super) environment: &'a BTreeMap<String, String>,
    /// Where the pod's volumes are.
    pub(super) volumes: &'a BTreeMap<String, PathBuf>,
    /// The pod's files for `/etc`, by their name there.
    pub(super) etc: &'a Path,
    /// The container's own folder.
    pub(super) folder: &'a Path,
    pub(super) sandbox_pid: u32,
}

/// Where a container leaves its last words, in its folder.
pub(super) const TERMINATION_LOG: &str = "termination-log";
/// Where its root is put together, in its folder.
pub(super) const ROOT: &str = "root";

/// The whole request.
pub(super) fn launch_spec(container: &Container, parts: &Parts<'_>) -> Result<LaunchSpec, String> {
    let pod_spec = parts.facts.pod.spec.clone().unwrap_or_default();
    let process = process(&pod_spec, container, parts)?;
    let own = container.security_context.clone().unwrap_or_default();
    let identity = &process.identity;
    Ok(LaunchSpec {
        sandbox_pid: parts.sandbox_pid,
        root: RootSpec {
            folder: parts.folder.join(ROOT),
            read_only: own.read_only_root_filesystem == Some(true),
            privileged: own.privileged == Some(true),
            folders: vec!["/root".to_owned(), process.work_dir.clone()],
            texts: files::accounts(identity.user, identity.group),
            binds: binds(container, parts)?,
        },
        process,
    })
}

fn process(
    pod_spec: &PodSpec,
    container: &Container,
    parts: &Parts<'_>,
) -> Result<ProcessSpec, String> {
    let identity = security::identity(pod_spec, container, parts.image.ids())?;
    let mut environment = parts.environment.clone();
    let home = if identity.user == 0 { "/root" } else { "/" };
    environment
        .entry("HOME".to_owned())
        .or_insert_with(|| home.to_owned());
    Ok(ProcessSpec {
        command: command(container, parts.image, parts.environment),
        env: environment.into_iter().collect(),
        work_dir: work_dir(container, parts.image),
        identity,
    })
}

/// The container's command and arguments, the image's where it has none. Who sets a command does
/// without the image's arguments.
fn command(
    container: &Container,
    image: &Image,
    environment: &BTreeMap<String, String>,
) -> Vec<String> {
    let expanded = |words: &Vec<String>| -> Vec<String> {
        let value = |name: &str| environment.get(name).cloned();
        words.iter().map(|word| expand(word, value)).collect()
    };
    let own_command = container.command.as_ref().filter(|words| !words.is_empty());
    let own_args = container.args.as_ref().filter(|words| !words.is_empty());
    let mut words = own_command.map_or_else(|| vec![image.path()], expanded);
    match (own_command, own_args) {
        (_, Some(args)) => words.extend(expanded(args)),
        (None, None) => words.extend(image.args.clone()),
        (Some(_), None) => {}
    }
    words
}

fn work_dir(container: &Container, image: &Image) -> String {
    let own = container
        .working_dir
        .clone()
        .filter(|path| !path.is_empty());
    own.or_else(|| image.work_dir.clone())
        .unwrap_or_else(|| "/".to_owned())
}

fn binds(container: &Container, parts: &Parts<'_>) -> Result<Vec<Bind>, String> {
    let bind = |source: PathBuf, target: &str, read_only| Bind {
        source,
        target: target.to_owned(),
        read_only,
    };
    let image = parts.image;
    let mut binds = vec![bind(image.program.clone(), &image.path(), true)];
    binds.extend(
        image
            .files
            .iter()
            .map(|(to, from)| bind(from.clone(), to, true)),
    );
    let is_hidden = |path: &str| {
        let mut mounts = container.volume_mounts.iter().flatten();
        mounts.any(|mount| mount.mount_path == path)
    };
    for name in ["hosts", "hostname", "resolv.conf"] {
        let target = format!("/etc/{name}");
        if !is_hidden(&target) {
            binds.push(bind(parts.etc.join(name), &target, false));
        }
    }
    binds.extend(volumes::binds(container, parts.volumes, parts.environment)?);
    let path = container.termination_message_path.as_deref();
    let path = path.unwrap_or("/dev/termination-log");
    if !is_hidden(path) {
        binds.push(bind(parts.folder.join(TERMINATION_LOG), path, false));
    }
    Ok(binds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn command_of(container: Value) -> Vec<String> {
        let mut named = container;
        named["name"] = json!("c");
        let container = serde_json::from_value(named).expect("a container");
        let image: Image = toml::from_str(
            r#"
            name = "echo"
            program = "/opt/echo"
            args = ["--default"]
            "#,
        )
        .expect("an image");
        let environment = BTreeMap::from([("PORT".to_owned(), "80".to_owned())]);
        command(&container, &image, &environment)
    }

    #[test]
    fn command_and_arguments_replace_the_images() {
        let check = |container: Value, expected: &[&str]| {
            assert_eq!(command_of(container), expected);
        };
        check(json!({}), &["/echo", "--default"]);
        check(
            json!({ "args": ["--port=$(PORT)"] }),
            &["/echo", "--port=80"],
        );
        check(json!({ "command": ["sh"] }), &["sh"]);
        check(
            json!({ "command": ["sh"], "args": ["-c", "$$(PORT)"] }),
            &["sh", "-c", "$(PORT)"],
        );
    }
}
