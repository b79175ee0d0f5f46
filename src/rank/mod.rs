//! The ranking core: pure functions from a pool of candidates to a slate. Start here.
//!
//! ```text
//! Candidate ──filter──► kept ──relevance──► Scored (normalised, sorted) ──place──► Placed
//! ```
//!
//! [`score`] runs once per feed; [`place()`] once per page, against the pages before it. Both take everything as
//! arguments (catalogue snapshot, profile, policy, time, seed), so the same inputs give the same slate, always.

pub mod candidate;
pub mod constraint;
pub mod diversify;
pub mod explain;
pub mod explore;
pub mod filter;
pub mod metrics;
pub mod place;
pub mod relevance;
pub mod sponsored;
pub mod subject;
pub mod target;
pub mod view;

#[cfg(test)]
mod tests;

pub use candidate::{Candidate, Scored, SourceKind, Sources};
pub use explain::{Reason, ReasonCode};
pub use filter::{Removed, Why};
pub use place::{Pool, place, place_pages};
pub use relevance::Feature;
pub use view::View;

use crate::{
    catalogue::Snapshot,
    domain::{Policy, Profile, Time},
};

/// What scoring may know.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub snapshot: &'a Snapshot,
    /// `None` in a non-personalised feed.
    pub profile: Option<&'a Profile>,
    pub policy: &'a Policy,
    pub now: Time,
}

/// A pool after scoring: best first.
#[derive(Debug, Default)]
pub struct ScoredPool {
    /// Sorted by relevance, highest first, ties by item id; at most `policy.feed.length`.
    pub scored: Vec<Scored>,
    /// Every candidate that a filter took out, with the reason.
    pub removed: Vec<Removed>,
}

/// Filters and scores `candidates`: each row once, in any order. The result does not depend on their order.
pub fn score(candidates: Vec<Candidate>, excluded: &[u64], context: &Context) -> ScoredPool {
    candidates.iter().for_each(|candidate| context.snapshot.prefetch_vector(candidate.row));
    let (kept, removed) = filter::filter(candidates, excluded, context);
    let mut scored = relevance::score(&kept, context);
    scored.truncate(context.policy.feed.length as usize);
    ScoredPool { scored, removed }
}
