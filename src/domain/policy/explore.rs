//! Slots filled by chance.

use serde::{Deserialize, Serialize};

use super::check::Faults;
use crate::domain::Span;

/// Slots filled by chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explore {
    /// Share of positions reserved, 0 to 0.5.
    pub share: f32,
    pub method: ExploreMethod,
    /// For `epsilon`: chance that the slot is drawn uniformly instead of taking the most relevant, 0 to 1.
    pub epsilon: f32,
    /// For `softmax`: 0.01 (nearly greedy) to 10 (nearly uniform).
    pub temperature: f32,
    /// First position that may be an exploration slot, 0 to 100.
    pub earliest_position: u32,
    /// Items older than this are not explored, 1 h or more.
    pub max_item_age: Span,
}

/// How an exploration slot is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExploreMethod {
    /// With chance `epsilon` every eligible candidate alike, otherwise the most relevant of them.
    Epsilon,
    /// Chance ∝ exp(relevance / temperature).
    Softmax,
    /// The greatest of one sample from each candidate's posterior open rate, taken as Gaussian (Thompson 1933).
    Thompson,
}

impl Explore {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.held("explore.share", self.share);
        faults.held("explore.epsilon", self.epsilon);
        faults.held("explore.temperature", self.temperature);
        faults.held("explore.earliest_position", self.earliest_position);
        faults.held("explore.max_item_age", self.max_item_age);
    }
}
