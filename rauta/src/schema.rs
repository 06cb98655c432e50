//! `rauta schema`: the JSON Schemas of all documents that leave RAUTA.

use crate::{EXIT_USAGE, log};
use serde_json::{Map, Value};
use std::process::ExitCode;

/// Prints one schema by its document's name, or all of them as one object by name.
pub(crate) fn run(name: Option<&str>) -> anyhow::Result<ExitCode> {
    let schemas = rauta_schemas::json_schemas();
    let names: Vec<_> = schemas.iter().map(|(name, _)| *name).collect();
    let mut by_name: Map<String, Value> = schemas
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema.to_value()))
        .collect();
    let shown = match name {
        None => Value::Object(by_name),
        Some(name) => match by_name.remove(name) {
            Some(schema) => schema,
            None => {
                let names = names.join(", ");
                log::error_line(&format!(
                    "there is no document `{name}`; there are: {names}"
                ));
                return Ok(ExitCode::from(EXIT_USAGE));
            }
        },
    };
    log::out(&format!("{shown:#}"))?;
    Ok(ExitCode::SUCCESS)
}
