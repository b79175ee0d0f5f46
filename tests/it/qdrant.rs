//! Candidates by vector from Qdrant: what is found is what this process finds, it follows the catalogue, and a Qdrant that is away
//! costs nobody a feed.
//!
//! **What these tests show and what not.** They run the official Rust client against `support/qdrant_local.py`: the official gRPC
//! protocol, answered by the official Python package's local mode. That stands in for a Qdrant server; the adapter was not run
//! against a server's binary. What only a server has (the HNSW graph and its recall, shards and replicas, speed, TLS) is not shown.

mod away;
mod mirror;
