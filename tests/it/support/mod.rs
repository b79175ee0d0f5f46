//! What the integration tests share.

pub mod app;
pub mod proxy;
pub mod redis;
pub mod world;
