//! How the slate is varied.

use serde::{Deserialize, Serialize};

use super::check::Faults;
use crate::domain::feed::MAX_POOL;

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

impl Diversify {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.range("diversify.diversity", self.diversity, 0.0, 1.0);
        faults.range("diversify.pool", self.pool, 20, MAX_POOL as u32);
        let mut sum = 0.0;
        for (name, weight) in self.similarity.named() {
            faults.range(&format!("diversify.similarity.{name}"), weight, 0.0, 1.0);
            sum += weight;
        }
        if (sum - 1.0).abs() > 1e-3 {
            faults.add("diversify.similarity", format!("weights sum to {sum}; they must sum to 1"));
        }
    }
}
