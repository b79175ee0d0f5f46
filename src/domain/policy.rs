//! The policy: every knob that shapes a slate, resolved for one surface. Same names here, in TOML, API and metrics.
//!
//! Ranges stand on each field and are held by [`Policy::check`]; `config/default.toml` documents what each knob does.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Facet, Span, feed::MAX_PAGE_ITEMS, feed::MAX_POOL};

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
    /// In declared order; relaxed from the last to the first.
    #[serde(default)]
    pub constraint: Vec<Constraint>,
    pub explore: Explore,
    pub repeat: Repeat,
    pub feed: FeedLife,
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

/// How the slate is varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diversify {
    pub method: Method,
    /// 0 = relevance only … 1 = most varied.
    pub diversity: f32,
    pub aggregate: Aggregate,
    /// Best candidates by relevance that are re-ranked, 20 to 5,000; the rest follow by relevance.
    pub pool: u32,
    pub similarity: SimilarityWeights,
}

/// Diversification method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Relevance order.
    None,
    /// Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998).
    Mmr,
}

/// Which similarity to the placed items is penalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// To the most similar one.
    Max,
    /// To all, on average.
    Mean,
}

/// Convex mix of similarities, each 0 to 1, summing to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimilarityWeights {
    pub topic: f32,
    pub creator: f32,
    pub source: f32,
    pub viewpoint: f32,
    pub language: f32,
    pub embedding: f32,
}

/// A hard rule on the slate. Holds across page boundaries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Constraint {
    /// At most `max` items of one facet value in any `per` consecutive positions. 1 ≤ max < per ≤ 100.
    MaxShare { facet: Facet, max: u32, per: u32 },
    /// At least `gap` other items between two items of one facet value. 1 ≤ gap ≤ 99.
    MinGap { facet: Facet, gap: u32 },
    /// At least `min` facet values in every block of `per` positions, counted from 0. 2 ≤ min ≤ per ≤ 100.
    MinDistinct { facet: Facet, min: u32, per: u32 },
}

impl Constraint {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MaxShare { .. } => "max_share",
            Self::MinGap { .. } => "min_gap",
            Self::MinDistinct { .. } => "min_distinct",
        }
    }

    pub const fn facet(&self) -> Facet {
        match self {
            Self::MaxShare { facet, .. } | Self::MinGap { facet, .. } | Self::MinDistinct { facet, .. } => *facet,
        }
    }
}

impl fmt::Display for Constraint {
    /// `max_share creator 2/10`, `min_gap topic 1`, `min_distinct topic 4/20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxShare { facet, max, per } => write!(f, "max_share {facet} {max}/{per}"),
            Self::MinGap { facet, gap } => write!(f, "min_gap {facet} {gap}"),
            Self::MinDistinct { facet, min, per } => write!(f, "min_distinct {facet} {min}/{per}"),
        }
    }
}

/// Slots filled by chance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explore {
    /// Share of positions reserved, 0 to 0.5.
    pub share: f32,
    pub method: ExploreMethod,
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
    /// Every eligible candidate with the same chance.
    Uniform,
    /// Chance ∝ exp(relevance / temperature).
    Softmax,
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
                },
                recency_half_life: Span::hours(36),
                popularity_half_life: Span::hours(24),
            },
            diversify: Diversify {
                method: Method::Mmr,
                diversity: 0.35,
                aggregate: Aggregate::Mean,
                pool: 300,
                similarity: SimilarityWeights { topic: 0.4, creator: 0.15, source: 0.1, viewpoint: 0.05, language: 0.0, embedding: 0.3 },
            },
            constraint: vec![
                Constraint::MaxShare { facet: Facet::Creator, max: 2, per: 10 },
                Constraint::MinDistinct { facet: Facet::Topic, min: 4, per: 20 },
                Constraint::MinGap { facet: Facet::Creator, gap: 1 },
            ],
            explore: Explore {
                share: 0.1,
                method: ExploreMethod::Uniform,
                temperature: 1.0,
                earliest_position: 4,
                max_item_age: Span::FOREVER,
            },
            repeat: Repeat { seen_cooldown: Span::hours(72), opened_cooldown: Span::FOREVER },
            feed: FeedLife { ttl: Span::minutes(45), length: 500 },
            user_control: UserControl { diversity_range: [0.0, 1.0] },
        }
    }
}

/// One thing wrong with a policy: the key below the policy's own table, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    pub key: String,
    pub detail: String,
}

