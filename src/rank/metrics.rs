//! Metrics of a slate. Each has its formula and range; all are pure functions of the items and their order.

use std::collections::HashMap;

use super::view::View;
use crate::{
    catalogue::{FacetCode, Row, Snapshot},
    domain::{Facet, policy::SimilarityWeights},
};

/// Intra-list diversity: the mean of `1 − similarity` over all pairs (Ziegler et al., WWW 2005). In [0, 1]; 0 for fewer
/// than two items.
pub fn ild(view: &View) -> f64 {
    let mut sum = 0.0;
    let mut pairs = 0u32;
    for a in 0..view.len() {
        for b in a + 1..view.len() {
            sum += 1.0 - f64::from(view.similarity(a, b));
            pairs += 1;
        }
    }
    if pairs == 0 { 0.0 } else { sum / f64::from(pairs) }
}

/// Shannon entropy of a distribution of counts, in bits; 0 to log2(number of groups).
pub fn entropy_bits(counts: impl IntoIterator<Item = usize>) -> f64 {
    let mut counts: Vec<usize> = counts.into_iter().filter(|c| *c > 0).collect();
    // Summed in one order, so that the same counts give the same bits.
    counts.sort_unstable();
    let total = counts.iter().sum::<usize>() as f64;
    let bits: f64 = counts.iter().map(|c| *c as f64 / total).map(|share| -share * share.log2()).sum();
    bits.max(0.0)
}

/// Items per value of a facet (items without it are left out).
pub fn facet_counts(rows: &[Row], facet: Facet, snapshot: &Snapshot) -> HashMap<FacetCode, usize> {
    let mut counts = HashMap::new();
    for code in rows.iter().filter_map(|row| snapshot.entry(*row)?.facet(facet)) {
        *counts.entry(code).or_insert(0) += 1;
    }
    counts
}

/// Relevance kept: the slate's relevance as a share of the most relevant slate of the same length from the same pool.
/// In [0, 1]; 1 when there is nothing to keep.
pub fn relevance_kept(slate: impl Iterator<Item = f32>, pool_best_first: impl Iterator<Item = f32>) -> f64 {
    let (mut kept, mut length) = (0.0, 0);
    for relevance in slate {
        kept += f64::from(relevance);
        length += 1;
    }
    let best: f64 = pool_best_first.take(length).map(f64::from).sum();
    if best <= 0.0 { 1.0 } else { (kept / best).clamp(0.0, 1.0) }
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

/// Measures a slate: `rows` in order, `explored` of them by chance.
pub fn measure(rows: &[Row], explored: usize, kept: f64, snapshot: &Snapshot, weights: &SimilarityWeights) -> SlateMetrics {
    let view = View::new(rows.iter().map(|row| Some(*row)), snapshot, weights);
    let topics = facet_counts(rows, Facet::Topic, snapshot);
    SlateMetrics {
        ild: ild(&view),
        topics: topics.len(),
        topic_entropy: entropy_bits(topics.values().copied()),
        exploration_share: explored as f64 / rows.len().max(1) as f64,
        relevance_kept: kept,
    }
}
