//! How alike two items are: a convex mix over facets and embeddings, symmetric, in [0, 1].
//!
//! `s = Σ wₐ·sₐ / Σ wₐ` over the axes both items have. An item without an embedding or a facet is compared on the
//! others, so a missing value neither helps nor harms; two items with no axis in common count as [`UNKNOWN`].

use std::sync::Arc;

use super::relevance::widened;
use crate::{
    catalogue::{Entry, FacetCode, Row, Snapshot, dot},
    domain::{EmbeddingSpace, policy::SimilarityWeights},
};

/// Similarity of two items that share no axis: what two unrelated items typically have.
pub const UNKNOWN: f32 = 0.1;

/// One item as similarity sees it.
pub struct Features<'a> {
    entry: &'a Arc<Entry>,
    vector: Option<(EmbeddingSpace, Vec<f32>)>,
}

impl<'a> Features<'a> {
    /// `None` when the item is no longer in the snapshot.
    pub fn of(row: Row, snapshot: &'a Snapshot) -> Option<Self> {
        let entry = snapshot.entry(row)?;
        let vector = snapshot.vector(row).map(|v| (v.space, widened(v.values)));
        Some(Self { entry, vector })
    }

    pub fn entry(&self) -> &'a Entry {
        self.entry
    }
}

/// Similarity in [0, 1]; `similarity(a, b) = similarity(b, a)`, and 1 for an item with itself.
pub fn similarity(a: &Features, b: &Features, weights: &SimilarityWeights) -> f32 {
    let mut sum = 0.0;
    let mut weight = 0.0;
    let mut add = |axis_weight: f32, axis: Option<f32>| {
        if let Some(value) = axis
            && axis_weight > 0.0
        {
            sum += axis_weight * value;
            weight += axis_weight;
        }
    };
    add(weights.topic, topics(a.entry, b.entry));
    add(weights.creator, same(a.entry.creator, b.entry.creator));
    add(weights.source, same(a.entry.source, b.entry.source));
    add(weights.viewpoint, same(a.entry.viewpoint, b.entry.viewpoint));
    add(weights.language, same(a.entry.language, b.entry.language));
    if weights.embedding > 0.0 {
        add(weights.embedding, cosine(a, b));
    }
    if weight > 0.0 { (sum / weight).clamp(0.0, 1.0) } else { UNKNOWN }
}

/// Weighted Jaccard (Ruzicka): `Σ min / Σ max` of the topic weights.
fn topics(a: &Entry, b: &Entry) -> Option<f32> {
    if a.topics.is_empty() || b.topics.is_empty() {
        return None;
    }
    let shared: f32 =
        a.topics.iter().filter_map(|(code, weight)| b.topics.iter().find(|(c, _)| c == code).map(|(_, w)| weight.min(*w))).sum();
    Some(shared / (a.topic_mass + b.topic_mass - shared))
}

fn same(a: Option<FacetCode>, b: Option<FacetCode>) -> Option<f32> {
    Some(f32::from(u8::from(a? == b?)))
}

/// Cosine clamped at 0. `None` across embedding spaces.
pub fn cosine(a: &Features, b: &Features) -> Option<f32> {
    let ((space_a, a), (space_b, b)) = (a.vector.as_ref()?, b.vector.as_ref()?);
    (space_a == space_b).then(|| dot(a, b).clamp(0.0, 1.0))
}
