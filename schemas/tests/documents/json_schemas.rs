//! The committed JSON Schemas are those of the types.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rauta_schemas::json_schemas;

#[test]
fn committed_schemas_match_the_types() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch of `make schemas`, read by this test alone"
    )]
    let is_regenerating = std::env::var_os("RAUTA_REGENERATE").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    let mut stale = Vec::new();
    let mut expected = BTreeSet::new();
    for (name, schema) in json_schemas() {
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if is_regenerating {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&path, &text).expect("the schema can be written");
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            stale.push(name);
        }
        expected.insert(format!("{name}.json"));
    }
    assert!(
        stale.is_empty(),
        "schemas/json is behind the types for {stale:?}; run \
         `RAUTA_REGENERATE=1 cargo test -p rauta-schemas committed_schemas` and commit"
    );
    let entries = fs::read_dir(&folder).expect("the folder exists");
    let names = entries.map(|entry| entry.expect("readable").file_name());
    let found: BTreeSet<_> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    assert_eq!(found, expected, "no schema without its document");
}

#[test]
fn every_field_says_what_it_means() {
    let mut silent = Vec::new();
    for (name, schema) in json_schemas() {
        collect_silent(name, schema.as_value(), &mut silent);
    }
    assert!(
        silent.is_empty(),
        "fields without a description: {silent:?}"
    );
}

fn collect_silent(path: &str, schema: &serde_json::Value, silent: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
        for (field, property) in properties {
            if property.get("description").is_none() {
                silent.push(format!("{path}.{field}"));
            }
        }
    }
    if let Some(definitions) = schema.get("$defs").and_then(|d| d.as_object()) {
        for (name, definition) in definitions {
            collect_silent(&format!("{path}/{name}"), definition, silent);
        }
    }
}
