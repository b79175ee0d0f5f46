//! What the integration tests share.

pub mod app;
pub mod cluster;
pub mod faults;
pub mod garbage;
pub mod process;
pub mod proxy;
#[cfg(feature = "qdrant")]
pub mod qdrant;
pub mod reading;
pub mod redis;
pub mod sentinel;
pub mod tls;
pub mod world;
