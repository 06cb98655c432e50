//! The files of each kind of volume.

use super::*;
use crate::objects::payload_of;
use crate::pod::downward::tests::facts;
use serde_json::{Value, json};

fn objects() -> Objects {
    Objects::from([
        (
            Reference::new(Kind::Secret, "tls"),
            payload_of(&[("tls.crt", "C"), ("tls.key", "K")]),
        ),
        (
            Reference::new(Kind::ConfigMap, "map"),
            payload_of(&[("a", "1")]),
        ),
        (Reference::new(Kind::Secret, "absent"), None),
    ])
}

/// The files as `path=text:mode`.
fn check(volume: Value, expected: Result<&[&str], &str>) {
    let mut named = json!({ "name": "v" });
    named
        .as_object_mut()
        .expect("an object")
        .extend(volume.as_object().expect("one").clone());
    let volume: Volume = serde_json::from_value(named).expect("a volume");
    let key = TokenKey {
        audience: String::new(),
        seconds: 3607,
    };
    let inputs = Inputs {
        facts: &facts(json!({ "metadata": { "namespace": "n" }, "spec": { "containers": [] } })),
        objects: &objects(),
        tokens: &BTreeMap::from([(key, "token".to_owned())]),
        token_mode: Some(0o600),
    };
    let texts = files(&volume, &inputs).map(|files| {
        let texts = files.into_iter().map(|(path, file)| {
            format!(
                "{path}={}:{:o}",
                String::from_utf8_lossy(&file.bytes),
                file.mode
            )
        });
        texts.collect::<Vec<_>>()
    });
    let expected = expected.map(|texts| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>());
    assert_eq!(texts, expected.map_err(str::to_owned));
}

#[test]
fn a_secret_shows_all_keys_or_the_chosen_ones() {
    check(
        json!({ "secret": { "secretName": "tls" } }),
        Ok(&["tls.crt=C:644", "tls.key=K:644"]),
    );
    check(
        json!({ "secret": { "secretName": "tls", "defaultMode": 0o400, "items": [
            { "key": "tls.crt", "path": "crt" },
            { "key": "tls.key", "path": "deep/key", "mode": 0o440 },
        ] } }),
        Ok(&["crt=C:400", "deep/key=K:440"]),
    );
}

#[test]
fn what_is_missing_is_named_unless_it_is_optional() {
    check(
        json!({ "secret": { "secretName": "absent" } }),
        Err("secret \"absent\" not found"),
    );
    check(
        json!({ "secret": { "secretName": "absent", "optional": true } }),
        Ok(&[]),
    );
    let items = json!([{ "key": "none", "path": "x" }, { "key": "a", "path": "y" }]);
    check(
        json!({ "configMap": { "name": "map", "items": items } }),
        Err("references non-existent configmap key: none"),
    );
    check(
        json!({ "configMap": { "name": "map", "optional": true, "items": items } }),
        Ok(&["y=1:644"]),
    );
}

#[test]
fn the_volume_of_a_service_account_has_token_authority_and_namespace() {
    let sources = json!([
        { "serviceAccountToken": { "path": "token", "expirationSeconds": 3607 } },
        { "configMap": { "name": "map", "items": [{ "key": "a", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [
            { "path": "namespace", "fieldRef": { "fieldPath": "metadata.namespace" } },
        ] } },
    ]);
    check(
        json!({ "projected": { "sources": sources } }),
        Ok(&["ca.crt=1:644", "namespace=n:644", "token=token:600"]),
    );
}
