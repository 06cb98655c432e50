//! Finds the line of a field. Only done when there is a mistake to tell, because it parses the
//! document once more, with the place of every node.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::yaml::{self, Document};

/// A document as a tree of places.
#[derive(Debug)]
pub(super) struct Places {
    /// Line of the file on which the document starts.
    line: u64,
    root: Spanned<Node>,
}

#[derive(Debug)]
enum Node {
    Map(Vec<(String, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
    Leaf,
}

impl Places {
    /// The places of a document, if it can be parsed.
    pub(super) fn of(document: &Document<'_>) -> Option<Self> {
        let root = serde_saphyr::from_str_with_options(document.text, yaml::options()).ok()?;
        Some(Self {
            line: document.line,
            root,
        })
    }

    /// The line of the field, or of the nearest object around it that is there.
    pub(super) fn line_of(&self, field: &str) -> u64 {
        let mut node = &self.root;
        let mut rest = field;
        while let Some((step, after)) = first_step(rest) {
            let Some(next) = node.value.step(step) else {
                break;
            };
            (node, rest) = (next, after);
        }
        self.line + node.referenced.line().max(1) - 1
    }
}

impl Node {
    fn step(&self, name: &str) -> Option<&Spanned<Self>> {
        match self {
            Self::Map(fields) => fields
                .iter()
                .find(|(field, _)| field == name)
                .map(|(_, node)| node),
            Self::List(items) => items.get(name.parse::<usize>().ok()?),
            Self::Leaf => None,
        }
    }
}

/// The first step of a path like `spec.rules[0].name`, and what follows it.
fn first_step(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(inner) = path.strip_prefix('[') {
        return inner.split_once(']');
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    (end > 0).then(|| path.split_at(end))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_enum<A: serde::de::EnumAccess<'de>>(self, data: A) -> Result<Node, A::Error> {
        data.variant::<IgnoredAny>().map(|_| Node::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_or_else_what_is_around_it() {
        let text = "# a comment\na: 1\n---\n\nkind: X\nspec:\n  rules:\n  - name: a\n    path:\n      \
                    value: /x\n  - {name: b}\nlabels: {a.b/c: 1}\n";
        let documents = yaml::split(text);
        let places = Places::of(&documents[1]).unwrap();
        let rows = [
            ("kind", 5),
            ("spec.rules[0].name", 8),
            ("spec.rules[0].path.value", 10),
            ("spec.rules[1].name", 11),
            ("spec.rules[0].path.type", 10),
            ("spec.rules[7].name", 8),
            ("labels[a.b/c]", 12),
            ("nothing", 5),
            ("", 5),
        ];
        for (field, line) in rows {
            assert_eq!(places.line_of(field), line, "{field}");
        }
    }
}
