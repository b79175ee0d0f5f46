//! What operators see: metrics, each declared once in [`metrics`], and logs, set up in [`logs`].
//!
//! `docs/data.md` lists every metric and log field; a test compares it with the code.

pub mod json_line;
pub mod logs;
pub mod metrics;
#[cfg(feature = "otlp")]
pub mod otlp;

pub use metrics::{Metrics, Outcome, Stage};
