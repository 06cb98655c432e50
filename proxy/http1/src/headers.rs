//! A head's fields, in the order in which they stand: a plain list, for heads are short. A value
//! that was received is a range of the section it came in, which is kept as a whole; nothing is
//! hashed, and nothing is copied or counted per field.
//!
//! Looking a name up is one pass over the list. Whoever asks for many makes one pass for all, with
//! [`Headers::retain`] or [`Headers::iter`].

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// The fields of a head, or of a response that RAUTA makes.
#[derive(Clone, Default)]
pub struct Headers {
    /// What received values are ranges of.
    section: Bytes,
    fields: Vec<Field>,
}

#[derive(Clone)]
struct Field {
    name: HeaderName,
    value: Value,
}

#[derive(Clone)]
enum Value {
    /// From and to in the section.
    Received(u32, u32),
    /// Of RAUTA's own making, or by way of HTTP/2.
    Made(HeaderValue),
}

/// Room for what a gateway adds (forwarding, identity, tracing), so that the list never grows.
const ADDED_FIELDS: usize = 8;

impl Headers {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields yet, with room for `count` out of `section` and for what is added to them.
    pub(crate) fn received(section: Bytes, count: usize) -> Self {
        Self {
            section,
            fields: Vec::with_capacity(count + ADDED_FIELDS),
        }
    }

    /// Adds a field whose value stands at `range` in the section and was found sound.
    pub(crate) fn receive(&mut self, name: HeaderName, (from, to): (u32, u32)) {
        let value = Value::Received(from, to);
        self.fields.push(Field { name, value });
    }

    /// How many fields there are, each of several with one name counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Are there no fields?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &[u8])> {
        let fields = self.fields.iter();
        fields.map(|field| (&field.name, self.bytes(field)))
    }

    /// Names and values, in order, to be put elsewhere.
    pub fn entries(&self) -> impl Iterator<Item = (&HeaderName, HeaderValue)> {
        let fields = self.fields.iter();
        fields.filter_map(|field| Some((&field.name, self.share(field)?)))
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        let found = self.fields.iter().find(|field| field.name == *name);
        found.map(|field| self.bytes(field))
    }

    /// The values of all fields of this name, in order.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter().filter(move |field| field.name == *name);
        fields.map(|field| self.bytes(field))
    }

    /// The value of the first field of this name, to be put elsewhere.
    #[must_use]
    pub fn value(&self, name: &HeaderName) -> Option<HeaderValue> {
        let found = self.fields.iter().find(|field| field.name == *name);
        found.and_then(|field| self.share(field))
    }

    /// Is there a field of this name?
    #[must_use]
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.fields.iter().any(|field| field.name == *name)
    }

    /// Adds a field behind all others.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        let value = Value::Made(value);
        self.fields.push(Field { name, value });
    }

    /// Puts a field in the place of all of its name, or behind all others.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) {
        let mut of_name = |field: &Field| field.name == name;
        let Some(first) = self.fields.iter().position(&mut of_name) else {
            return self.append(name, value);
        };
        self.fields[first].value = Value::Made(value);
        let mut at = 0;
        self.fields.retain(|field| {
            at += 1;
            at - 1 <= first || field.name != name
        });
    }

    /// Takes all fields of this name out; says whether there were any.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        let is_there = self.contains(name);
        if is_there {
            self.fields.retain(|field| field.name != *name);
        }
        is_there
    }

    /// Takes out what `keep` says no to.
    pub fn retain(&mut self, mut keep: impl FnMut(&HeaderName, &[u8]) -> bool) {
        let section = &self.section;
        self.fields
            .retain(|field| keep(&field.name, bytes(section, &field.value)));
    }

    /// Takes all fields out, and lets go of the section that they came in.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The fields that `keep` says yes to, as HTTP/2 machinery wants them. Values are shared, not
    /// copied.
    pub fn to_map(&self, keep: impl Fn(&HeaderName) -> bool) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.len() + 1);
        for field in self.fields.iter().filter(|field| keep(&field.name)) {
            if let Some(value) = self.share(field) {
                map.append(field.name.clone(), value);
            }
        }
        map
    }

    fn bytes<'a>(&'a self, field: &'a Field) -> &'a [u8] {
        bytes(&self.section, &field.value)
    }

    /// A section holds no byte that a value could not: its parser saw to that.
    fn share(&self, field: &Field) -> Option<HeaderValue> {
        match &field.value {
            Value::Received(from, to) => {
                let received = self.section.slice(*from as usize..*to as usize);
                HeaderValue::from_maybe_shared(received).ok()
            }
            Value::Made(value) => Some(value.clone()),
        }
    }
}

fn bytes<'a>(section: &'a [u8], value: &'a Value) -> &'a [u8] {
    match value {
        Value::Received(from, to) => &section[*from as usize..*to as usize],
        Value::Made(value) => value.as_bytes(),
    }
}

/// In the map's order: fields of one name stand together.
impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut headers = Self::received(Bytes::new(), map.len());
        for (name, value) in map {
            // Only the first of several has its name along.
            let name = name.or_else(|| headers.fields.last().map(|before| before.name.clone()));
            if let Some(name) = name {
                headers.append(name, value);
            }
        }
        headers
    }
}

impl Extend<(HeaderName, HeaderValue)> for Headers {
    fn extend<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, fields: T) {
        for (name, value) in fields {
            self.append(name, value);
        }
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: T) -> Self {
        let mut headers = Self::default();
        headers.extend(fields);
        headers
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |(name, value): (_, &[u8])| (name, value.escape_ascii().to_string());
        f.debug_map().entries(self.iter().map(text)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{ACCEPT, VARY, VIA};

    fn shown(headers: &Headers) -> String {
        let text = |(name, value)| format!("{name}: {}", str::from_utf8(value).unwrap());
        headers.iter().map(text).collect::<Vec<_>>().join(", ")
    }

    fn received() -> Headers {
        let mut headers = Headers::received(Bytes::from_static(b"one two three"), 3);
        headers.receive(VIA, (0, 3));
        headers.receive(VARY, (4, 7));
        headers.receive(VIA, (8, 13));
        headers
    }

    #[test]
    fn fields_keep_their_order_and_are_found_by_name() {
        let headers = received();
        assert_eq!(shown(&headers), "via: one, vary: two, via: three");
        assert_eq!(headers.get(&VIA), Some(&b"one"[..]));
        assert_eq!(headers.get_all(&VIA).count(), 2);
        assert_eq!(headers.value(&VARY).unwrap(), "two");
        assert!(!headers.contains(&ACCEPT));
    }

    #[test]
    fn fields_are_set_added_and_removed() {
        let value = HeaderValue::from_static;
        let mut headers = received();
        headers.insert(VIA, value("new"));
        headers.append(VARY, value("more"));
        headers.insert(ACCEPT, value("all"));
        assert_eq!(
            shown(&headers),
            "via: new, vary: two, vary: more, accept: all"
        );
        assert!(headers.remove(&VARY));
        assert!(!headers.remove(&VARY));
        headers.retain(|_, value| value != b"all");
        assert_eq!(shown(&headers), "via: new");
        headers.clear();
        assert!(headers.is_empty());
    }

    #[test]
    fn a_map_and_back_is_the_same() {
        let map = received().to_map(|name| *name != ACCEPT);
        assert_eq!(map.get_all(VIA).iter().count(), 2);
        assert_eq!(
            shown(&Headers::from(map)),
            "via: one, via: three, vary: two"
        );
        assert!(received().to_map(|_| false).is_empty());
    }
}
