//! Intervals of means and ratios by their influence, summed over people.

use super::{Estimate, student_t_975};

/// The 95 % interval of an estimate whose influence values are known, robust to any dependence within a cluster.
///
/// ```text
/// V = G / (G − 1) · Σ_g (Σ_{i ∈ g} ψ_i)² / n²      estimate ± t_{G−1} · √V
/// ```
///
/// `clusters` and `influence` (ψ, summing to about 0) have an entry for each of n observations; G is the number of distinct
/// clusters. Infinitely wide with fewer than two clusters. Normal approximation with Student's t for the few clusters there may
/// be. Source: Liang & Zeger, Biometrika 1986; the factor: Cameron & Miller, Journal of Human Resources 2015 (CR1).
pub fn interval(estimate: f64, clusters: &[u32], influence: impl Iterator<Item = f64>) -> Estimate {
    let mut sums: Vec<(u32, f64)> = clusters.iter().copied().zip(influence).collect();
    let observations = sums.len() as f64;
    sums.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let (mut groups, mut squares) = (0usize, 0.0);
    for group in sums.chunk_by(|a, b| a.0 == b.0) {
        groups += 1;
        squares += group.iter().map(|(_, psi)| psi).sum::<f64>().powi(2);
    }
    if groups < 2 {
        return Estimate { value: estimate, lower: f64::NEG_INFINITY, upper: f64::INFINITY };
    }
    let variance = groups as f64 / (groups as f64 - 1.0) * squares / observations.powi(2);
    Estimate::around(estimate, student_t_975(groups - 1) * variance.sqrt())
}

/// The mean of `values` with its [`interval`].
pub fn mean(clusters: &[u32], values: &[f64]) -> Estimate {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    interval(mean, clusters, values.iter().map(|value| value - mean))
}

/// Distinct clusters.
pub fn groups(clusters: &[u32]) -> usize {
    let mut distinct = clusters.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_observation_a_cluster_is_the_textbook_interval() {
        // Mean 3, variance 2.5 (by n − 1), standard error √(2.5 / 5) = .70711, t₄ = 2.776.
        let got = mean(&[0, 1, 2, 3, 4], &[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((got.value - 3.0).abs() < 1e-12 && (got.half() - 2.776 * 0.5f64.sqrt()).abs() < 2e-3, "{got:?}");
    }

    #[test]
    fn what_is_said_twice_by_one_person_is_no_more_evidence() {
        let once = mean(&[0, 1, 2, 3, 4], &[1.0, 2.0, 3.0, 4.0, 5.0]);
        let twice = mean(&[0, 0, 1, 1, 2, 2, 3, 3, 4, 4], &[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]);
        assert!((once.half() - twice.half()).abs() < 1e-12, "{once:?} {twice:?}");
        assert_eq!(groups(&[3, 1, 3, 2]), 3);
    }

    #[test]
    fn one_person_says_nothing_of_others() {
        let alone = mean(&[7, 7, 7], &[1.0, 2.0, 3.0]);
        assert_eq!((alone.value, alone.lower, alone.upper), (2.0, f64::NEG_INFINITY, f64::INFINITY));
    }
}
