//! A pod's volumes: made before its containers start, kept up to date while they run.

mod host_path; // what of the node a pod may see
mod mounts; // which container sees what where
mod payload; // which files a volume has
mod tokens; // who the pod is to the API server
mod write; // how they get there

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodSpec, Volume};
use kube::{Client, ResourceExt};
use nix::mount::MsFlags;

pub(super) use mounts::binds;

use self::payload::{Inputs, TokenKey};
use self::tokens::Tokens;
use self::write::Ownership;
use super::downward::Facts;
use super::{security, token};
use crate::clock;
use crate::launch::mounts::memory;
use crate::objects;

/// A pod's volumes and where they are on the node.
pub(super) struct Volumes {
    client: Client,
    facts: Facts,
    volumes: Vec<Volume>,
    folder: PathBuf,
    ownership: Ownership,
    tokens: Tokens,
}

/// Which volume could not be made, and why.
#[derive(Debug, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {reason}")]
pub(super) struct Failure {
    volume: String,
    reason: String,
}

impl Volumes {
    /// The volumes of a pod under `folder`; none is made yet.
    pub(super) fn new(client: Client, facts: Facts, folder: PathBuf) -> Self {
        let spec = facts.pod.spec.clone().unwrap_or_default();
        Volumes {
            client,
            ownership: Ownership {
                user: token_owner(&spec),
                group: security::fs_group(&spec),
            },
            volumes: spec.volumes.unwrap_or_default(),
            facts,
            folder,
            tokens: Tokens::default(),
        }
    }

    /// Tells the volumes that show them the pod's addresses.
    pub(super) fn has_addresses(&mut self, ips: Vec<IpAddr>) {
        self.facts.pod_ips = ips;
    }

    /// Makes each volume; may be repeated when one could not be made.
    pub(super) async fn set_up(&mut self) -> Result<(), Failure> {
        for volume in self.volumes.clone() {
            self.set_up_one(&volume).await.map_err(|reason| Failure {
                volume: volume.name.clone(),
                reason,
            })?;
        }
        Ok(())
    }

    /// Brings what objects and tokens say now into the volumes that show them.
    pub(super) async fn refresh(&mut self, pod: &Arc<Pod>) -> Result<(), Failure> {
        self.facts.pod = pod.clone();
        for volume in self.volumes.clone() {
            if payload::is_made_of_files(&volume) {
                self.write_files(&volume).await.map_err(|reason| Failure {
                    volume: volume.name.clone(),
                    reason,
                })?;
            }
        }
        Ok(())
    }

    /// Where each volume is on the node.
    pub(super) fn sources(&self) -> BTreeMap<String, PathBuf> {
        let source = |volume: &Volume| match &volume.host_path {
            Some(host_path) => PathBuf::from(&host_path.path),
            None => self.folder.join(&volume.name),
        };
        self.volumes
            .iter()
            .map(|v| (v.name.clone(), source(v)))
            .collect()
    }

    async fn set_up_one(&mut self, volume: &Volume) -> Result<(), String> {
        if let Some(host_path) = &volume.host_path {
            return host_path::check(host_path);
        }
        let folder = self.folder.join(&volume.name);
        let is_new = !folder.exists();
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        if payload::is_made_of_files(volume) {
            return self.write_files(volume).await;
        }
        match &volume.empty_dir {
            Some(empty) if is_new => {
                let size = empty.size_limit.as_ref().map(|limit| limit.0.as_str());
                make_empty(&folder, empty.medium.as_deref(), size, self.ownership.group)
            }
            Some(_) => Ok(()),
            None => Err("volumes of this kind are not supported".to_owned()),
        }
    }

    async fn write_files(&mut self, volume: &Volume) -> Result<(), String> {
        let namespace = self.facts.pod.namespace().unwrap_or_default();
        let references = payload::references(volume);
        let objects = objects::read(&self.client, &namespace, references).await;
        let objects = objects.map_err(|error| error.to_string())?;
        self.renew_tokens(payload::tokens(volume)).await?;
        let private = self.ownership != Ownership::default();
        let inputs = Inputs {
            facts: &self.facts,
            objects: &objects,
            tokens: &self.tokens.texts(),
            token_mode: private.then_some(0o600),
        };
        let files = payload::files(volume, &inputs)?;
        // A volume with a token belongs to the pod's user; others are root's.
        let has_token = !payload::tokens(volume).is_empty();
        let ownership = Ownership {
            user: self
                .ownership
                .user
                .filter(|_| has_token && self.ownership.group.is_none()),
            group: self.ownership.group,
        };
        let folder = self.folder.join(&volume.name);
        write::write(&folder, &files, ownership)
            .map(drop)
            .map_err(|error| format!("its files cannot be written: {error}"))
    }

    async fn renew_tokens(&mut self, wanted: BTreeSet<TokenKey>) -> Result<(), String> {
        let (client, pod) = (&self.client, &self.facts.pod);
        let account = self.facts.service_account();
        let ask = |key: TokenKey| {
            let account = account.clone();
            async move {
                let wanted = token::Wanted {
                    account: &account,
                    audience: &key.audience,
                    seconds: key.seconds,
                };
                token::request(client, pod, wanted).await
            }
        };
        self.tokens.renew(wanted, clock::now(), ask).await
    }
}

/// The user to whom tokens belong: the one as whom all containers run, if it is one.
fn token_owner(spec: &PodSpec) -> Option<u32> {
    let of_pod = spec
        .security_context
        .as_ref()
        .and_then(|context| context.run_as_user);
    let users: BTreeSet<Option<i64>> = super::downward::all_containers(spec)
        .map(|container| {
            let own = container.security_context.as_ref();
            own.and_then(|context| context.run_as_user).or(of_pod)
        })
        .collect();
    match Vec::from_iter(users).as_slice() {
        [Some(user)] => u32::try_from(*user).ok(),
        _ => None,
    }
}

fn make_empty(
    folder: &Path,
    medium: Option<&str>,
    size: Option<&str>,
    group: Option<u32>,
) -> Result<(), String> {
    let mode = if group.is_some() { 0o2777 } else { 0o777 };
    if medium == Some("Memory") {
        let bytes = size
            .and_then(super::quantity::millis)
            .map(|millis| millis / 1000);
        let size = bytes
            .map(|bytes| format!(",size={bytes}"))
            .unwrap_or_default();
        let options = format!("mode={mode:o}{size}");
        memory(folder, &options, MsFlags::MS_NOSUID | MsFlags::MS_NODEV)
            .map_err(|error| format!("{error:#}"))?;
    }
    let owned = match group {
        Some(group) => chown(folder, None, Some(group)),
        None => Ok(()),
    };
    owned
        .and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(mode)))
        .map_err(|error| error.to_string())
}
