//! Metrics of a slate, and of many slates. Each has its formula, range and source; all are pure functions of plain values.
//!
//! | file | asks |
//! |---|---|
//! | [`diversity`] | how different are the items of a slate: ILD, EILD, entropy, S-recall |
//! | [`accuracy`] | how good is the order: DCG, nDCG, α-nDCG, recall, hit, reciprocal rank, relevance kept |
//! | [`distribution`] | how is exposure spread: calibration (KL, JS), Gini, coverage |
//! | [`novelty`] | what is new to the person: novelty, serendipity, repeat exposure |
//!
//! Conventions, the same everywhere. A rank counts from 1. Every function answers for every input: what is not a number
//! counts as stated, never as a `NaN` in the answer. Sums run in an order that the values decide, so that equal inputs give
//! equal bits; a hash map's order decides nothing. `_bits` is a base-2 logarithm, `_nats` a natural one.

pub mod accuracy;
pub mod distribution;
pub mod diversity;
pub mod novelty;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use accuracy::{alpha_ndcg, dcg, hit, log_discount, ndcg, recall, reciprocal_rank, relevance_kept};
pub use distribution::{CALIBRATION_SMOOTHING, calibration_kl_nats, coverage, exposure, facet_shares, gini, js_divergence_bits};
pub use diversity::{eild, entropy_bits, ild, normalised_entropy, s_recall};
pub use novelty::{facet_repeat_exposure, novelty_bits, repeat_exposure, serendipity, smoothed_share};

use super::view::View;
use crate::{
    catalogue::{FacetCode, Row, Snapshot},
    domain::{Facet, policy::SimilarityWeights},
};

/// `value` in [0, 1]: the nearest end when outside, 0 when not a number.
fn unit(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
}

/// Summed from the smallest, so that the order given does not change a bit; 0 for none, never −0.
fn sorted_sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.into_iter().fold(0.0, |sum, value| sum + value)
}

/// Items per value of a facet (items without it are left out).
pub fn facet_counts(rows: &[Row], facet: Facet, snapshot: &Snapshot) -> HashMap<FacetCode, usize> {
    let mut counts = HashMap::new();
    for code in rows.iter().filter_map(|row| snapshot.entry(*row)?.facet(facet)) {
        *counts.entry(code).or_insert(0) += 1;
    }
    counts
}

/// What a response says about its slate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlateMetrics {
    /// [`ild`] under the policy's similarity.
    pub ild: f64,
    /// Distinct primary topics.
    pub topics: usize,
    /// [`entropy_bits`] of the primary topics.
    pub topic_entropy: f64,
    /// Share of exploration slots, in [0, 1].
    pub exploration_share: f64,
    /// [`relevance_kept`].
    pub relevance_kept: f64,
}

/// [`ild`] of all that is in a view, to the same bits: each embedding is widened once.
fn ild_of(view: &View) -> f64 {
    let n = view.len();
    let pinned: Vec<_> = (0..n).map(|index| view.pin(index)).collect();
    let mut similarities = vec![0.0; n * n];
    for a in 0..n {
        let mut b = a + 1;
        while b + PINNED_AT_ONCE <= n {
            let four = std::array::from_fn::<_, PINNED_AT_ONCE, _>(|ahead| &pinned[b + ahead]);
            similarities[a * n + b..][..PINNED_AT_ONCE].copy_from_slice(&view.similarities_to(four, a));
            b += PINNED_AT_ONCE;
        }
        for (b, pinned) in pinned.iter().enumerate().skip(b) {
            similarities[a * n + b] = view.similarity_to(pinned, a);
        }
    }
    ild(n, |a, b| similarities[a * n + b])
}

/// Embeddings that one is compared with while it is read.
const PINNED_AT_ONCE: usize = 4;

/// Measures a slate: `rows` in order, `explored` of them by chance.
pub fn measure(rows: &[Row], explored: usize, kept: f64, snapshot: &Snapshot, weights: &SimilarityWeights) -> SlateMetrics {
    let view = View::new(rows.iter().map(|row| Some(*row)), snapshot, weights);
    let topics = facet_counts(rows, Facet::Topic, snapshot);
    SlateMetrics {
        ild: ild_of(&view),
        topics: topics.len(),
        topic_entropy: entropy_bits(topics.values().copied()),
        exploration_share: explored as f64 / rows.len().max(1) as f64,
        relevance_kept: kept,
    }
}
