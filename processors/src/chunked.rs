//! A list of large entries that grows by pieces: nothing in it is ever moved, so that growing takes
//! neither the time to copy the entries nor room for them twice.

use std::ops::{Index, IndexMut};

/// Entries of a piece.
const PIECE: usize = 64;

/// A list that only grows.
#[derive(Debug)]
pub(crate) struct Chunked<T> {
    /// All are full but for the last.
    pieces: Vec<Vec<T>>,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T> Chunked<T> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        let full = self.pieces.len().saturating_sub(1);
        full * PIECE + self.pieces.last().map_or(0, Vec::len)
    }

    /// Adds an entry at the end.
    pub(crate) fn push(&mut self, entry: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => last.push(entry),
            _ => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(entry);
                self.pieces.push(piece);
            }
        }
    }

    /// The entry at `place`, where there is one.
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.pieces.get(place / PIECE)?.get(place % PIECE)
    }

    /// The entry at `place`, where there is one.
    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.pieces.get_mut(place / PIECE)?.get_mut(place % PIECE)
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// All entries, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pieces.iter_mut().flatten()
    }
}

impl<T> Index<usize> for Chunked<T> {
    type Output = T;

    fn index(&self, place: usize) -> &T {
        &self.pieces[place / PIECE][place % PIECE]
    }
}

impl<T> IndexMut<usize> for Chunked<T> {
    fn index_mut(&mut self, place: usize) -> &mut T {
        &mut self.pieces[place / PIECE][place % PIECE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_whose_entries_stay_where_they_are() {
        let mut list = Chunked::default();
        assert_eq!((list.len(), list.get(0)), (0, None));
        list.push(0);
        let first: *const usize = &raw const list[0];
        for entry in 1..10 * PIECE {
            assert_eq!(list.len(), entry);
            list.push(entry);
        }
        assert_eq!(first, &raw const list[0]);
        list.iter_mut().for_each(|entry| *entry *= 2);
        list[PIECE] = 7;
        assert_eq!((list[PIECE - 1], list[PIECE]), (2 * (PIECE - 1), 7));
        assert_eq!(list.get_mut(10 * PIECE), None);
        assert_eq!(list.iter().count(), 10 * PIECE);
    }
}
