//! Offline evaluation: what a policy would have given, told before anybody is shown it.
//!
//! ```text
//! event log ──replay──► feeds asked in the past ──compare──► accuracy and diversity side by side, with intervals
//!                                               ──sweep────► a table and a picture of what a knob costs
//! journal ──off_policy──► what other chances for the exploration slots would have brought, or why that cannot be told
//! ```
//!
//! Everything runs through the server's own sources, scoring, placing and learning. Nothing here reads a file or a clock:
//! logs and journals are handed in.

pub mod compare;
pub mod intervals;
pub mod learner;
pub mod measure;
pub mod off_policy;
pub mod pipeline;
pub mod replay;
pub mod sweep;
mod threads;

pub use compare::{Comparison, Measured};
pub use learner::Learner;
pub use measure::{Measure, OfAll};
pub use pipeline::{Asked, Pipeline};
pub use replay::{EventLog, Protocol, Replay, Reward, Split};
pub use threads::over_threads;
