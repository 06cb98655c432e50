//! What one file says: its documents, parsed and admitted, each judged on its own.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;

use super::yaml::{self, Document};
use super::{Mistake, Severity};
use crate::object::admit::{self, Verdict};
use crate::object::{Object, ObjectKey};

/// Hash of the text an object was read from.
pub(super) type TextHash = u64;

/// Where in a file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) document: usize,
    pub(super) line: u64,
}

/// One admitted object of a file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: ObjectKey,
    /// Absent if the document's text is the one that is being served already.
    pub(super) object: Option<Object>,
    pub(super) text: TextHash,
    pub(super) place: Place,
}

/// Everything one file says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) entries: Vec<Entry>,
    /// Objects that the file names but that were refused: their last good state serves on.
    pub(super) refused: Vec<ObjectKey>,
    /// Something was refused that could be any object.
    pub(super) refused_unknown: bool,
    /// How many documents have content.
    pub(super) documents: usize,
    pub(super) mistakes: Vec<Mistake>,
}

impl Contents {
    /// Every object that the file names, admitted or refused.
    pub(super) fn named(&self) -> HashSet<&ObjectKey> {
        self.entries
            .iter()
            .map(|entry| &entry.key)
            .chain(&self.refused)
            .collect()
    }
}

/// What is served from a file already: text by hash, and the object it holds.
pub(super) type Served = HashMap<TextHash, ObjectKey>;

/// Reads all documents of a file. Documents whose text is in `served` are not parsed again.
pub(super) fn read(file: &Path, text: &str, served: &Served) -> Contents {
    let mut contents = Contents::default();
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        read_json(file, text, &mut contents);
        return contents;
    }
    for document in yaml::split(text) {
        contents.documents += 1;
        let place = Place {
            document: document.number,
            line: document.line,
        };
        let hash = hash_of(document.text);
        if let Some(key) = served.get(&hash) {
            contents.entries.push(Entry {
                key: key.clone(),
                object: None,
                text: hash,
                place,
            });
            continue;
        }
        read_document(file, &document, &mut contents);
    }
    contents
}

fn read_document(file: &Path, document: &Document<'_>, contents: &mut Contents) {
    let place = Place {
        document: document.number,
        line: document.line,
    };
    let hash = hash_of(document.text);
    match yaml::parse(document) {
        Ok(value) => take(file, value, hash, place, contents),
        Err(error) => {
            contents.refused_unknown = true;
            let place = Place {
                line: error.line,
                ..place
            };
            contents
                .mistakes
                .push(syntax_mistake(file, place, error.what));
        }
    }
}

fn read_json(file: &Path, text: &str, contents: &mut Contents) {
    let (values, error) = yaml::parse_json(text);
    for ((line, value), document) in values.into_iter().zip(1..) {
        contents.documents += 1;
        // JSON is read whole each time: the hash only has to tell one text from another.
        let hash = hash_of(&value.to_string());
        take(file, value, hash, Place { document, line }, contents);
    }
    if let Some(error) = error {
        contents.refused_unknown = true;
        let document = contents.documents + 1;
        let place = Place {
            document,
            line: error.line,
        };
        contents
            .mistakes
            .push(syntax_mistake(file, place, error.what));
    }
}

fn syntax_mistake(file: &Path, place: Place, what: String) -> Mistake {
    Mistake {
        severity: Severity::Error,
        file: file.to_owned(),
        document: Some(place.document),
        line: Some(place.line),
        object: None,
        field: None,
        what,
        fix: "mend the document; until then the last good objects serve".to_owned(),
    }
}

/// Takes a value: an object, or a list of objects.
fn take(file: &Path, mut value: Value, hash: TextHash, place: Place, contents: &mut Contents) {
    if let Some(items) = list_items(&mut value) {
        for (index, item) in items.into_iter().enumerate() {
            // One text holds many objects here, so each gets a hash of its own.
            let hash = hash_of(&(hash, index));
            take_object(file, item, hash, place, contents);
        }
        return;
    }
    take_object(file, value, hash, place, contents);
}

/// The items of a `List`, or of a list of one kind as `kubectl get -o yaml` prints it.
fn list_items(value: &mut Value) -> Option<Vec<Value>> {
    let kind = value.get("kind").and_then(Value::as_str)?;
    if !kind.ends_with("List") {
        return None;
    }
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => Some(items),
        _ => None,
    }
}

fn take_object(file: &Path, value: Value, text: TextHash, place: Place, contents: &mut Contents) {
    let mut say = |severity, object: String, field: Option<String>, what, fix: &str| {
        contents.mistakes.push(Mistake {
            severity,
            file: file.to_owned(),
            document: Some(place.document),
            line: Some(place.line),
            object: Some(object),
            field,
            what,
            fix: fix.to_owned(),
        });
    };
    match admit::admit(value) {
        Verdict::Admitted { object, unknown } => {
            let key = object.key();
            for field in unknown {
                let what = "the field is not known and has no effect".to_owned();
                let fix = "check its spelling and indentation, or remove it";
                say(Severity::Warning, key.to_string(), Some(field), what, fix);
            }
            contents.entries.push(Entry {
                key,
                object: Some(object),
                text,
                place,
            });
        }
        Verdict::Ignored {
            name,
            gateway_api: true,
        } => {
            let what = "the kind is not supported yet, the object has no effect".to_owned();
            say(Severity::Warning, name, None, what, "do not rely on it");
        }
        Verdict::Ignored {
            name,
            gateway_api: false,
        } => {
            let what = "the kind is of no concern to routing".to_owned();
            say(Severity::Info, name, None, what, "nothing needs to be done");
        }
        Verdict::Rejected { name, key, errors } => {
            for error in errors {
                let what = match &error.value {
                    Some(value) => format!("{} (is {value})", error.what),
                    None => error.what,
                };
                say(
                    Severity::Error,
                    name.clone(),
                    Some(error.field),
                    what,
                    &error.fix,
                );
            }
            contents.refused_unknown |= key.is_none();
            contents.refused.extend(key);
        }
    }
}

fn hash_of(value: &(impl Hash + ?Sized)) -> TextHash {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
