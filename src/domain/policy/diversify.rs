//! How the slate is varied.

use serde::{Deserialize, Serialize};

use super::{
    check::{Faults, Rule},
    knob::Kind,
};
use crate::domain::{Facet, facet::MAX_FACET_VALUE_BYTES};

/// How the slate is varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diversify {
    pub method: Method,
    /// 0 = relevance only … 1 = most varied, in [0, 1]; the weight it gives relevance: `rank::diversify::lambda`.
    pub diversity: f32,
    /// For `mmr`.
    pub aggregate: Aggregate,
    /// For `mmr`, `dpp` and `ssd`: only the last `window` placed items count, 0 to 100; 0 = all.
    pub window: u32,
    /// Best candidates by relevance that are re-ranked, 20 to 5,000; the rest follow by relevance.
    pub pool: u32,
    pub similarity: SimilarityWeights,
    pub calibrate: Calibrate,
    pub target: Target,
}

/// Diversification method: what a candidate adds to the items placed before it. Formulas: `rank::diversify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Relevance order.
    None,
    /// Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998).
    Mmr,
    /// Greedy mode of a determinantal point process (Chen et al., NeurIPS 2018).
    Dpp,
    /// Max-sum dispersion (Borodin et al., PODS 2012).
    Msd,
    /// Sliding spectrum decomposition (Huang et al., KDD 2021).
    Ssd,
    /// Saturating coverage of a facet's values (xQuAD: Santos et al., WWW 2010).
    Coverage,
    /// Calibration of a facet's mix (Steck, RecSys 2018).
    Calibrated,
}

impl Method {
    pub const ALL: [Method; 7] = [Self::None, Self::Mmr, Self::Dpp, Self::Msd, Self::Ssd, Self::Coverage, Self::Calibrated];

    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mmr => "mmr",
            Self::Dpp => "dpp",
            Self::Msd => "msd",
            Self::Ssd => "ssd",
            Self::Coverage => "coverage",
            Self::Calibrated => "calibrated",
        }
    }

    /// Whether it aims at a mix of facet values ([`Calibrate`]).
    pub const fn needs_mix(self) -> bool {
        matches!(self, Self::Coverage | Self::Calibrated)
    }
}

/// The mix of facet values that `coverage` and `calibrated` aim at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    pub facet: Facet,
    pub toward: Toward,
    /// For `toward = "editorial"`: at most [`MAX_EDITORIAL_VALUES`] values whose shares sum to 1.
    pub editorial: Vec<EditorialShare>,
}

/// Most values in an editorial mix.
pub const MAX_EDITORIAL_VALUES: usize = 64;

/// A value of an editorial mix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditorialShare {
    pub value: String,
    /// 0 to 1.
    pub share: f32,
}

/// Where the target mix comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Toward {
    /// What the person likes; the catalogue's mix while nothing is known. Viewpoint, language and format are never learned.
    UserHistory,
    /// What the catalogue holds.
    Catalogue,
    /// What the policy says.
    Editorial,
}

/// An outcome to reach on every first page, instead of a fixed `diversity`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub metric: TargetMetric,
    /// At least this much of the metric: bits for `entropy`, 0 to 1 for `ild`, values for `distinct`.
    pub at_least: f32,
    /// But never less relevance kept than this, 0 to 1.
    pub relevance_kept_min: f32,
}

/// What the outcome is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetMetric {
    /// No outcome asked for: `diversity` holds.
    None,
    /// Entropy of the topics, in bits.
    Entropy,
    /// Intra-list diversity.
    Ild,
    /// Distinct topics.
    Distinct,
}

impl TargetMetric {
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Entropy => "entropy",
            Self::Ild => "ild",
            Self::Distinct => "distinct",
        }
    }
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

    /// The weights with what a reader says sources and viewpoints weigh, each in [0, 1]; the others share what remains as they did.
    /// Two that ask for more than all there is share it as they ask.
    #[must_use]
    pub fn mixed(&self, source: Option<f32>, viewpoint: Option<f32>) -> Self {
        if source.is_none() && viewpoint.is_none() {
            return self.clone();
        }
        let asked = source.unwrap_or(0.0) + viewpoint.unwrap_or(0.0);
        let scale = if asked > 1.0 { 1.0 / asked } else { 1.0 };
        let kept = |weight: f32, asked: Option<f32>| if asked.is_some() { 0.0 } else { weight };
        let rest = self.topic + self.creator + kept(self.source, source) + kept(self.viewpoint, viewpoint) + self.language + self.embedding;
        let left = if rest > 0.0 { (1.0 - asked).max(0.0) / rest } else { 0.0 };
        Self {
            topic: self.topic * left,
            creator: self.creator * left,
            source: source.map_or(self.source * left, |asked| asked * scale),
            viewpoint: viewpoint.map_or(self.viewpoint * left, |asked| asked * scale),
            language: self.language * left,
            embedding: self.embedding * left,
        }
    }
}

impl Diversify {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.held("diversify.diversity", self.diversity);
        faults.held("diversify.pool", self.pool);
        let mut sum = 0.0;
        for (name, weight) in self.similarity.named() {
            faults.held(&format!("diversify.similarity.{name}"), weight);
            sum += weight;
        }
        if (sum - 1.0).abs() > 1e-3 {
            faults.add(Rule::Sum, "diversify.similarity", format!("weights sum to {sum}; they must sum to 1"));
        }
        faults.held("diversify.window", self.window);
        self.calibrate.check(faults);
        self.target.check(faults);
    }
}

impl Calibrate {
    fn check(&self, faults: &mut Faults) {
        let mut sum = 0.0;
        if self.editorial.len() > MAX_EDITORIAL_VALUES {
            faults.add(
                Rule::Count,
                "diversify.calibrate.editorial",
                format!("has {} values; at most {MAX_EDITORIAL_VALUES}", self.editorial.len()),
            );
        }
        for (index, EditorialShare { value, share }) in self.editorial.iter().enumerate() {
            let key = |field| format!("diversify.calibrate.editorial[{index}] ({field})");
            faults.share(&key("share"), *share);
            sum += share;
            if value.is_empty() || value.len() > MAX_FACET_VALUE_BYTES {
                faults.add(Rule::Range, &key("value"), format!("has {} bytes; expected 1 to {MAX_FACET_VALUE_BYTES}", value.len()));
            }
            if self.editorial[..index].iter().any(|earlier| earlier.value == *value) {
                faults.add(Rule::Once, &key("value"), format!("`{value}` stands twice"));
            }
        }
        let asked = self.toward == Toward::Editorial || !self.editorial.is_empty();
        if asked && (sum - 1.0).abs() > 1e-3 {
            faults.add(Rule::Sum, "diversify.calibrate.editorial", format!("shares sum to {sum}; they must sum to 1"));
        }
    }
}

impl Target {
    fn check(&self, faults: &mut Faults) {
        let most = match self.metric {
            TargetMetric::None | TargetMetric::Ild => 1.0,
            TargetMetric::Entropy => 10.0,
            TargetMetric::Distinct => 100.0,
        };
        // Tighter than its knob's range, which has to fit every metric.
        if let Some(expected) = Kind::Number(0.0, most).fault(self.at_least.into()) {
            faults.add(Rule::Range, "diversify.target.at_least", format!("is {}; expected {expected}", self.at_least));
        }
        faults.held("diversify.target.relevance_kept_min", self.relevance_kept_min);
    }
}
