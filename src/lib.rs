//! Polyphony: a feed server that shows people more than their own echo.
//!
//! ```text
//! client ─► http      parse, check, authenticate                          hop 1
//!             ▼
//!           feed      policy → profile → pool → rank → freeze → journal   hop 2
//!             ▼
//!           rank      filter → relevance → diversify → explain (pure)     hop 3
//! ```
//!
//! Reading order below is dependency order: a module may only use those above it. `rank`, `learn`, `catalogue` and
//! `domain` are pure: no I/O, no clock, no global randomness. See `ARCHITECTURE.md`.

pub mod domain;
pub mod stats;
pub mod wire;

pub mod catalogue;
pub mod learn;
pub mod rank;

pub mod clock;
pub mod settings;

pub mod policy;
pub mod telemetry;

pub mod journal;
pub mod source;
pub mod store;

pub mod consent;
pub mod demo;
pub mod evaluate;
pub mod experiment;
pub mod feed;
pub mod follow;
pub mod import;
pub mod ingest;

pub mod rollout;

pub mod auth;
pub mod limits;

pub mod app;
pub mod http;

pub mod cli;
