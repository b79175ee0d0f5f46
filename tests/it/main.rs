//! One test binary: every integration test is a module of it, sorted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod closed_loop;
mod command_line;
mod config_files;
mod consent;
mod cursor;
mod degraded;
mod dial;
mod documents;
mod drain;
mod evaluate;
mod events;
mod feed;
mod fleet;
mod forms;
mod golden;
mod gpc;
mod health;
mod import;
mod import_data;
mod items;
mod knobs;
mod me;
mod memory;
mod modes;
mod openapi;
mod policies;
mod privacy;
mod problems;
mod rerank;
mod rollout;
mod shutdown;
mod store_conformance;
mod support;
mod tidy;
