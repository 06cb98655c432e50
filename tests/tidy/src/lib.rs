//! The house rules of the repository, each one a test with a message that says what to do.
//!
//! What a compiler or a linter can enforce is left to them (`clippy.toml`, `deny.toml`,
//! `[workspace.lints]`); here stands what only a look at the whole tree can tell. The rules read
//! tracked files and `cargo metadata`.

#![forbid(unsafe_code)]

#[cfg(test)]
mod tree; // the checkout: which files are tracked, and their text

#[cfg(test)]
mod crates; // every crate keeps the same promises
#[cfg(test)]
mod documents; // documents name only what exists
#[cfg(test)]
mod edges; // who may depend on whom
#[cfg(test)]
mod licences; // what outside crates are licensed under
#[cfg(test)]
mod names; // file names that say nothing
#[cfg(test)]
mod sizes; // files and functions stay small; the ratchet
#[cfg(test)]
mod text; // words, widths and paths that must not be left behind
