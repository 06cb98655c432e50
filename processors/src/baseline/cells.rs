//! A row of counters that takes as little memory as its largest count needs: one, two or four bytes
//! a cell. Most routes are quiet, and most cells of busy ones are small.

/// Counters by place.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cells {
    bytes: Vec<u8>,
    width: Width,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Width {
    #[default]
    One,
    Two,
    Four,
}

/// Cells are allocated this many at a time.
const GROWTH: usize = 8;

impl Width {
    const fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    const fn of(count: u32) -> Self {
        if count <= u8::MAX as u32 {
            Self::One
        } else if count <= u16::MAX as u32 {
            Self::Two
        } else {
            Self::Four
        }
    }
}

impl Cells {
    /// How many cells there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.width.bytes()
    }

    /// How many bytes are allocated.
    pub(super) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// The count at a place that is there.
    pub(super) fn get(&self, place: usize) -> u32 {
        let width = self.width.bytes();
        let bytes = &self.bytes[place * width..][..width];
        let mut number = [0; 4];
        number[..width].copy_from_slice(bytes);
        u32::from_le_bytes(number)
    }

    /// Sets the count at a place that is there; all cells get wider where it does not fit.
    pub(super) fn set(&mut self, place: usize, count: u32) {
        let needed = Width::of(count);
        if needed.bytes() > self.width.bytes() {
            self.widen(needed);
        }
        let width = self.width.bytes();
        self.bytes[place * width..][..width].copy_from_slice(&count.to_le_bytes()[..width]);
    }

    /// Every count, in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
        (0..self.len()).map(|place| self.get(place))
    }

    /// Adds `by` empty cells at the end; there are never more than `cells_max`.
    pub(super) fn grow(&mut self, by: usize, cells_max: usize) {
        let width = self.width.bytes();
        let len = self.len() + by;
        if len * width > self.bytes.capacity() {
            let room = len.next_multiple_of(GROWTH).min(cells_max.max(len)) * width;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.resize(len * width, 0);
    }

    /// Adds `by` empty cells at the front.
    pub(super) fn grow_front(&mut self, by: usize, cells_max: usize) {
        self.grow(by, cells_max);
        self.bytes.rotate_right(by * self.width.bytes());
    }

    /// Removes the first `by` cells and answers their sum.
    pub(super) fn cut_front(&mut self, by: usize) -> u64 {
        let sum = self.iter().take(by).map(u64::from).sum();
        self.bytes.drain(..by * self.width.bytes());
        sum
    }

    fn widen(&mut self, width: Width) {
        let mut wider = Self {
            bytes: Vec::with_capacity(self.allocated() / self.width.bytes() * width.bytes()),
            width,
        };
        for count in self.iter() {
            wider.bytes.extend(&count.to_le_bytes()[..width.bytes()]);
        }
        *self = wider;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_agrees_with_a_plain_vector(
            steps in prop::collection::vec((0u8..4, 0usize..40, 0u32..200_000), 0..100),
        ) {
            let mut cells = Cells::default();
            let mut plain: Vec<u32> = Vec::new();
            for (kind, number, count) in steps {
                match kind {
                    0 => {
                        cells.grow(number % 5, 1_000);
                        plain.resize(plain.len() + number % 5, 0);
                    }
                    1 => {
                        cells.grow_front(number % 5, 1_000);
                        plain.splice(..0, vec![0; number % 5]);
                    }
                    2 if !plain.is_empty() => {
                        let place = number % plain.len();
                        // Small counts are the rule.
                        let count = if number < 30 { count % 300 } else { count };
                        cells.set(place, count);
                        plain[place] = count;
                    }
                    _ => {
                        let by = (number % 3).min(plain.len());
                        let cut: u64 = plain.drain(..by).map(u64::from).sum();
                        prop_assert_eq!(cells.cut_front(by), cut);
                    }
                }
                prop_assert_eq!(cells.len(), plain.len());
                prop_assert!(cells.iter().eq(plain.iter().copied()));
            }
        }
    }

    #[test]
    fn small_counts_take_a_byte_each() {
        let mut cells = Cells::default();
        cells.grow(64, 160);
        for place in 0..64 {
            cells.set(place, 255);
        }
        assert_eq!(cells.allocated(), 64);
        cells.set(3, 256);
        assert_eq!(
            (cells.allocated(), cells.get(3), cells.get(4)),
            (128, 256, 255)
        );
    }
}
