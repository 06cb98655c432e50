//! What the controller knows: every object by kind and name, and who asked for what.
//!
//! Compilation reads objects only through a [`Lookup`], which notes each [`Read`]. When an object
//! changes, the [`Dependents`] of its reads say what has to be compiled again, so that nothing is
//! compiled in vain and nothing is forgotten. The index itself judges nothing.

mod dependents; // Dependents: which unit of work read what
mod grants; // which references may cross namespaces
mod lookup; // Lookup: objects by name, noting each read
mod read; // Read: one thing that was looked at
mod store; // Index: the objects and their secondary keys

pub(crate) use dependents::Dependents;
pub(crate) use grants::Reference;
pub(crate) use lookup::Lookup;
pub(crate) use read::{Name, Read};
pub(crate) use store::Index;
