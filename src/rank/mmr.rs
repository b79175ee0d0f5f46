//! Maximal marginal relevance: `λ·r − (1 − λ)·penalty`, where the penalty is the greatest or the mean similarity to the
//! items placed so far, and `λ = 1 − diversity` (Carbonell & Goldstein, SIGIR 1998).

use super::similarity::{Features, similarity};
use crate::domain::{Policy, policy::Aggregate};

/// Similarity of every candidate to the placed items, kept up to date placement by placement. O(n·d) per placement.
pub struct Penalties {
    max: Vec<f32>,
    sum: Vec<f64>,
    placed: usize,
}

impl Penalties {
    pub fn new(candidates: usize) -> Self {
        Self { max: vec![0.0; candidates], sum: vec![0.0; candidates], placed: 0 }
    }

    /// Counts a placed item in, for every candidate that is still open.
    pub fn place(&mut self, placed: Option<&Features>, open: impl Iterator<Item = usize>, features: &[Option<Features>], policy: &Policy) {
        self.placed += 1;
        let Some(placed) = placed else { return };
        for index in open {
            if let Some(candidate) = &features[index] {
                let alike = similarity(placed, candidate, &policy.diversify.similarity);
                self.max[index] = self.max[index].max(alike);
                self.sum[index] += f64::from(alike);
            }
        }
    }

    /// Greatest similarity to a placed item, in [0, 1]; 0 before the first.
    pub fn max(&self, index: usize) -> f32 {
        self.max[index]
    }

    /// The penalty the policy asks for, in [0, 1].
    pub fn of(&self, index: usize, aggregate: Aggregate) -> f32 {
        match aggregate {
            Aggregate::Max => self.max[index],
            Aggregate::Mean if self.placed == 0 => 0.0,
            Aggregate::Mean => (self.sum[index] / self.placed as f64) as f32,
        }
    }
}

/// The MMR objective, in [−1, 1].
pub fn objective(relevance: f32, penalty: f32, diversity: f32) -> f32 {
    (1.0 - diversity) * relevance - diversity * penalty
}
