//! The mean of values in [0, 1], with no assumption on how they are distributed.

use super::Interval;

/// Bets stay below this share of the capital: what the authors take (between ½ and ¾), so that one value never ruins it.
const LAMBDA_MAX: f64 = 0.5;

/// The predictable plug-in empirical-Bernstein confidence sequence: Waudby-Smith & Ramdas, "Estimating means of bounded
/// random variables by betting", J. R. Stat. Soc. B 86 (2024), theorem 2.
///
/// With `μᵢ`, `σᵢ²` the running mean and variance (begun with ½ and ¼) and `λᵢ = min(√(2 ln(2/α) / (σᵢ₋₁² i ln(1+i))), ½)`:
/// `Σ λᵢxᵢ / Σ λᵢ ± (ln(2/α) + Σ 4(xᵢ − μᵢ₋₁)² ψ(λᵢ)) / Σ λᵢ`, where `ψ(λ) = (−ln(1−λ) − λ) / 4`. Covers the mean at all
/// times together with probability 1 − α, for values that come one after the other from one mean. Memory and time per value
/// are constant.
#[derive(Clone, Debug)]
pub struct MeanSequence {
    /// `ln(2/α)`.
    log_budget: f64,
    count: u64,
    sum: f64,
    squared_deviations: f64,
    lambda: f64,
    lambda_value: f64,
    penalty: f64,
}

impl MeanSequence {
    /// `alpha` in (0, 1): the chance that [`MeanSequence::interval`] ever leaves out the mean.
    pub fn new(alpha: f64) -> Self {
        let log_budget = libm::log(2.0 / alpha);
        Self { log_budget, count: 0, sum: 0.0, squared_deviations: 0.0, lambda: 0.0, lambda_value: 0.0, penalty: 0.0 }
    }

    /// Adds the value of the next unit; outside [0, 1] it counts as the nearer end, not-a-number as nothing.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let value = value.clamp(0.0, 1.0);
        let before = self.count as f64;
        let next = before + 1.0;
        let mean = (0.5 + self.sum) / next;
        let variance = (0.25 + self.squared_deviations) / next;
        let lambda = (2.0 * self.log_budget / (variance * next * libm::log1p(next))).sqrt().min(LAMBDA_MAX);
        self.lambda += lambda;
        self.lambda_value += lambda * value;
        self.penalty += 4.0 * (value - mean).powi(2) * (-libm::log1p(-lambda) - lambda) / 4.0;
        self.count += 1;
        self.sum += value;
        let mean = (0.5 + self.sum) / (next + 1.0);
        self.squared_deviations += (value - mean).powi(2);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The plain mean; 0 before the first value.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / self.count as f64 }
    }

    /// Within [0, 1]; all of it before the first value.
    pub fn interval(&self) -> Interval {
        if self.count == 0 {
            return Interval { lower: 0.0, upper: 1.0 };
        }
        let center = self.lambda_value / self.lambda;
        let radius = (self.log_budget + self.penalty) / self.lambda;
        Interval { lower: (center - radius).max(0.0), upper: (center + radius).min(1.0) }
    }
}
