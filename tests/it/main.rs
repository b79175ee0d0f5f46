//! One test binary: every integration test is a module of it, sorted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod tidy;
