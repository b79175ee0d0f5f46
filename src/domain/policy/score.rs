//! How relevance is computed, and what comes back.

use serde::{Deserialize, Serialize};

use super::check::{Faults, Rule};
use crate::domain::{Span, facet::MAX_FACET_VALUE_BYTES};

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
    /// Topics the surface gives a start to for readers little is known of; at most [`MAX_PRIOR_TOPICS`], each once.
    /// Counts n₀ / (n₀ + events learned), n₀ = 20.
    #[serde(default)]
    pub prior: Vec<TopicPrior>,
}

/// Most topics in a surface's prior.
pub const MAX_PRIOR_TOPICS: usize = 64;

/// A topic a surface gives a start to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPrior {
    pub topic: String,
    /// As a liking, 0 to 1.
    pub weight: f32,
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

impl Normalize {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percentile => "percentile",
            Self::Minmax => "minmax",
            Self::None => "none",
        }
    }
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
    /// Subtracted: how much of the item's topics, creator, source and viewpoint was shown lately.
    #[serde(default)]
    pub repetition: f32,
    /// How little is known yet of how often the item is opened.
    #[serde(default)]
    pub uncertainty: f32,
}

/// What comes back, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// A seen item is left out for this long, 0 s to forever.
    pub seen_cooldown: Span,
    /// An opened item is left out for this long, 0 s to forever.
    pub opened_cooldown: Span,
    /// Each impression without an open multiplies an item's raw relevance by this, 0 (never again) to 1 (no matter).
    #[serde(default = "no_discount")]
    pub impression_discount: f32,
    /// What was said with `less_like` halves in this time, 1 d to forever, counted from when it was last said.
    #[serde(default = "thirty_days")]
    pub less_like_half_life: Span,
}

// A policy stored before these keys were goes on as it was.
const fn no_discount() -> f32 {
    1.0
}

const fn thirty_days() -> Span {
    Span::days(30)
}

impl Repeat {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.held("repeat.impression_discount", self.impression_discount);
        faults.held("repeat.less_like_half_life", self.less_like_half_life);
    }
}

impl Score {
    pub(super) fn check(&self, faults: &mut Faults) {
        for (name, weight) in self.weights.named() {
            faults.held(&format!("score.weights.{name}"), weight);
        }
        faults.held("score.recency_half_life", self.recency_half_life);
        faults.held("score.popularity_half_life", self.popularity_half_life);
        if self.prior.len() > MAX_PRIOR_TOPICS {
            faults.add(Rule::Count, "score.prior", format!("has {} topics; at most {MAX_PRIOR_TOPICS}", self.prior.len()));
        }
        for (index, prior) in self.prior.iter().enumerate() {
            faults.share(&format!("score.prior[{index}] (weight)"), prior.weight);
            let length = prior.topic.len();
            if length == 0 || length > MAX_FACET_VALUE_BYTES {
                faults.add(
                    Rule::Range,
                    &format!("score.prior[{index}] (topic)"),
                    format!("has {length} bytes; expected 1 to {MAX_FACET_VALUE_BYTES}"),
                );
            }
            if self.prior[..index].iter().any(|earlier| earlier.topic == prior.topic) {
                faults.add(Rule::Once, &format!("score.prior[{index}] (topic)"), format!("`{}` stands twice", prior.topic));
            }
        }
    }
}

impl Weights {
    fn named(&self) -> [(&'static str, f32); 10] {
        [
            ("interest", self.interest),
            ("topic", self.topic),
            ("creator", self.creator),
            ("follow", self.follow),
            ("recency", self.recency),
            ("popularity", self.popularity),
            ("relevance", self.relevance),
            ("less_like", self.less_like),
            ("repetition", self.repetition),
            ("uncertainty", self.uncertainty),
        ]
    }
}
