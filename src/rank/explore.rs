//! Exploration slots: which positions are drawn by chance, and the draw with its true propensity.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use crate::domain::feed::Arm;
use crate::domain::policy::{Explore, ExploreMethod};

/// Points at which the propensity of a Thompson draw is integrated, over ± [`SPREAD`] standard deviations.
const POINTS: u32 = 400;
const SPREAD: f64 = 8.0;

/// Whether `position` is reserved: evenly spaced, `share` of all positions, none before `earliest_position`.
pub fn is_slot(position: usize, explore: &Explore) -> bool {
    let share = f64::from(explore.share);
    let up_to = |n: usize| (n as f64 * share + 1e-6).floor();
    position >= explore.earliest_position as usize && up_to(position + 1) > up_to(position)
}

/// Draws one of `arms` for `position`. Returns its index and the probability with which this draw takes it.
///
/// Deterministic: ChaCha8 seeded with `seed`, one stream per position. `None` when there are no arms.
pub fn draw(arms: &[Arm], explore: &Explore, seed: u64, position: usize) -> Option<(usize, f64)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(position as u64);
    match explore.method {
        ExploreMethod::Epsilon => by_probability(&epsilon(arms, explore.epsilon), &mut rng),
        ExploreMethod::Softmax => by_probability(&softmax(arms, explore.temperature), &mut rng),
        ExploreMethod::Thompson => {
            let sample = |arm: &Arm| arm.mean + arm.deviation * normal(&mut rng);
            let samples: Vec<f64> = arms.iter().map(sample).collect();
            let drawn = (0..arms.len()).reduce(|best, other| if samples[other] > samples[best] { other } else { best })?;
            Some((drawn, thompson(arms, drawn)))
        }
    }
}

/// The probability of each arm: they sum to 1 within rounding (within 1e-3 for `thompson`, which is integrated).
pub fn propensities(arms: &[Arm], explore: &Explore) -> Vec<f64> {
    match explore.method {
        ExploreMethod::Epsilon => epsilon(arms, explore.epsilon),
        ExploreMethod::Softmax => softmax(arms, explore.temperature),
        ExploreMethod::Thompson => (0..arms.len()).map(|arm| thompson(arms, arm)).collect(),
    }
}

fn by_probability(probabilities: &[f64], rng: &mut ChaCha8Rng) -> Option<(usize, f64)> {
    let mut left: f64 = rng.random();
    for (index, probability) in probabilities.iter().enumerate() {
        left -= probability;
        if left < 0.0 {
            return Some((index, *probability));
        }
    }
    // The probabilities may sum to a hair below 1, and the last ones may be 0.
    let last = probabilities.iter().rposition(|probability| *probability > 0.0)?;
    Some((last, probabilities[last]))
}

/// `ε/m` each, and `1 − ε` more for the most relevant (the first of equals).
fn epsilon(arms: &[Arm], epsilon: f32) -> Vec<f64> {
    let epsilon = f64::from(epsilon);
    let mut probabilities = vec![epsilon / arms.len().max(1) as f64; arms.len()];
    let best = (0..arms.len()).reduce(|best, other| if arms[other].relevance > arms[best].relevance { other } else { best });
    if let Some(best) = best {
        probabilities[best] += 1.0 - epsilon;
    }
    probabilities
}

/// ∝ exp(relevance / temperature).
fn softmax(arms: &[Arm], temperature: f32) -> Vec<f64> {
    let scaled = |arm: &Arm| f64::from(arm.relevance) / f64::from(temperature);
    let largest = arms.iter().map(scaled).fold(f64::MIN, f64::max);
    let weights: Vec<f64> = arms.iter().map(|arm| (scaled(arm) - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Probability that `arm` has the largest sample: `∫ φᵢ(x) Π_{j≠i} Φⱼ(x) dx` by the trapezoidal rule, whose error falls
/// exponentially for such integrands: below 1e-4 while the deviations differ by less than a factor of 30.
fn thompson(arms: &[Arm], arm: usize) -> f64 {
    let own = arms[arm];
    // Items without data share one posterior: one power instead of many factors.
    let mut others: Vec<(f64, f64, i32)> = Vec::new();
    for (_, other) in arms.iter().enumerate().filter(|(index, _)| *index != arm) {
        match others.iter_mut().find(|(mean, deviation, _)| *mean == other.mean && *deviation == other.deviation) {
            Some((_, _, count)) => *count += 1,
            None => others.push((other.mean, other.deviation, 1)),
        }
    }
    let step = 2.0 * SPREAD / f64::from(POINTS);
    let density = |z: f64| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let all_below = |x: f64| others.iter().map(|(mean, deviation, count)| cumulative((x - mean) / deviation).powi(*count)).product::<f64>();
    let points = (0..=POINTS).map(|point| step.mul_add(f64::from(point), -SPREAD));
    let integral: f64 = points.map(|z| density(z) * all_below(own.deviation.mul_add(z, own.mean))).sum::<f64>() * step;
    // An item that was drawn had a chance, however small.
    integral.clamp(f64::MIN_POSITIVE, 1.0)
}

/// The standard normal distribution function.
fn cumulative(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// A standard normal number (Box & Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}
