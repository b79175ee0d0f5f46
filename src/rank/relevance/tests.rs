//! Relevance features.