impl Policy {
    /// Every fault at once; empty means the policy is sound.
    pub fn check(&self) -> Vec<PolicyFault> {
        let mut faults = Faults::default();
        let id_fits =
            (1..=64).contains(&self.id.len()) && self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_fits {
            faults.add("id", format!("is `{}`; expected 1 to 64 of a-z, 0-9 and -", self.id));
        }
        faults.range("version", self.version, 1, u32::MAX);
        faults.range("page_size", self.page_size, 1, MAX_PAGE_ITEMS as u32);
        faults.range("retrieve.candidates", self.retrieve.candidates, 50, MAX_POOL as u32);
        faults.range("retrieve.deadline", self.retrieve.deadline, Span::millis(5), Span::millis(500));
        let s = &self.retrieve.sources;
        let shares =
            [("interest", s.interest), ("followed", s.followed), ("trending", s.trending), ("fresh", s.fresh), ("outside", s.outside)];
        for (name, share) in shares {
            faults.range(&format!("retrieve.sources.{name}"), share, 0.0, 1.0);
        }
        if s.trending + s.fresh + s.outside <= 0.0 {
            faults.add(
                "retrieve.sources",
                "trending, fresh and outside are all 0: a reader without a profile would get nothing; set at least one above 0".into(),
            );
        }
        let w = &self.score.weights;
        let weights = [
            ("interest", w.interest),
            ("topic", w.topic),
            ("creator", w.creator),
            ("follow", w.follow),
            ("recency", w.recency),
            ("popularity", w.popularity),
            ("relevance", w.relevance),
            ("less_like", w.less_like),
        ];
        for (name, weight) in weights {
            faults.range(&format!("score.weights.{name}"), weight, 0.0, 5.0);
        }
        faults.range("score.recency_half_life", self.score.recency_half_life, Span::minutes(5), Span::days(3650));
        faults.range("score.popularity_half_life", self.score.popularity_half_life, Span::minutes(5), Span::days(3650));
        self.check_diversify(&mut faults);
        self.check_constraints(&mut faults);
        faults.range("explore.share", self.explore.share, 0.0, 0.5);
        faults.range("explore.temperature", self.explore.temperature, 0.01, 10.0);
        faults.range("explore.earliest_position", self.explore.earliest_position, 0, 100);
        faults.range("explore.max_item_age", self.explore.max_item_age, Span::hours(1), Span::FOREVER);
        faults.range("feed.ttl", self.feed.ttl, Span::minutes(1), Span::hours(24));
        faults.range("feed.length", self.feed.length, 20, MAX_POOL as u32);
        let [low, high] = self.user_control.diversity_range;
        if !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) || low > high {
            faults.add("user_control.diversity_range", format!("is [{low}, {high}]; expected [low, high] with 0 ≤ low ≤ high ≤ 1"));
        }
        faults.0
    }

    fn check_diversify(&self, faults: &mut Faults) {
        faults.range("diversify.diversity", self.diversify.diversity, 0.0, 1.0);
        faults.range("diversify.pool", self.diversify.pool, 20, MAX_POOL as u32);
        let mut sum = 0.0;
        for (name, weight) in self.diversify.similarity.named() {
            faults.range(&format!("diversify.similarity.{name}"), weight, 0.0, 1.0);
            sum += weight;
        }
        if (sum - 1.0).abs() > 1e-3 {
            faults.add("diversify.similarity", format!("weights sum to {sum}; they must sum to 1"));
        }
    }

    fn check_constraints(&self, faults: &mut Faults) {
        if self.constraint.len() > MAX_CONSTRAINTS {
            faults.add("constraint", format!("has {} entries; at most {MAX_CONSTRAINTS}", self.constraint.len()));
        }
        for (index, constraint) in self.constraint.iter().enumerate() {
            let detail = match *constraint {
                Constraint::MaxShare { max, per, .. } if max < 1 || max >= per || per > 100 => {
                    format!("max = {max}, per = {per}; expected 1 ≤ max < per ≤ 100")
                }
                Constraint::MinGap { gap, .. } if !(1..=99).contains(&gap) => format!("gap = {gap}; expected 1 to 99"),
                Constraint::MinDistinct { min, per, .. } if min < 2 || min > per || per > 100 => {
                    format!("min = {min}, per = {per}; expected 2 ≤ min ≤ per ≤ 100")
                }
                _ => continue,
            };
            faults.add(&format!("constraint[{index}] ({})", constraint.kind()), detail);
        }
    }

    /// `b3:` + the first 16 hex digits of BLAKE3 over the policy's canonical JSON (keys in declared order).
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("b3:{}", &blake3::hash(&json).to_hex()[..16])
    }
}

/// Most constraints in one policy.
pub const MAX_CONSTRAINTS: usize = 16;

impl SimilarityWeights {
    pub fn named(&self) -> [(&'static str, f32); 6] {
        [
            ("topic", self.topic),
            ("creator", self.creator),
            ("source", self.source),
            ("viewpoint", self.viewpoint),
            ("language", self.language),
            ("embedding", self.embedding),
        ]
    }
}

#[derive(Default)]
struct Faults(Vec<PolicyFault>);

impl Faults {
    fn add(&mut self, key: &str, detail: String) {
        self.0.push(PolicyFault { key: key.into(), detail });
    }

    /// Not-a-number compares false and is a fault too.
    fn range<T: PartialOrd + fmt::Display>(&mut self, key: &str, value: T, low: T, high: T) {
        let within = value >= low && value <= high;
        if !within {
            self.add(key, format!("is {value}; expected {low} to {high}"));
        }
    }
}

/// A checked policy with its digest: what a request holds from start to end.
#[derive(Clone, Debug)]
pub struct ActivePolicy {
    pub policy: Policy,
    pub digest: String,
}

impl ActivePolicy {
    pub fn new(policy: Policy) -> Self {
        let digest = policy.digest();
        Self { policy, digest }
    }
}

/// The active policy of every surface: one snapshot, swapped whole.
#[derive(Clone, Debug)]
pub struct Surfaces(pub BTreeMap<String, Arc<ActivePolicy>>);

impl Surfaces {
    pub fn get(&self, surface: &str) -> Option<&Arc<ActivePolicy>> {
        self.0.get(surface)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Policy::default().check(), []);
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let mut policy = Policy { page_size: 0, ..Policy::default() };
        policy.diversify.diversity = f32::NAN;
        policy.explore.share = 0.9;
        policy.diversify.similarity.topic = 0.9;
        let keys: Vec<String> = policy.check().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["page_size", "diversify.diversity", "diversify.similarity", "explore.share"]);
    }

    #[test]
    fn the_digest_names_the_content() {
        let base = Policy::default();
        let mut other = base.clone();
        assert_eq!(base.digest(), other.digest());
        other.diversify.diversity += 0.01;
        assert_ne!(base.digest(), other.digest());
    }
}
