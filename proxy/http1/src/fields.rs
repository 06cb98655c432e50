//! A field section (RFC 9112 section 5) as ranges of the buffer, read by `httparse` and then held
//! to CR LF. Knows nothing of what a field means.

use bytes::Bytes;
use smallvec::SmallVec;

/// What breaks a field section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Fold,
    LineEnding,
    Name,
    TooMany,
    Value,
}

/// One field: where its name and its trimmed value stand, counted from the section's start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

impl Field {
    pub(crate) fn name<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        &section[self.name.0 as usize..self.name.1 as usize]
    }

    pub(crate) fn value<'a>(&self, section: &'a [u8]) -> &'a [u8] {
        &section[self.value.0 as usize..self.value.1 as usize]
    }

    /// Where the value stands.
    pub(crate) fn value_range(&self) -> (u32, u32) {
        self.value
    }

    /// The value without a copy: a slice that keeps the whole buffer alive.
    pub(crate) fn shared_value(&self, section: &Bytes) -> Bytes {
        section.slice(self.value.0 as usize..self.value.1 as usize)
    }
}

/// The fields of one section, filled in place: too large to be handed about.
pub(crate) type Fields = SmallVec<[Field; FEW]>;

/// Most heads fit in the small table; the large one is set up only when needed.
const FEW: usize = 32;
const MANY: usize = 256;

/// Reads a section of at most `max` fields into `fields`, which must be empty; says how long the
/// section is with its empty line, or `None` if its end has not come yet.
pub(crate) fn parse(
    section: &[u8],
    max: usize,
    fields: &mut Fields,
) -> Result<Option<usize>, Fault> {
    // The commonest section, that of a bodiless trailer, is worth a short cut.
    if section.starts_with(b"\r\n") {
        return Ok(Some(2));
    }
    if u32::try_from(section.len()).is_err() {
        return Err(Fault::TooMany);
    }
    let mut few = [httparse::EMPTY_HEADER; FEW];
    let first = httparse::parse_headers(section, &mut few[..max.min(FEW)]);
    if matches!(first, Err(httparse::Error::TooManyHeaders)) && max > FEW {
        return parse_many(section, max, fields);
    }
    collect(section, first, fields)
}

/// Apart from `parse`, so that its large table is not set up for every head.
#[inline(never)]
fn parse_many(section: &[u8], max: usize, fields: &mut Fields) -> Result<Option<usize>, Fault> {
    let mut many = [httparse::EMPTY_HEADER; MANY];
    let parsed = httparse::parse_headers(section, &mut many[..max.min(MANY)]);
    collect(section, parsed, fields)
}

type Parsed<'s, 'h> = httparse::Result<(usize, &'h [httparse::Header<'s>])>;

fn collect(
    section: &[u8],
    parsed: Parsed<'_, '_>,
    fields: &mut Fields,
) -> Result<Option<usize>, Fault> {
    let (len, headers) = match parsed {
        Ok(httparse::Status::Complete(complete)) => complete,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(fault(section, error)),
    };
    // The parser takes a lone LF for a line's end, RAUTA does not (RFC 9112 section 2.2). No LF
    // stands inside a line, so looking before each line's start finds every one of them.
    if !section[..len].ends_with(b"\r\n\r\n") {
        return Err(Fault::LineEnding);
    }
    let base = section.as_ptr() as usize;
    for header in headers {
        let name = header.name.as_ptr() as usize - base;
        let value = header.value.as_ptr() as usize - base;
        if name >= 2 && section[name - 2] != b'\r' {
            return Err(Fault::LineEnding);
        }
        fields.push(Field {
            name: (offset(name), offset(name + header.name.len())),
            value: (offset(value), offset(value + header.value.len())),
        });
    }
    Ok(Some(len))
}

/// `parse` refuses what is longer than this can say.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Names the first fault. A folded line fails as a field name, so it is looked for: the first line
/// with leading white space is the culprit if all before it is sound.
fn fault(section: &[u8], error: httparse::Error) -> Fault {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => Fault::TooMany,
        Error::HeaderValue => Fault::Value,
        Error::NewLine => Fault::LineEnding,
        Error::HeaderName => {
            let folded = memchr::memchr_iter(b'\n', section)
                .map(|at| at + 1)
                .chain(std::iter::once(0))
                .filter(|&start| matches!(section.get(start), Some(b' ' | b'\t')))
                .min();
            let mut before = [httparse::EMPTY_HEADER; MANY];
            let sound = folded.is_some_and(|start| {
                httparse::parse_headers(&section[..start], &mut before).is_ok()
            });
            if sound { Fault::Fold } else { Fault::Name }
        }
        Error::Status | Error::Token | Error::Version => Fault::Name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(section: &str) -> Result<Option<Vec<String>>, Fault> {
        let mut fields = Fields::new();
        let parsed = parse(section.as_bytes(), 100, &mut fields)?;
        Ok(parsed.map(|_| {
            let text = |field: &Field| {
                let name = String::from_utf8_lossy(field.name(section.as_bytes())).into_owned();
                name + "=" + &String::from_utf8_lossy(field.value(section.as_bytes()))
            };
            fields.iter().map(text).collect()
        }))
    }

    #[test]
    fn sections_are_cut_into_names_and_trimmed_values() {
        let section = "Host: a\r\nX:\r\nY: \t b c \r\n\r\nrest";
        assert_eq!(
            names(section),
            Ok(Some(vec!["Host=a".into(), "X=".into(), "Y=b c".into()]))
        );
        assert_eq!(names("Host: a\r\n\r"), Ok(None));
    }

    #[test]
    fn faults_are_named() {
        for (section, fault) in [
            ("A: b\n\r\n", Fault::LineEnding),
            ("A: b\r\n\n", Fault::LineEnding),
            ("A: b\nC: d\r\n\r\n", Fault::LineEnding),
            ("A:\nC: d\r\n\r\n", Fault::LineEnding),
            ("\n", Fault::LineEnding),
            ("\rA: b\r\n\r\n", Fault::LineEnding),
            (" A: b\r\n\r\n", Fault::Fold),
            ("A: b\r\n c\r\n\r\n", Fault::Fold),
            ("A: b\r\n\tc\r\n\r\n", Fault::Fold),
            ("A: b\r\nbad\r\n c\r\n\r\n", Fault::Name),
            ("A : b\r\n\r\n", Fault::Name),
            (": b\r\n\r\n", Fault::Name),
            ("A(b): c\r\n\r\n", Fault::Name),
            ("A: b\rc\r\n\r\n", Fault::Value),
            ("A: b\0c\r\n\r\n", Fault::Value),
            ("A: \x7f\r\n\r\n", Fault::Value),
        ] {
            assert_eq!(names(section), Err(fault), "{section:?}");
        }
        for (count, max) in [(4, 3), (101, 100), (257, 1000)] {
            let many = "A: b\r\n".repeat(count);
            let parsed = parse(many.as_bytes(), max, &mut Fields::new());
            assert_eq!(parsed, Err(Fault::TooMany), "{count} of {max}");
        }
    }
}
