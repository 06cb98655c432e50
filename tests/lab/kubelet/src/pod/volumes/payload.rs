//! What files a volume has, out of the objects that it names. Pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, KeyToPath, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use crate::objects::{Kind, Objects, Payload, Reference};
use crate::pod::downward::Facts;

/// A file's bytes and mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// A volume's files by their path in it.
pub(super) type Files = BTreeMap<String, File>;

/// A service-account token that a volume shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenKey {
    /// Whom it is for; empty: the API server.
    pub(super) audience: String,
    pub(super) seconds: i64,
}

/// What files are made of.
pub(super) struct Inputs<'a> {
    pub(super) facts: &'a Facts,
    pub(super) objects: &'a Objects,
    pub(super) tokens: &'a BTreeMap<TokenKey, String>,
    /// The mode of tokens, if it is not the volume's default.
    pub(super) token_mode: Option<u32>,
}

const DEFAULT_MODE: i32 = 0o644;
/// Kubernetes' own default for tokens without `expirationSeconds`.
const TOKEN_SECONDS: i64 = 3600;

/// Whether the volume consists of files that the kubelet writes.
pub(super) fn is_made_of_files(volume: &Volume) -> bool {
    volume.secret.is_some()
        || volume.config_map.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some()
}

/// The objects that a volume shows.
pub(super) fn references(volume: &Volume) -> BTreeSet<Reference> {
    let secret = volume
        .secret
        .iter()
        .filter_map(|s| s.secret_name.as_deref());
    let maps = volume.config_map.iter().map(|m| m.name.as_str());
    let mut references: BTreeSet<Reference> = secret
        .map(|name| Reference::new(Kind::Secret, name))
        .chain(maps.map(|name| Reference::new(Kind::ConfigMap, name)))
        .collect();
    for source in projections(volume) {
        let secret = source
            .secret
            .iter()
            .map(|s| Reference::new(Kind::Secret, &s.name));
        let map = source
            .config_map
            .iter()
            .map(|m| Reference::new(Kind::ConfigMap, &m.name));
        references.extend(secret.chain(map));
    }
    references
}

/// The tokens that a volume shows.
pub(super) fn tokens(volume: &Volume) -> BTreeSet<TokenKey> {
    let sources = projections(volume).filter_map(|source| source.service_account_token.as_ref());
    sources.map(token_key).collect()
}

fn projections(volume: &Volume) -> impl Iterator<Item = &VolumeProjection> {
    volume
        .projected
        .iter()
        .flat_map(|projected| projected.sources.iter().flatten())
}

fn token_key(source: &ServiceAccountTokenProjection) -> TokenKey {
    TokenKey {
        audience: source.audience.clone().unwrap_or_default(),
        seconds: source.expiration_seconds.unwrap_or(TOKEN_SECONDS),
    }
}

/// All files of a volume, or why there are none.
pub(super) fn files(volume: &Volume, inputs: &Inputs<'_>) -> Result<Files, String> {
    if let Some(secret) = &volume.secret {
        return secret_files(secret, inputs);
    }
    if let Some(map) = &volume.config_map {
        return config_map_files(map, inputs);
    }
    if let Some(downward) = &volume.downward_api {
        let mode = downward.default_mode.unwrap_or(DEFAULT_MODE);
        return downward_files(downward.items.as_deref().unwrap_or_default(), mode, inputs);
    }
    let default = volume
        .projected
        .as_ref()
        .and_then(|projected| projected.default_mode);
    let mode = default.unwrap_or(DEFAULT_MODE);
    let mut all = Files::new();
    for source in projections(volume) {
        all.extend(projected_files(source, mode, inputs)?);
    }
    Ok(all)
}

fn secret_files(secret: &SecretVolumeSource, inputs: &Inputs<'_>) -> Result<Files, String> {
    let name = secret.secret_name.as_deref().unwrap_or_default();
    let selection = Selection {
        reference: Reference::new(Kind::Secret, name),
        optional: secret.optional.unwrap_or(false),
        items: secret.items.as_deref().unwrap_or_default(),
        mode: secret.default_mode.unwrap_or(DEFAULT_MODE),
    };
    selection.files(inputs.objects)
}

