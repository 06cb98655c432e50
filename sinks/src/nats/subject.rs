//! Templates of subjects: fixed words and words of the anomaly, between dots.

use rauta_schemas::{ObserverEvent, Producer};

/// The most bytes that a word of a subject has; longer ones are cut.
const WORD_BYTES_MAX: usize = 64;
/// The most words that a subject has.
const WORDS_MAX: usize = 16;

/// What a word of a subject is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Fixed(String),
    Cluster,
    Node,
    Namespace,
    Kind,
    Type,
    Subtype,
}

const PLACES: [(&str, Word); 6] = [
    ("{cluster}", Word::Cluster),
    ("{node}", Word::Node),
    ("{namespace}", Word::Namespace),
    ("{kind}", Word::Kind),
    ("{type}", Word::Type),
    ("{subtype}", Word::Subtype),
];

/// A template such as `rauta.v1.{cluster}.{namespace}.{kind}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectTemplate {
    text: String,
    words: Vec<Word>,
}

/// Why a text is no template of subjects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// A word is neither fixed nor known.
    #[error(
        "`{0}` is no word of a subject; write letters, digits, - and _, or one of {{cluster}}, \
         {{node}}, {{namespace}}, {{kind}}, {{type}}, {{subtype}}"
    )]
    Word(String),
    /// A stream could not be bound to it.
    #[error("must begin with a fixed word, so that a stream can be bound to it")]
    Beginning,
    /// Servers and subscribers expect fewer.
    #[error("has more than 16 words")]
    Long,
}

impl std::str::FromStr for SubjectTemplate {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let words = text.split('.').map(word).collect::<Result<Vec<_>, _>>()?;
        if !matches!(words.first(), Some(Word::Fixed(_))) {
            return Err(SubjectError::Beginning);
        }
        if words.len() > WORDS_MAX {
            return Err(SubjectError::Long);
        }
        Ok(Self {
            text: text.to_owned(),
            words,
        })
    }
}

fn word(text: &str) -> Result<Word, SubjectError> {
    if let Some((_, word)) = PLACES.iter().find(|(place, _)| *place == text) {
        return Ok(word.clone());
    }
    let is_fixed = !text.is_empty() && text.len() <= WORD_BYTES_MAX && text.chars().all(is_plain);
    match is_fixed {
        true => Ok(Word::Fixed(text.to_owned())),
        false => Err(SubjectError::Word(text.to_owned())),
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

impl SubjectTemplate {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What a stream binds to take all of its subjects: its fixed beginning and `>`, or the whole
    /// where nothing in it varies.
    pub fn binding(&self) -> String {
        let mut binding = String::new();
        for word in &self.words {
            match word {
                Word::Fixed(fixed) => binding.extend([fixed, "."]),
                _ => return binding + ">",
            }
        }
        binding.pop();
        binding
    }

    /// The subject of an anomaly. What subjects cannot hold becomes `_`.
    pub(super) fn subject(&self, event: &ObserverEvent, producer: &Producer) -> String {
        let (kind, subtype) = event.kind.tapio_type();
        let mut subject = String::with_capacity(64);
        for word in &self.words {
            if !subject.is_empty() {
                subject.push('.');
            }
            match word {
                Word::Fixed(fixed) => subject.push_str(fixed),
                Word::Cluster => push(&mut subject, &producer.cluster),
                Word::Node => push(&mut subject, &producer.node),
                Word::Namespace => push(&mut subject, event.namespace().unwrap_or("default")),
                Word::Kind => push(&mut subject, event.kind.label()),
                Word::Type => push(&mut subject, kind),
                Word::Subtype => push(&mut subject, subtype),
            }
        }
        subject
    }
}

fn push(subject: &mut String, text: &str) {
    if text.is_empty() {
        subject.push('_');
    }
    let plain = text.chars().map(|c| if is_plain(c) { c } else { '_' });
    subject.extend(plain.take(WORD_BYTES_MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rauta_test_support::events::anomaly;

    fn subject(template: &str, cluster: &str) -> String {
        let producer = Producer {
            cluster: cluster.to_owned(),
            node: String::new(),
            version: "0".to_owned(),
        };
        let template: SubjectTemplate = template.parse().expect("a template");
        template.subject(&anomaly(1), &producer)
    }

    #[test]
    fn words_of_the_anomaly_stand_at_their_places() {
        let ours = "rauta.v1.{cluster}.{namespace}.{kind}";
        assert_eq!(subject(ours, "prod"), "rauta.v1.prod.shop.error_spike");
        let old = "tapio.events.{type}.{subtype}";
        assert_eq!(
            subject(old, "prod"),
            "tapio.events.network.http_error_spike"
        );
    }

    #[test]
    fn what_a_subject_cannot_hold_is_replaced() {
        let ours = "a.{cluster}.{node}";
        assert_eq!(subject(ours, "eu west.1*>ü"), "a.eu_west_1___._");
        assert_eq!(
            subject(ours, &"x".repeat(300)).len(),
            2 + WORD_BYTES_MAX + 2
        );
    }

    #[test]
    fn a_stream_binds_the_fixed_beginning() {
        for (template, binding) in [
            ("rauta.v1.{cluster}.{namespace}.{kind}", "rauta.v1.>"),
            ("a.{kind}.b", "a.>"),
            ("a.b", "a.b"),
        ] {
            let template: SubjectTemplate = template.parse().expect("a template");
            assert_eq!(template.binding(), binding);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| text.parse::<SubjectTemplate>().expect_err(text);
        assert_eq!(error("a..b"), SubjectError::Word(String::new()));
        assert_eq!(error("a.*"), SubjectError::Word("*".to_owned()));
        assert_eq!(error("a.>"), SubjectError::Word(">".to_owned()));
        assert_eq!(error("$JS.a"), SubjectError::Word("$JS".to_owned()));
        assert_eq!(error("a.{pod}"), SubjectError::Word("{pod}".to_owned()));
        assert_eq!(error("{kind}.a"), SubjectError::Beginning);
        assert_eq!(error(&["a"; 17].join(".")), SubjectError::Long);
        assert!(error("a.{pod}").to_string().contains("{namespace}"));
    }
}
