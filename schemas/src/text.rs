//! Short inline prefixes of strings: what an event keeps of a path or a host without allocating.

use std::fmt;

/// The first bytes of a text, cut at a character boundary; `N` is the room in bytes (at most 255).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InlineText<const N: usize> {
    bytes: [u8; N],
    len: u8,
    cut: bool,
}

impl<const N: usize> InlineText<N> {
    /// No text.
    pub const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
        cut: false,
    };

    /// Keeps as much of `text` as fits.
    pub fn new(text: &str) -> Self {
        let room = N.min(u8::MAX as usize);
        let mut len = text.len().min(room);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; N];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self {
            bytes,
            len: len as u8,
            cut: len < text.len(),
        }
    }

    /// The kept prefix.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// Was the text longer than the room?
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

impl<const N: usize> Default for InlineText<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Debug for InlineText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.as_str(), if self.cut { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_text_keeps_the_longest_prefix_that_fits(text in ".{0,20}") {
            let kept = InlineText::<16>::new(&text);
            prop_assert!(text.starts_with(kept.as_str()));
            prop_assert!(kept.as_str().len() <= 16);
            prop_assert_eq!(kept.is_cut(), kept.as_str() != text);
            if let Some(next) = text[kept.as_str().len()..].chars().next() {
                prop_assert!(kept.as_str().len() + next.len_utf8() > 16, "one more would not fit");
            }
        }

        #[test]
        fn texts_of_one_prefix_are_equal(text in "[a-z]{16}", rest in "[a-z]{1,4}") {
            let long = format!("{text}{rest}");
            let other = format!("{text}x");
            prop_assert_eq!(InlineText::<16>::new(&long), InlineText::<16>::new(&other));
            prop_assert_ne!(InlineText::<16>::new(&long), InlineText::<16>::new(&text));
        }
    }

    #[test]
    fn room_has_its_limits() {
        assert_eq!(InlineText::<0>::new("a").as_str(), "");
        assert!(InlineText::<0>::new("a").is_cut());
        assert!(!InlineText::<0>::new("").is_cut());
        let long = "a".repeat(300);
        assert_eq!(InlineText::<300>::new(&long).as_str().len(), 255);
        assert_eq!(InlineText::<2>::new("aä").as_str(), "a");
    }
}
