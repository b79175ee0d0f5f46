//! Means and differences of means of many units: narrower than [`super::bounded`], for the price of a limit theorem.

use super::Interval;

/// Added to the sum of squares: a variance of ¼ seen once. Rare outcomes begin with many equal values, which would
/// otherwise look like certainty.
const PRIOR_SQUARES: f64 = 0.25;
/// The intervals are narrowest around this many units. They hold at every number of them.
const TIGHTEST_AT_UNITS: f64 = 5_000.0;
/// Below this the limit theorem says little.
pub const MIN_UNITS: u64 = 250;

/// Count, mean and variance of values that come one after the other (Welford's update: no cancellation).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a value; not-a-number counts as nothing.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    /// 0 before the first value.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Of the values, with [`PRIOR_SQUARES`] among them.
    pub fn variance(&self) -> f64 {
        (PRIOR_SQUARES + self.squares) / (self.count + 1) as f64
    }

    /// Of the mean.
    fn squared_error(&self) -> f64 {
        self.variance() / self.count as f64
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }
}

/// The mean, at all times with probability 1 − `alpha`. `None` below [`MIN_UNITS`].
pub fn mean(of: &Moments, alpha: f64) -> Option<Interval> {
    around(of.mean, of.squared_error(), of.count, alpha)
}

/// Mean of `treated` less mean of `control`, at all times with probability 1 − `alpha`. `None` while one has fewer than
/// [`MIN_UNITS`].
pub fn difference(treated: &Moments, control: &Moments, alpha: f64) -> Option<Interval> {
    if treated.count.min(control.count) < MIN_UNITS {
        return None;
    }
    let squared_error = treated.squared_error() + control.squared_error();
    around(treated.mean - control.mean, squared_error, treated.count + control.count, alpha)
}

/// The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory
/// and asymptotic confidence sequences", Annals of Statistics 52 (2024), theorem 2.2, for an estimate with standard error
/// `s` from `n` units: `± s √n · √(2(nρ²+1)/(n²ρ²) · ln(√(nρ²+1)/α))`, with `ρ² = (2 ln(1/α) + ln(2 ln(1/α) + 1)) / n*`
/// narrowest near `n*` units. For a difference of means: the same applied to its influence function (there, section 3).
fn around(estimate: f64, squared_error: f64, count: u64, alpha: f64) -> Option<Interval> {
    if count < MIN_UNITS {
        return None;
    }
    let count = count as f64;
    let log_budget = -2.0 * libm::log(alpha);
    let rho2 = (log_budget + libm::log(log_budget + 1.0)) / TIGHTEST_AT_UNITS;
    let scale = count * rho2 + 1.0;
    let radius = (squared_error * 2.0 * scale / (count * rho2) * libm::log(scale.sqrt() / alpha)).sqrt();
    Some(Interval { lower: estimate - radius, upper: estimate + radius })
}
