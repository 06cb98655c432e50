//! Flag over environment over file, as one value that remembers where each field came from.

use super::RawConfig;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One mistake of the user: where, what, and by its text what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The field's path, such as `proxy.workers`.
    pub(crate) field: String,
    /// Which layer said it, such as `environment RAUTA_PROXY_WORKERS`; empty where none did.
    pub(crate) origin: String,
    /// What is wrong and what to do.
    pub(crate) text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin.as_str() {
            "" => write!(f, "{}: {}", self.field, self.text),
            origin => write!(f, "{} ({origin}): {}", self.field, self.text),
        }
    }
}

/// The layers laid over each other so far. Lay the weakest first.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    value: Map<String, Value>,
    origins: BTreeMap<String, String>,
    mistakes: Vec<Mistake>,
}

impl Layers {
    /// Lays the text of a TOML file.
    pub(crate) fn file(&mut self, name: &str, text: &str) {
        match toml::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => self.merge("", fields, &|_| format!("file {name}")),
            Ok(_) => self.mistake("", &format!("file {name}"), "must hold a table of fields"),
            Err(error) => {
                let text = error.to_string().replace('\n', " ");
                self.mistake("configuration", &format!("file {name}"), &text);
            }
        }
    }

    /// Lays the environment: each field is `RAUTA_` and its path in capitals, dots as `_`.
    /// `read` looks a variable up; an empty one counts as not set.
    pub(crate) fn environment(&mut self, read: impl Fn(&str) -> Option<String>) {
        for (path, kind) in fields() {
            let name = variable(&path);
            if let Some(text) = read(&name).filter(|text| !text.is_empty()) {
                self.set(&path, kind.read(&text), format!("environment {name}"));
            }
        }
    }

    /// Lays one flag.
    pub(crate) fn flag(&mut self, path: &str, flag: &str, value: Value) {
        self.set(path, value, format!("flag {flag}"));
    }

    /// Reads all layers as one [`RawConfig`]. A field that cannot be read is reported and left
    /// out, so that one call finds every mistake.
    pub(crate) fn read(mut self) -> (RawConfig, Origins, Vec<Mistake>) {
        loop {
            match serde_path_to_error::deserialize::<_, RawConfig>(&Value::Object(
                self.value.clone(),
            )) {
                Ok(raw) => return (raw, Origins(self.origins), self.mistakes),
                Err(error) => {
                    let path = error.path().to_string();
                    let text = error.inner().to_string();
                    let leaf = unknown_field(&text).map_or(path.clone(), |field| match &*path {
                        "." => field.to_owned(),
                        path if path.ends_with(field) => path.to_owned(),
                        path => format!("{path}.{field}"),
                    });
                    let origin = self.origins.get(&leaf).cloned().unwrap_or_default();
                    self.mistake(&leaf, &origin, &text);
                    if !remove(&mut self.value, &leaf) {
                        // Nothing could be taken out: without this the loop would not end.
                        return (RawConfig::default(), Origins(self.origins), self.mistakes);
                    }
                }
            }
        }
    }

    fn merge(&mut self, prefix: &str, fields: Map<String, Value>, origin: &dyn Fn(&str) -> String) {
        for (name, value) in fields {
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                Value::Object(fields) => self.merge(&path, fields, origin),
                value => {
                    let origin = origin(&path);
                    self.set(&path, value, origin);
                }
            }
        }
    }

    pub(super) fn set(&mut self, path: &str, value: Value, origin: String) {
        self.origins.insert(path.to_owned(), origin);
        let mut fields = &mut self.value;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                fields.insert(name.to_owned(), value);
                return;
            }
            let section = fields
                .entry(name)
                .or_insert_with(|| Value::Object(Map::new()));
            if !section.is_object() {
                *section = Value::Object(Map::new());
            }
            let Value::Object(inner) = section else {
                return;
            };
            fields = inner;
        }
    }

    fn mistake(&mut self, field: &str, origin: &str, text: &str) {
        self.mistakes.push(Mistake {
            field: field.to_owned(),
            origin: origin.to_owned(),
            text: text.to_owned(),
        });
    }
}

/// Which layer said each field.
#[derive(Debug, Default)]
pub(crate) struct Origins(BTreeMap<String, String>);

impl Origins {
    /// The layer that said `field`, or an empty text.
    pub(crate) fn of(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }
}

/// The variable of a field.
pub(super) fn variable(path: &str) -> String {
    format!("RAUTA_{}", path.replace('.', "_").to_ascii_uppercase())
}

/// How a field's text in the environment is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    /// As it stands.
    Text,
    /// `true` or `false`, or a number: as JSON, or as it stands where it is none.
    Scalar,
    /// Parts between commas.
    List,
}

impl FieldKind {
    fn read(self, text: &str) -> Value {
        match self {
            Self::Text => Value::String(text.to_owned()),
            Self::Scalar => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
            Self::List => text
                .split(',')
                .map(|part| Value::from(part.trim()))
                .collect(),
        }
    }
}

