//! Whole lines out of pieces, with a bound on how long a line may be.

/// Longer lines are no documents of RAUTA's.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Puts lines together.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// Takes a piece in and returns the lines that it completes, without their line breaks. A line
    /// that is too long is left out.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if self.pending.len() + part.len() > LINE_BYTES_MAX {
                self.is_too_long = true;
                self.pending.clear();
            }
            if !self.is_too_long {
                self.pending.extend_from_slice(part);
            }
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.pending);
                if !std::mem::take(&mut self.is_too_long) {
                    complete.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
                }
            }
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn where_the_pieces_are_cut_changes_nothing(text in "[ab\n]{0,80}", cut in 0..80_usize) {
            let bytes = text.as_bytes();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut pieces = Lines::default();
            let mut found = pieces.push(first);
            found.extend(pieces.push(second));
            prop_assert_eq!(found, Lines::default().push(bytes));
        }
    }

    #[test]
    fn a_line_without_end_is_left_out_and_the_next_one_is_not() {
        let mut lines = Lines::default();
        for _ in 0..3 {
            assert!(lines.push(&[b'x'; LINE_BYTES_MAX / 2]).is_empty());
        }
        assert!(lines.pending.len() <= LINE_BYTES_MAX);
        assert_eq!(lines.push(b"x\nnext\r\n"), ["next"]);
    }
}
