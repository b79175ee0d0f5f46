//! The bootstrap over people: what other people of the same kind would have shown.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{super::threads::over_threads, CONFIDENCE, Estimate};

/// Resamples: the ends of a 95 % interval are then the 25th values from either side, sure to about 7 % of the half width.
pub const RESAMPLES: u64 = 1_000;

/// Columns of observations, each the sum and the number of what every person contributed.
pub struct Columns {
    people: usize,
    /// `(sum, number)` by column, then person.
    columns: Vec<Vec<(f64, f64)>>,
}

impl Columns {
    /// For clusters `0 .. people`.
    pub fn new(people: usize) -> Self {
        Self { people, columns: Vec::new() }
    }

    /// Adds a column of `(cluster, value)` and returns its index.
    pub fn push(&mut self, observations: impl IntoIterator<Item = (u32, f64)>) -> usize {
        let mut column = vec![(0.0, 0.0); self.people];
        for (cluster, value) in observations {
            if let Some((sum, number)) = column.get_mut(cluster as usize) {
                *sum += value;
                *number += 1.0;
            }
        }
        self.columns.push(column);
        self.columns.len() - 1
    }

    fn mean(&self, column: usize) -> f64 {
        let (sum, number) = self.columns[column].iter().fold((0.0, 0.0), |total, one| (total.0 + one.0, total.1 + one.1));
        ratio(sum, number)
    }

    /// The mean of every column with its interval, and of the differences `(minuend, subtrahend)` of columns: people are drawn
    /// with replacement, all columns with the same people, so that what two columns have in common does not widen their difference.
    ///
    /// Percentile intervals (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13) over [`RESAMPLES`] of
    /// whole clusters (Davison & Hinkley, Bootstrap Methods, 1997, § 3.8), 95 %. Deterministic: ChaCha8 by `seed`.
    pub fn intervals(&self, differences: &[(usize, usize)], seed: u64) -> (Vec<Estimate>, Vec<Estimate>) {
        let resamples: Vec<u64> = if self.people == 0 { Vec::new() } else { (0..RESAMPLES).collect() };
        let resampled = over_threads(&resamples, |resample| self.resampled(seed, *resample));
        let interval = |value, of: &dyn Fn(&[f64]) -> f64| percentiles(value, resampled.iter().map(|means| of(means)).collect());
        let of_columns = (0..self.columns.len()).map(|column| interval(self.mean(column), &|means| means[column]));
        let of_differences = differences.iter().map(|(a, b)| interval(self.mean(*a) - self.mean(*b), &|means| means[*a] - means[*b]));
        (of_columns.collect(), of_differences.collect())
    }

    /// The mean of every column over as many people, drawn with replacement.
    fn resampled(&self, seed: u64, resample: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(resample);
        let mut drawn = vec![0u32; self.people];
        for _ in 0..self.people {
            drawn[rng.random_range(0..self.people)] += 1;
        }
        let mean = |column: &Vec<(f64, f64)>| {
            let times = column.iter().zip(&drawn).map(|((sum, number), times)| (sum * f64::from(*times), number * f64::from(*times)));
            let (sum, number) = times.fold((0.0, 0.0), |total, one| (total.0 + one.0, total.1 + one.1));
            ratio(sum, number)
        };
        self.columns.iter().map(mean).collect()
    }
}

/// 0 of nothing.
fn ratio(sum: f64, number: f64) -> f64 {
    if number > 0.0 { sum / number } else { 0.0 }
}

fn percentiles(value: f64, mut resampled: Vec<f64>) -> Estimate {
    resampled.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| resampled.get((share * (resampled.len().max(1) - 1) as f64).round() as usize).copied().unwrap_or(value);
    let outside = (1.0 - CONFIDENCE) / 2.0;
    Estimate { value, lower: at(outside), upper: at(1.0 - outside) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_about_that_of_the_normal_distribution() {
        // 400 people, half of them 1 and half 0: standard error √(.25 / 400) = .025.
        let mut columns = Columns::new(400);
        columns.push((0..400u32).map(|n| (n, f64::from(n % 2))));
        let (intervals, _) = columns.intervals(&[], 1);
        assert_eq!(intervals[0].value, 0.5);
        assert!((intervals[0].half() - 1.96 * 0.025).abs() < 0.004, "{:?}", intervals[0]);
    }

    #[test]
    fn what_two_columns_share_does_not_widen_their_difference() {
        let mut columns = Columns::new(50);
        let all = |add: f64| (0..50u32).map(move |n| (n, f64::from(n) + add));
        let (a, b) = (columns.push(all(1.0)), columns.push(all(0.0)));
        let (alone, difference) = columns.intervals(&[(a, b)], 1);
        assert!(alone[a].half() > 3.0);
        assert!((difference[0].value - 1.0).abs() < 1e-9 && difference[0].half() < 1e-9, "{:?}", difference[0]);
    }

    #[test]
    fn feeds_of_one_person_are_drawn_together() {
        let mut columns = Columns::new(40);
        let once = columns.push((0..40u32).map(|n| (n, f64::from(n % 4))));
        let often = columns.push((0..400u32).map(|n| (n % 40, f64::from(n % 4))));
        let (intervals, _) = columns.intervals(&[], 1);
        assert!((intervals[once].half() - intervals[often].half()).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_answered_with_nothing() {
        let mut columns = Columns::new(0);
        columns.push([]);
        assert_eq!(columns.intervals(&[], 1).0, [Estimate::default()]);
        let mut missing = Columns::new(3);
        missing.push([(1, 2.0), (9, 5.0)]);
        let of_one = missing.intervals(&[], 1).0[0];
        assert_eq!(of_one.value, 2.0);
    }
}