/// Every field with its kind, from the same types that the file is read with.
pub(super) fn fields() -> Vec<(String, FieldKind)> {
    let schema = schemars::schema_for!(RawConfig).to_value();
    let mut found = Vec::new();
    collect(&schema, &schema, "", &mut found);
    found
}

fn collect(root: &Value, object: &Value, prefix: &str, found: &mut Vec<(String, FieldKind)>) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, field) in properties {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        match section(root, field) {
            Some(inner) => collect(root, inner, &path, found),
            None => found.push((path, kind(field))),
        }
    }
}

/// The object that an optional section's schema points at.
pub(super) fn section<'a>(root: &'a Value, field: &'a Value) -> Option<&'a Value> {
    let options = field.get("anyOf").and_then(Value::as_array);
    let reference = options
        .into_iter()
        .flatten()
        .chain(std::iter::once(field))
        .find_map(|option| option.get("$ref").and_then(Value::as_str))?;
    root.pointer(reference.strip_prefix('#')?)
}

fn kind(field: &Value) -> FieldKind {
    let is = |wanted: &str| match field.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    };
    if is("array") {
        FieldKind::List
    } else if is("string") {
        FieldKind::Text
    } else {
        FieldKind::Scalar
    }
}

/// The field's name in serde's message about a field that does not exist.
fn unknown_field(text: &str) -> Option<&str> {
    text.strip_prefix("unknown field `")?.split('`').next()
}

fn remove(fields: &mut Map<String, Value>, path: &str) -> bool {
    // A path into a list (`manifests[0]`) takes the whole list out.
    let path = path.split('[').next().unwrap_or(path);
    match path.split_once('.') {
        None => fields.remove(path).is_some(),
        Some((name, rest)) => match fields.get_mut(name) {
            Some(Value::Object(inner)) => remove(inner, rest),
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        file: &str,
        environment: &[(&str, &str)],
        flags: &[(&str, Value)],
    ) -> (RawConfig, Vec<Mistake>) {
        let mut layers = Layers::default();
        layers.file("rauta.toml", file);
        layers.environment(|name| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        });
        for (path, value) in flags {
            layers.flag(path, "--flag", value.clone());
        }
        let (raw, _, mistakes) = layers.read();
        (raw, mistakes)
    }

    #[test]
    fn flag_wins_over_environment_over_file() {
        let file = "port_offset = 1\nadmin = \"a\"\nmode = \"ingress\"";
        let environment = [("RAUTA_PORT_OFFSET", "2"), ("RAUTA_ADMIN", "b")];
        let (raw, mistakes) = read(file, &environment, &[("port_offset", 3.into())]);
        assert_eq!(mistakes, []);
        assert_eq!(raw.port_offset, Some(3));
        assert_eq!(raw.admin.as_deref(), Some("b"));
        assert_eq!(raw.mode.as_deref(), Some("ingress"));
    }

    #[test]
    fn environment_reads_numbers_booleans_and_lists_of_sections() {
        let environment = [
            ("RAUTA_K8S_MODE", "true"),
            ("RAUTA_PROXY_WORKERS", "4"),
            ("RAUTA_PROXY_TRUSTED_PEERS", "10.0.0.0/8, 127.0.0.1"),
            ("RAUTA_LOG_LEVEL", ""),
        ];
        let (raw, mistakes) = read("", &environment, &[]);
        assert_eq!(mistakes, []);
        assert_eq!(raw.k8s_mode, Some(true));
        assert_eq!(raw.log_level, None);
        let proxy = raw.proxy.expect("the section was made");
        assert_eq!(proxy.workers, Some(4));
        assert_eq!(
            proxy.trusted_peers,
            Some(vec!["10.0.0.0/8".into(), "127.0.0.1".into()])
        );
    }

    #[test]
    fn every_mistake_is_found_in_one_reading_with_its_path_and_origin() {
        let file = "modus = 1\nport_offset = \"x\"\n[proxy]\nworkers = -1\nspeed = 2";
        let (_, mut mistakes) = read(
            file,
            &[("RAUTA_ADMIN", "ok"), ("RAUTA_K8S_MODE", "maybe")],
            &[],
        );
        mistakes.sort_by(|a, b| a.field.cmp(&b.field));
        let found: Vec<_> = mistakes
            .iter()
            .map(|m| (m.field.as_str(), m.origin.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("k8s_mode", "environment RAUTA_K8S_MODE"),
                ("modus", "file rauta.toml"),
                ("port_offset", "file rauta.toml"),
                ("proxy.speed", "file rauta.toml"),
                ("proxy.workers", "file rauta.toml"),
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_toml_is_one_mistake() {
        let (_, mistakes) = read("mode = ", &[], &[]);
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert!(mistakes[0].origin.contains("rauta.toml"), "{mistakes:?}");
    }
}
