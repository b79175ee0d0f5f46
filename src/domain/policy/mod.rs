//! The policy: every knob that shapes a slate, resolved for one surface. Same names here, in TOML, API and metrics.
//!
//! Ranges stand in [`knob`] and are held by [`Policy::check`]; `config/default.toml` documents what each knob does.

mod active;
mod check;
mod constraint;
mod diversify;
mod explore;
mod guardrails;
pub mod knob;
mod reach;
mod score;
mod session;
mod sponsored;

pub use active::{ActivePolicy, Surfaces};
pub use check::{PolicyFault, Rule};
pub use constraint::{Constraint, MAX_CAP_TOPICS, MAX_CONSTRAINTS};
pub use diversify::{
    Aggregate, Calibrate, Diversify, EditorialShare, MAX_EDITORIAL_VALUES, Method, SimilarityWeights, Target, TargetMetric, Toward,
};
pub use explore::{Explore, ExploreMethod};
pub use guardrails::Guardrails;
pub use reach::Reach;
pub use score::{MAX_PRIOR_TOPICS, Normalize, Repeat, Score, TopicPrior, Weights};
pub use session::{MAX_PAUSES, PAUSE_MAX, PAUSE_MIN, Session};
pub use sponsored::{MAX_SENSITIVE_TOPICS, Sponsored};

use serde::{Deserialize, Serialize};

use super::{Facet, Span};

/// The resolved knobs of one surface: the logging policy of every slate it makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// `[a-z0-9-]{1,64}`.
    pub id: String,
    /// ≥ 1, increased by hand with each change.
    pub version: u32,
    /// Items on a page when the request names no `limit`, 1 to 100.
    pub page_size: u32,
    pub retrieve: Retrieve,
    pub score: Score,
    pub diversify: Diversify,
    /// In declared order: where not all can be held, an earlier one is kept before a later one.
    #[serde(default)]
    pub constraint: Vec<Constraint>,
    pub explore: Explore,
    pub repeat: Repeat,
    pub feed: FeedLife,
    /// Kept policies of earlier versions have none of the next three.
    #[serde(default)]
    pub session: Session,
    #[serde(default)]
    pub sponsored: Sponsored,
    #[serde(default)]
    pub reach: Reach,
    pub user_control: UserControl,
}

/// Where candidates come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retrieve {
    /// Candidates gathered before ranking, 50 to 5,000.
    pub candidates: u32,
    /// Time for all sources together, 5 ms to 500 ms; a source that is late is left out and reported.
    pub deadline: Span,
    /// Share of `candidates` asked of each source, each 0 to 1. What a source cannot give goes to the others.
    pub sources: SourceShares,
}

/// Share of the pool asked of each candidate source, each in [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceShares {
    /// Nearest to the person's interest vectors and topics.
    pub interest: f32,
    /// From creators the person follows.
    pub followed: f32,
    /// Most used lately by everybody.
    pub trending: f32,
    /// Newest.
    pub fresh: f32,
    /// Outside the person's profile: the exploration pool.
    pub outside: f32,
}

/// How long a feed lives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedLife {
    /// Cursors continue the feed for this long, 1 m to 24 h; later they restart it.
    pub ttl: Span,
    /// Most items one feed can page through, 20 to 5,000.
    pub length: u32,
}

/// What a request or a person may move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserControl {
    /// `diversity` from a request or preference is clamped to this range.
    pub diversity_range: [f32; 2],
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            id: "balanced".into(),
            version: 1,
            page_size: 20,
            retrieve: Retrieve {
                candidates: 500,
                deadline: Span::millis(40),
                sources: SourceShares { interest: 0.5, followed: 0.1, trending: 0.15, fresh: 0.15, outside: 0.2 },
            },
            score: Score {
                normalize: Normalize::Percentile,
                weights: Weights {
                    interest: 1.0,
                    topic: 0.6,
                    creator: 0.3,
                    follow: 0.3,
                    recency: 0.25,
                    popularity: 0.1,
                    relevance: 1.0,
                    less_like: 1.0,
                    repetition: 0.2,
                    uncertainty: 0.05,
                },
                recency_half_life: Span::hours(36),
                popularity_half_life: Span::hours(24),
                prior: vec![],
            },
            diversify: Diversify {
                method: Method::Mmr,
                diversity: 0.35,
                aggregate: Aggregate::Mean,
                window: 0,
                pool: 300,
                similarity: SimilarityWeights { topic: 0.4, creator: 0.15, source: 0.1, viewpoint: 0.05, language: 0.0, embedding: 0.3 },
                calibrate: Calibrate { facet: Facet::Topic, toward: Toward::UserHistory, editorial: vec![] },
                target: Target { metric: TargetMetric::None, at_least: 0.0, relevance_kept_min: 0.85 },
            },
            constraint: vec![
                Constraint::MaxShare { facet: Facet::Creator, value: None, max: 2, per: 10, top: None },
                Constraint::MinDistinct { facet: Facet::Topic, min: 4, per: 20, top: None },
                Constraint::MinGap { facet: Facet::Creator, gap: 1, top: None },
            ],
            explore: Explore {
                share: 0.1,
                method: ExploreMethod::Epsilon,
                epsilon: 1.0,
                temperature: 1.0,
                earliest_position: 4,
                max_item_age: Span::FOREVER,
            },
            repeat: Repeat {
                seen_cooldown: Span::hours(72),
                opened_cooldown: Span::FOREVER,
                impression_discount: 0.7,
                less_like_half_life: Span::days(30),
            },
            feed: FeedLife { ttl: Span::minutes(45), length: 500 },
            session: Session::default(),
            sponsored: Sponsored::default(),
            reach: Reach::default(),
            user_control: UserControl { diversity_range: [0.0, 1.0] },
        }
    }
}

impl Policy {
    /// As JSON, by way of its text, where numbers are as they are written: 0.1, not its nearest neighbour in single precision.
    pub fn as_written(&self) -> serde_json::Value {
        serde_json::to_string(self).and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
    }

    /// `b3:` + the first 16 hex digits of BLAKE3 over the policy's canonical JSON (keys in declared order).
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("b3:{}", &blake3::hash(&json).to_hex()[..16])
    }

    /// The digest of everything but the policy's name, what stands around its feeds (`session`, `sponsored`, `reach`) and the
    /// chances of its exploration slots (`explore.method`, `epsilon`, `temperature`): policies that share it gather the same pools, explore in the same positions, and rank alike after the
    /// same positions before. What one of them journals can tell how another would have fared.
    pub fn ranking_digest(&self) -> String {
        let Policy { explore: Explore { method, epsilon, temperature, .. }, session, sponsored, reach, .. } = Policy::default();
        let explore = Explore { method, epsilon, temperature, ..self.explore.clone() };
        Policy { id: String::new(), version: 0, explore, session, sponsored, reach, ..self.clone() }.digest()
    }
}
