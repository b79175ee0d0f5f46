//! What the integration tests stand on.

pub mod proxy;
pub mod redis;
