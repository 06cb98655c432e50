//! Which part of which volume a container sees where.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use crate::launch::spec::Bind;
use crate::pod::expand::expand;

/// A container's mounts, parents before what is mounted in them.
pub(crate) fn binds(
    container: &Container,
    volumes: &BTreeMap<String, PathBuf>,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<Bind>, String> {
    let mut binds = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = volumes
            .get(&mount.name)
            .ok_or_else(|| format!("volume {:?} does not exist", mount.name))?;
        binds.push(Bind {
            source: source(volume, mount, environment)?,
            target: mount.mount_path.clone(),
            read_only: mount.read_only.unwrap_or(false),
        });
    }
    binds.sort_by_key(|bind| Path::new(&bind.target).components().count());
    Ok(binds)
}

fn source(
    volume: &Path,
    mount: &VolumeMount,
    environment: &BTreeMap<String, String>,
) -> Result<PathBuf, String> {
    let written = match (&mount.sub_path_expr, &mount.sub_path) {
        (Some(expression), _) => expand(expression, |name| environment.get(name).cloned()),
        (None, Some(path)) => path.clone(),
        (None, None) => String::new(),
    };
    if written.is_empty() {
        return Ok(volume.to_owned());
    }
    let is_inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(&written).components().all(is_inside) {
        return Err(format!(
            "subPath {written:?} leads out of the volume {:?}",
            mount.name
        ));
    }
    let path = volume.join(&written);
    if !path.exists() {
        make_folder(&path).map_err(|error| format!("subPath {written:?}: {error}"))?;
    }
    // A file of an object is a link that an update moves: the mount stays with what it is now.
    fs::canonicalize(&path).map_err(|error| format!("subPath {written:?}: {error}"))
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn binds_of(folder: &Path, mounts: Value) -> Result<Vec<String>, String> {
        let container = json!({ "name": "c", "volumeMounts": mounts });
        let container = serde_json::from_value(container).expect("a container");
        let volumes = BTreeMap::from([("v".to_owned(), folder.to_owned())]);
        let environment = BTreeMap::from([("POD".to_owned(), "pod-1".to_owned())]);
        let binds = binds(&container, &volumes, &environment)?;
        let shown = binds.into_iter().map(|bind| {
            let source = bind
                .source
                .strip_prefix(folder)
                .expect("inside")
                .display()
                .to_string();
            format!(
                "{source}>{}{}",
                bind.target,
                if bind.read_only { ":ro" } else { "" }
            )
        });
        Ok(shown.collect())
    }

    #[test]
    fn parents_come_first_and_parts_are_made() {
        let folder = tempfile::tempdir().expect("a folder");
        let got = binds_of(
            folder.path(),
            json!([
                { "name": "v", "mountPath": "/a/b", "subPathExpr": "$(POD)/x" },
                { "name": "v", "mountPath": "/a", "readOnly": true },
            ]),
        );
        assert_eq!(
            got.as_deref(),
            Ok(["> /a:ro".replace(' ', ""), "pod-1/x>/a/b".to_owned()].as_slice())
        );
        assert!(folder.path().join("pod-1/x").is_dir());
    }

    #[test]
    fn a_part_outside_of_the_volume_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mounts = json!([{ "name": "v", "mountPath": "/a", "subPath": "../x" }]);
        assert!(binds_of(folder.path(), mounts).is_err());
    }
}
