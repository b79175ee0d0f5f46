//! Stored encodings.
