//! One test binary: every integration test is a module of it, sorted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod command_line;
mod config_files;
mod degraded;
mod documents;
mod drain;
mod fleet;
mod health;
mod import;
mod import_data;
mod knobs;
mod openapi;
mod problems;
mod shutdown;
mod store_conformance;
mod support;
mod tidy;
