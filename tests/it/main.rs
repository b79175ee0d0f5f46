//! One test binary: every integration test is a module of it, sorted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod client_profile;
mod closed_loop;
mod command_line;
mod config_files;
mod consent;
mod controls;
mod cursor;
mod decisions;
mod degraded;
mod dial;
mod documents;
mod drain;
mod erasure;
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
mod inventory;
mod items;
mod knobs;
mod limits;
mod me;
mod memory;
mod modes;
mod openapi;
mod policies;
mod privacy;
mod problems;
mod rerank;
mod rollout;
mod security;
mod shutdown;
mod store_conformance;
mod support;
mod tidy;
#[cfg(feature = "otlp")]
mod traces;
mod transparency;
