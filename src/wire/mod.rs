//! JSON shapes at the edge: how the nouns of `domain` look in requests, responses and files.
//!
//! Used by `http`, `import` and `cli` only. Inward everything is read by hand from a parsed JSON value, so that one
//! answer names **all** faults of a value ([`fault::Fault`]); outward the forms are plain serialisable structs.

pub mod event;
pub mod fault;
pub mod item;
pub mod read;
pub mod rerank;
pub mod time;

pub use fault::{Fault, Faults};
pub use item::{ItemForm, ItemInput};
