//! Sample-ratio mismatch: whether people came into arms in the shares they were meant to.
//!
//! If they did not, something lost people in one arm more than in another (a crash, a slow page, a filter), and whatever
//! else the arms show is not to be believed.

/// Weight of the belief that shares are as planned, in units: deviations of some per cent are found soonest.
const PRIOR_UNITS: f64 = 100.0;

/// The sequential multinomial test of Lindon & Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022:
/// the Bayes factor of Dirichlet(`k·θ`) shares against the planned shares `θ`,
/// `Γ(k) / Γ(k+n) · Π Γ(kθᵢ+nᵢ) / Γ(kθᵢ) · Π θᵢ^−nᵢ`. Under the plan it is a martingale that begins at 1, so it ever
/// passes 1/α with probability at most α (Ville): `1 / factor` is a p-value at any time.
#[derive(Clone, Debug)]
pub struct MismatchTest {
    shares: Vec<f64>,
}

impl MismatchTest {
    /// `weights`: of each arm, above 0; only their ratios matter.
    pub fn new(weights: &[f64]) -> Self {
        let sum: f64 = weights.iter().sum();
        Self { shares: weights.iter().map(|weight| weight / sum).collect() }
    }

    /// In (0, 1]: small when the counts do not fit. `counts`: units per arm, in the order of the weights.
    pub fn p_value(&self, counts: &[u64]) -> f64 {
        let gain = |(share, count): (&f64, &u64)| {
            let (prior, count) = (PRIOR_UNITS * share, *count as f64);
            libm::lgamma(prior + count) - libm::lgamma(prior) - count * libm::log(*share)
        };
        let total: u64 = counts.iter().sum();
        let log_factor =
            libm::lgamma(PRIOR_UNITS) - libm::lgamma(PRIOR_UNITS + total as f64) + self.shares.iter().zip(counts).map(gain).sum::<f64>();
        libm::exp(-log_factor).min(1.0)
    }
}
