//! The integration tests: one binary, one folder per subject.

mod store_conformance;
mod support;
