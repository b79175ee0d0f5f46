//! The reward model of the doubly robust estimate: a linear probability model, fitted by ridge regression.
//!
//! `q̂(x, a) = β · φ(x, a)` with φ = (1, relevance, mean of the open-rate posterior, 1 / log2(2 + position)). Being linear, its mean over a
//! target policy's chances is its value at the mean features, so no candidate has to be kept. It need not be right: the
//! doubly robust estimate is right whenever the chances are, and the chances are recorded.

use crate::rank::{explore::Arm, metrics};

/// φ of one candidate, or its mean over several.
pub type Features = [f64; FEATURES];
const FEATURES: usize = 4;
/// Pull of the coefficients toward 0, as if so many draws without reward had said so; the intercept is free.
const RIDGE: f64 = 1.0;
/// What keeps a matrix that has nothing to say from being divided by.
const SMALLEST_PIVOT: f64 = 1e-9;

/// φ of `arm` in a draw for the 0-based `position`.
pub fn features(arm: &Arm, position: u32) -> Features {
    [1.0, f64::from(arm.relevance), arm.mean, metrics::log_discount(position as usize + 1)]
}

/// Mean features under `chances`.
pub fn expected(arms: &[Arm], chances: &[f64], position: u32) -> Features {
    let mut mean = [0.0; FEATURES];
    for (arm, chance) in arms.iter().zip(chances) {
        for (mean, feature) in mean.iter_mut().zip(features(arm, position)) {
            *mean += chance * feature;
        }
    }
    mean
}

/// Sums that the coefficients follow from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    /// Σ φ φᵀ.
    products: [[f64; FEATURES]; FEATURES],
    /// Σ φ r.
    rewards: [f64; FEATURES],
}

impl Moments {
    pub fn add(&mut self, features: &Features, reward: f64) {
        for (row, a) in features.iter().enumerate() {
            for (column, b) in features.iter().enumerate() {
                self.products[row][column] += a * b;
            }
            self.rewards[row] += a * reward;
        }
    }

    /// What is in `self` and not in `part`.
    pub fn without(&self, part: &Moments) -> Moments {
        let mut rest = *self;
        for row in 0..FEATURES {
            for column in 0..FEATURES {
                rest.products[row][column] -= part.products[row][column];
            }
            rest.rewards[row] -= part.rewards[row];
        }
        rest
    }

    /// β of ridge regression (Hoerl & Kennard, Technometrics 1970), by elimination with pivots.
    pub fn fit(&self) -> Features {
        let mut rows: [[f64; FEATURES + 1]; FEATURES] = std::array::from_fn(|row| {
            std::array::from_fn(|column| match column {
                FEATURES => self.rewards[row],
                _ => self.products[row][column] + if row == column && row > 0 { RIDGE } else { 0.0 },
            })
        });
        for pivot in 0..FEATURES {
            let best = (pivot..FEATURES).max_by(|a, b| rows[*a][pivot].abs().total_cmp(&rows[*b][pivot].abs())).unwrap_or(pivot);
            rows.swap(pivot, best);
            let own = rows[pivot];
            if own[pivot].abs() < SMALLEST_PIVOT {
                return [0.0; FEATURES];
            }
            for row in (0..FEATURES).filter(|row| *row != pivot) {
                let factor = rows[row][pivot] / own[pivot];
                rows[row].iter_mut().zip(own).for_each(|(cell, own)| *cell -= factor * own);
            }
        }
        std::array::from_fn(|row| rows[row][FEATURES] / rows[row][row])
    }
}

/// `β · φ`.
pub fn value(coefficients: &Features, features: &Features) -> f64 {
    coefficients.iter().zip(features).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_truth_is_found() {
        let truth = [0.05, 0.3, -0.2, 0.1];
        let mut moments = Moments::default();
        for n in 0..20_000u32 {
            let part = |of: u32| f64::from((n * of + 7) % 101) / 101.0;
            let features = [1.0, part(3), part(17), part(29)];
            moments.add(&features, value(&truth, &features));
        }
        let found = moments.fit();
        assert!(found.iter().zip(truth).all(|(a, b)| (a - b).abs() < 2e-3), "{found:?}");
        assert_eq!(Moments::default().fit(), [0.0; FEATURES]);
    }

    #[test]
    fn what_is_taken_out_does_not_count() {
        let (mut all, mut part) = (Moments::default(), Moments::default());
        for n in 0..50 {
            let features = [1.0, f64::from(n) / 50.0, 0.1, 0.5];
            all.add(&features, f64::from(n % 2));
            if n >= 25 {
                part.add(&features, f64::from(n % 2));
            }
        }
        let mut first = Moments::default();
        (0..25).for_each(|n| first.add(&[1.0, f64::from(n) / 50.0, 0.1, 0.5], f64::from(n % 2)));
        assert!(all.without(&part).fit().iter().zip(first.fit()).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
