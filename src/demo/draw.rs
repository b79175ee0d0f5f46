//! Seeded draws: one independent stream per purpose, so that a change in one part leaves the others as they were.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of draws.
pub struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Uniform in `0..n`; `n` ≥ 1.
    pub fn below(&mut self, n: usize) -> usize {
        // 64-bit whatever the platform, so that the draws are the same everywhere.
        self.0.random_range(0..n.max(1) as u64) as usize
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of a non-empty slice.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Uniform between two numbers of milliseconds, `from` when `to` is not later.
    pub fn between(&mut self, from: i64, to: i64) -> i64 {
        if to <= from { from } else { self.0.random_range(from..to) }
    }
}

/// Indexes drawn in proportion to weights.
pub struct Weighted {
    cumulative: Vec<f64>,
}

impl Weighted {
    /// Weights ≥ 0; those of no weight are not drawn.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let cumulative = weights
            .into_iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        Self { cumulative }
    }

    /// An index, or `None` when nothing has a weight.
    pub fn draw(&self, draw: &mut Draw) -> Option<usize> {
        let total = *self.cumulative.last().filter(|total| **total > 0.0)?;
        let point = draw.unit() * total;
        Some(self.cumulative.partition_point(|sum| *sum <= point).min(self.cumulative.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_purpose() {
        let first = |purpose| Draw::new(1, purpose).unit();
        assert_eq!(first("a"), first("a"));
        assert_ne!(first("a"), first("b"));
    }

    #[test]
    fn weights_decide_what_is_drawn() {
        let weighted = Weighted::new([0.0, 3.0, 0.0, 1.0]);
        let mut draw = Draw::new(1, "weights");
        let mut counts = [0u32; 4];
        for _ in 0..4_000 {
            counts[weighted.draw(&mut draw).unwrap()] += 1;
        }
        assert_eq!((counts[0], counts[2]), (0, 0));
        assert!((2_800..3_200).contains(&counts[1]), "{counts:?}");
        assert_eq!(Weighted::new([0.0, 0.0]).draw(&mut draw), None);
        assert_eq!(Weighted::new([]).draw(&mut draw), None);
    }
}
