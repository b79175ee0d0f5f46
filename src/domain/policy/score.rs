//! How relevance is computed, and what comes back.

use serde::{Deserialize, Serialize};

use super::check::Faults;
use crate::domain::Span;

/// How relevance is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub normalize: Normalize,
    pub weights: Weights,
    /// An item's recency halves in this time, 5 m to 3650 d.
    pub recency_half_life: Span,
    /// An item's popularity halves in this time, 5 m to 3650 d. One value for the whole server.
    pub popularity_half_life: Span,
}

/// How raw relevance becomes [0, 1] within a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalize {
    /// By rank: the best is 1, the worst 0, evenly spaced; equal raw scores share a value.
    Percentile,
    /// Linearly between the worst and the best.
    Minmax,
    /// Clamped, not stretched.
    None,
}

/// Weight of each relevance feature, each 0 to 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Cosine to the nearest interest vector.
    pub interest: f32,
    /// Liking for the item's topics.
    pub topic: f32,
    /// Liking for the item's creator.
    pub creator: f32,
    /// The creator is followed.
    pub follow: f32,
    /// Newness.
    pub recency: f32,
    /// Use by everybody.
    pub popularity: f32,
    /// The caller's own relevance (`POST /v1/rerank`).
    pub relevance: f32,
    /// Subtracted: `less_like` given to the item's topics, creator or source.
    pub less_like: f32,
}

/// What comes back, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// A seen item is left out for this long, 0 s to forever.
    pub seen_cooldown: Span,
    /// An opened item is left out for this long, 0 s to forever.
    pub opened_cooldown: Span,
}

impl Score {
    pub(super) fn check(&self, faults: &mut Faults) {
        for (name, weight) in self.weights.named() {
            faults.range(&format!("score.weights.{name}"), weight, 0.0, 5.0);
        }
        faults.range("score.recency_half_life", self.recency_half_life, Span::minutes(5), Span::days(3650));
        faults.range("score.popularity_half_life", self.popularity_half_life, Span::minutes(5), Span::days(3650));
    }
}

impl Weights {
    fn named(&self) -> [(&'static str, f32); 8] {
        [
            ("interest", self.interest),
            ("topic", self.topic),
            ("creator", self.creator),
            ("follow", self.follow),
            ("recency", self.recency),
            ("popularity", self.popularity),
            ("relevance", self.relevance),
            ("less_like", self.less_like),
        ]
    }
}
