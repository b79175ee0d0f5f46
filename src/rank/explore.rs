//! Exploration slots: which positions are drawn by chance, and the draw with its exact propensity.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::domain::policy::{Explore, ExploreMethod};

/// Whether `position` is reserved: evenly spaced, `share` of all positions, none before `earliest_position`.
pub fn is_slot(position: usize, explore: &Explore) -> bool {
    let share = f64::from(explore.share);
    let up_to = |n: usize| (n as f64 * share + 1e-6).floor();
    position >= explore.earliest_position as usize && up_to(position + 1) > up_to(position)
}

/// Draws one of `eligible` (relevance in [0, 1] each) for `position`. Returns its index and its probability.
///
/// Deterministic: ChaCha8 seeded with `seed`, one stream per position. `None` when nothing is eligible.
pub fn draw(eligible: &[f32], explore: &Explore, seed: u64, position: usize) -> Option<(usize, f64)> {
    let probabilities = propensities(eligible, explore);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(position as u64);
    let mut left: f64 = rng.random();
    for (index, probability) in probabilities.iter().enumerate() {
        left -= probability;
        if left < 0.0 {
            return Some((index, *probability));
        }
    }
    // The probabilities may sum to a hair below 1.
    let last = probabilities.len().checked_sub(1)?;
    Some((last, probabilities[last]))
}

/// The probability of each: they sum to 1 within rounding.
pub fn propensities(eligible: &[f32], explore: &Explore) -> Vec<f64> {
    match explore.method {
        ExploreMethod::Uniform => vec![1.0 / eligible.len().max(1) as f64; eligible.len()],
        ExploreMethod::Softmax => {
            let scaled = |r: &f32| f64::from(*r) / f64::from(explore.temperature);
            let largest = eligible.iter().map(scaled).fold(f64::MIN, f64::max);
            let weights: Vec<f64> = eligible.iter().map(|r| (scaled(r) - largest).exp()).collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(|w| w / sum).collect()
        }
    }
}
