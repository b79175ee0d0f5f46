//! Relevance: a weighted sum of features, each in [0, 1]. Every feature's contribution is kept, so the score explains itself.
//!
//! `raw = (Σ wᶠ·xᶠ − Σ wˢ·xˢ) / Σ wᶠ` over the added features f and the subtracted ones s, times the discount for
//! impressions without an open; what the discount takes is a contribution of its own, so that the contributions always
//! sum to the raw score. Then normalised within the feed.

mod dislike;
mod normalise;
mod parts;
mod rescore;
mod scorer;
mod taste;
#[cfg(test)]
mod tests;

pub use dislike::Demotion;
pub use parts::{Impersonal, Part, parts, score_of};
pub use rescore::Rescorer;
pub use scorer::prior_fade;

use super::{Candidate, Context, Scored};
use crate::domain::{feed::FEATURES, policy::Weights};

/// What relevance is made of. The discriminant is the index into contributions: only append, feeds are stored by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Feature {
    Interest = 0,
    Topic = 1,
    Creator = 2,
    Follow = 3,
    Recency = 4,
    Popularity = 5,
    /// The caller's own relevance.
    Relevance = 6,
    /// Subtracted.
    LessLike = 7,
    /// Subtracted: its topics, creator, source and viewpoint were shown much lately.
    Repetition = 8,
    /// How little is known of the item's open rate.
    Uncertainty = 9,
    /// The surface's own topics, for readers little is known of. Weighs as [`Feature::Topic`] does.
    Prior = 10,
    /// What impressions without an open take off the sum of the others: a factor, not a weight.
    Impressions = 11,
}

impl Feature {
    pub const ALL: [Feature; FEATURES] = [
        Self::Interest,
        Self::Topic,
        Self::Creator,
        Self::Follow,
        Self::Recency,
        Self::Popularity,
        Self::Relevance,
        Self::LessLike,
        Self::Repetition,
        Self::Uncertainty,
        Self::Prior,
        Self::Impressions,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Interest => "interest",
            Self::Topic => "topic",
            Self::Creator => "creator",
            Self::Follow => "follow",
            Self::Recency => "recency",
            Self::Popularity => "popularity",
            Self::Relevance => "relevance",
            Self::LessLike => "less_like",
            Self::Repetition => "repetition",
            Self::Uncertainty => "uncertainty",
            Self::Prior => "prior",
            Self::Impressions => "impressions",
        }
    }

    /// Whether it takes an item down.
    pub const fn is_subtracted(self) -> bool {
        matches!(self, Self::LessLike | Self::Repetition | Self::Impressions)
    }

    /// Whether it comes from what is kept about the reader: without a profile it is 0.
    pub const fn is_personal(self) -> bool {
        !matches!(self, Self::Recency | Self::Popularity | Self::Relevance | Self::Uncertainty | Self::Prior)
    }

    /// The policy's weight of it, negative when it is subtracted; 0 for [`Feature::Impressions`], which is a factor.
    const fn weight(self, weights: &Weights) -> f32 {
        match self {
            Self::Interest => weights.interest,
            Self::Topic | Self::Prior => weights.topic,
            Self::Creator => weights.creator,
            Self::Follow => weights.follow,
            Self::Recency => weights.recency,
            Self::Popularity => weights.popularity,
            Self::Relevance => weights.relevance,
            Self::LessLike => -weights.less_like,
            Self::Repetition => -weights.repetition,
            Self::Uncertainty => weights.uncertainty,
            Self::Impressions => 0.0,
        }
    }
}

/// Scores, normalises and sorts: highest relevance first, ties by item id.
pub fn score(kept: &[Candidate], context: &Context) -> Vec<Scored> {
    let scorer = scorer::Scorer::new(kept, context);
    let (raw, scored): (Vec<f32>, Vec<Scored>) = kept.iter().filter_map(|candidate| scorer.score(candidate)).unzip();
    normalise::normalise(&raw, scored, 0, context.policy.score.normalize, context.snapshot)
}
