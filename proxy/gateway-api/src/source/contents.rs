//! What one file says: its documents, parsed and admitted, each judged on its own.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use serde_json::Value;

use super::locate::Places;
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
    let source = Source {
        file,
        place: Place {
            document: document.number,
            line: document.line,
        },
        text: Some(*document),
    };
    match yaml::parse(document) {
        Ok(value) => take(&source, value, hash_of(document.text), contents),
        Err(error) => refuse(&source, error, contents),
    }
}

fn read_json(file: &Path, text: &str, contents: &mut Contents) {
    let (values, error) = yaml::parse_json(text);
    for ((line, value), document) in values.into_iter().zip(1..) {
        contents.documents += 1;
        let source = Source {
            file,
            place: Place { document, line },
            text: None,
        };
        // JSON is read whole each time: the hash only has to tell one text from another.
        let hash = hash_of(&value.to_string());
        take(&source, value, hash, contents);
    }
    if let Some(error) = error {
        let place = Place {
            document: contents.documents + 1,
            line: error.line,
        };
        refuse(
            &Source {
                file,
                place,
                text: None,
            },
            error,
            contents,
        );
    }
}

/// What is being read: one document of a file.
struct Source<'a> {
    file: &'a Path,
    place: Place,
    /// The document, if the lines of its fields can be found.
    text: Option<Document<'a>>,
}

impl Source<'_> {
    fn mistake(&self, severity: Severity, object: Option<String>, what: String) -> Mistake {
        Mistake {
            severity,
            file: self.file.to_owned(),
            document: Some(self.place.document),
            line: Some(self.place.line),
            object,
            field: None,
            what,
            fix: String::new(),
        }
    }
}

/// Records a document that could not be parsed: it could hold any object.
fn refuse(source: &Source<'_>, error: yaml::SyntaxError, contents: &mut Contents) {
    contents.refused_unknown = true;
    contents.mistakes.push(Mistake {
        line: Some(error.line),
        fix: "mend the document; until then the last good objects serve".to_owned(),
        ..source.mistake(Severity::Error, None, error.what)
    });
}

/// Takes a value: an object, or a list of objects.
fn take(source: &Source<'_>, mut value: Value, hash: TextHash, contents: &mut Contents) {
    if let Some(items) = list_items(&mut value) {
        for (index, item) in items.into_iter().enumerate() {
            // One text holds many objects here, so each gets a hash of its own.
            let hash = hash_of(&(hash, index));
            take_object(source, item, hash, &format!("items[{index}]."), contents);
        }
        return;
    }
    take_object(source, value, hash, "", contents);
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

fn take_object(
    source: &Source<'_>,
    value: Value,
    text: TextHash,
    within: &str,
    contents: &mut Contents,
) {
    let place = source.place;
    match admit::admit(value) {
        Verdict::Admitted { object, unknown } => {
            let key = object.key();
            let what = "the field is not known and has no effect";
            let found = unknown.into_iter().map(|field| Mistake {
                field: Some(field),
                fix: "check its spelling and indentation, or remove it".to_owned(),
                ..source.mistake(Severity::Warning, Some(key.to_string()), what.to_owned())
            });
            tell(source, within, found.collect(), contents);
            contents.entries.push(Entry {
                key,
                object: Some(object),
                text,
                place,
            });
        }
        Verdict::Ignored { name, gateway_api } => {
            let (severity, what, fix) = if gateway_api {
                let what = "the kind is not supported yet, the object has no effect";
                (Severity::Warning, what, "do not rely on it")
            } else {
                (
                    Severity::Info,
                    "the kind is of no concern to routing",
                    "nothing needs to be done",
                )
            };
            let fix = fix.to_owned();
            let found = Mistake {
                fix,
                ..source.mistake(severity, Some(name), what.to_owned())
            };
            contents.mistakes.push(found);
        }
        Verdict::Rejected { name, key, errors } => {
            let found = errors.into_iter().map(|error| {
                let what = match &error.value {
                    Some(value) => format!("{} (is {value})", error.what),
                    None => error.what,
                };
                Mistake {
                    field: Some(error.field),
                    fix: error.fix,
                    ..source.mistake(Severity::Error, Some(name.clone()), what)
                }
            });
            tell(source, within, found.collect(), contents);
            contents.refused_unknown |= key.is_none();
            contents.refused.extend(key);
        }
    }
}

/// Records mistakes of fields, each with its line.
fn tell(source: &Source<'_>, within: &str, mut found: Vec<Mistake>, contents: &mut Contents) {
    if !found.is_empty()
        && let Some(places) = source.text.as_ref().and_then(Places::of)
    {
        for mistake in &mut found {
            let field = mistake.field.as_deref().unwrap_or_default();
            mistake.line = Some(places.line_of(&format!("{within}{field}")));
        }
    }
    contents.mistakes.extend(found);
}

fn hash_of(value: &(impl Hash + ?Sized)) -> TextHash {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