fn config_map_files(map: &ConfigMapVolumeSource, inputs: &Inputs<'_>) -> Result<Files, String> {
    let selection = Selection {
        reference: Reference::new(Kind::ConfigMap, &map.name),
        optional: map.optional.unwrap_or(false),
        items: map.items.as_deref().unwrap_or_default(),
        mode: map.default_mode.unwrap_or(DEFAULT_MODE),
    };
    selection.files(inputs.objects)
}

fn projected_files(
    source: &VolumeProjection,
    mode: i32,
    inputs: &Inputs<'_>,
) -> Result<Files, String> {
    if let Some(secret) = &source.secret {
        let selection = Selection {
            reference: Reference::new(Kind::Secret, &secret.name),
            optional: secret.optional.unwrap_or(false),
            items: secret.items.as_deref().unwrap_or_default(),
            mode,
        };
        return selection.files(inputs.objects);
    }
    if let Some(map) = &source.config_map {
        let selection = Selection {
            reference: Reference::new(Kind::ConfigMap, &map.name),
            optional: map.optional.unwrap_or(false),
            items: map.items.as_deref().unwrap_or_default(),
            mode,
        };
        return selection.files(inputs.objects);
    }
    if let Some(downward) = &source.downward_api {
        return downward_files(downward.items.as_deref().unwrap_or_default(), mode, inputs);
    }
    if let Some(token) = &source.service_account_token {
        let text = inputs.tokens.get(&token_key(token));
        let text = text.ok_or("the service account's token is not there yet")?;
        let mode = inputs.token_mode.unwrap_or(bits(mode));
        let file = File {
            bytes: text.clone().into_bytes(),
            mode,
        };
        return Ok(Files::from([(token.path.clone(), file)]));
    }
    Err("a projected source of this kind is not supported".to_owned())
}

fn downward_files(
    items: &[DownwardAPIVolumeFile],
    mode: i32,
    inputs: &Inputs<'_>,
) -> Result<Files, String> {
    let mut files = Files::new();
    for item in items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => inputs.facts.field(&field.field_path)?,
            (None, Some(resource)) => inputs.facts.resource("", resource)?,
            (None, None) => return Err(format!("item {:?} names no field", item.path)),
        };
        let file = File {
            bytes: text.into_bytes(),
            mode: bits(item.mode.unwrap_or(mode)),
        };
        files.insert(item.path.clone(), file);
    }
    Ok(files)
}

/// What a volume takes from one object.
struct Selection<'a> {
    reference: Reference,
    optional: bool,
    items: &'a [KeyToPath],
    mode: i32,
}

impl Selection<'_> {
    fn files(&self, objects: &Objects) -> Result<Files, String> {
        match objects.get(&self.reference).and_then(Option::as_ref) {
            Some(payload) => self.of(payload),
            None if self.optional => Ok(Files::new()),
            None => {
                let Reference { kind, name } = &self.reference;
                Err(format!("{} {name:?} not found", kind.word()))
            }
        }
    }

    fn of(&self, payload: &Payload) -> Result<Files, String> {
        if self.items.is_empty() {
            let all = payload
                .iter()
                .map(|(key, bytes)| (key.clone(), file(bytes, self.mode)));
            return Ok(all.collect());
        }
        let mut files = Files::new();
        for item in self.items {
            match payload.get(&item.key) {
                Some(bytes) => {
                    let mode = item.mode.unwrap_or(self.mode);
                    files.insert(item.path.clone(), file(bytes, mode));
                }
                None if self.optional => {}
                None => {
                    let kind = self.reference.kind.word();
                    return Err(format!("references non-existent {kind} key: {}", item.key));
                }
            }
        }
        Ok(files)
    }
}

fn file(bytes: &[u8], mode: i32) -> File {
    File {
        bytes: bytes.to_vec(),
        mode: bits(mode),
    }
}

fn bits(mode: i32) -> u32 {
    // The API server has checked that it is between 0 and 0777.
    u32::try_from(mode).unwrap_or_default() & 0o777
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
