//! How alike the items of a pool are: a convex mix over facets and embeddings, symmetric, in [0, 1].
//!
//! `s = Σ wₐ·sₐ / Σ wₐ` over the axes both items have: weighted Jaccard of the topics, equality of creator, source,
//! viewpoint and language, cosine of the embeddings clamped at 0. An item without an embedding or a facet is compared
//! on the others, so a missing value neither helps nor harms; two items with no axis in common count as [`UNKNOWN`].
//!
//! A [`View`] copies a pool's facet codes into flat rows and leaves the embeddings where they are in the catalogue.

use half::f16;

use crate::{
    catalogue::{Entry, FacetCode, Row, Snapshot, VectorView, dot_halves, dots_mixed, widen},
    domain::{EmbeddingSpace, Facet, policy::SimilarityWeights},
};

/// Similarity of two items that share no axis: what two unrelated items typically have.
pub const UNKNOWN: f32 = 0.1;

/// Facets with one value per item, in the order of [`FacetRow::single`].
const SINGLE: [Facet; 4] = [Facet::Creator, Facet::Source, Facet::Viewpoint, Facet::Language];

/// What similarity knows of a pool of n candidates, by index.
#[derive(Default)]
pub struct View<'a> {
    /// Weight of the topics, of each single-valued facet, of the embedding.
    topic_weight: f32,
    single_weights: [f32; SINGLE.len()],
    embedding_weight: f32,
    /// No facet has a weight: there are none below.
    only_embedding: bool,
    facets: Vec<FacetRow>,
    /// Topics of all candidates, one after another.
    topics: Vec<(FacetCode, f32)>,
    vectors: Vec<Option<VectorView<'a>>>,
}

/// One candidate's facets.
struct FacetRow {
    topics: std::ops::Range<u32>,
    topic_mass: f32,
    single: [Option<FacetCode>; SINGLE.len()],
}

/// A candidate that many others are compared with: its embedding widened once.
pub struct Pinned {
    index: usize,
    space: Option<EmbeddingSpace>,
    values: Vec<f32>,
}

impl<'a> View<'a> {
    /// A view of `rows`; a row that is `None` or gone is an item about which nothing is known.
    pub fn new(rows: impl ExactSizeIterator<Item = Option<Row>>, snapshot: &'a Snapshot, weights: &SimilarityWeights) -> Self {
        let mut view = Self::with_weights(weights, rows.len());
        for row in rows {
            view.vectors.push(row.and_then(|row| snapshot.vector(row)));
            if !view.only_embedding {
                view.push_facets(row.and_then(|row| snapshot.entry(row)));
            }
        }
        view
    }

    /// A view of bare embeddings of one space, all of one length.
    pub fn of_vectors(vectors: impl ExactSizeIterator<Item = &'a [f16]>) -> Self {
        let only_embedding = SimilarityWeights { topic: 0.0, creator: 0.0, source: 0.0, viewpoint: 0.0, language: 0.0, embedding: 1.0 };
        let mut view = Self::with_weights(&only_embedding, vectors.len());
        view.vectors.extend(vectors.map(|values| Some(VectorView { space: EmbeddingSpace::Model, values })));
        view
    }

    fn with_weights(weights: &SimilarityWeights, capacity: usize) -> Self {
        let only_embedding = weights.named().iter().all(|(name, weight)| *name == "embedding" || *weight <= 0.0);
        let with_facets = if only_embedding { 0 } else { capacity };
        Self {
            topic_weight: weights.topic,
            single_weights: [weights.creator, weights.source, weights.viewpoint, weights.language],
            embedding_weight: weights.embedding,
            only_embedding,
            facets: Vec::with_capacity(with_facets),
            topics: Vec::with_capacity(2 * with_facets),
            vectors: Vec::with_capacity(capacity),
        }
    }

    fn push_facets(&mut self, entry: Option<&Entry>) {
        let first = self.topics.len() as u32;
        if let Some(entry) = entry {
            self.topics.extend_from_slice(&entry.topics);
        }
        self.facets.push(FacetRow {
            topics: first..self.topics.len() as u32,
            topic_mass: entry.map_or(0.0, |entry| entry.topic_mass),
            single: SINGLE.map(|facet| entry.and_then(|entry| entry.facet(facet))),
        });
    }

    /// Candidates in it.
    pub fn len(&self) -> usize {
        self.vectors.len()
    }

    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// Similarity of candidates `a` and `b` in [0, 1]; the same bits as `similarity(b, a)`.
    pub fn similarity(&self, a: usize, b: usize) -> f32 {
        self.mix(a, b, || self.dot(a, b).map(|cosine| cosine.clamp(0.0, 1.0))).clamp(0.0, 1.0)
    }

    /// Makes `index` ready to be compared with many.
    pub fn pin(&self, index: usize) -> Pinned {
        let vector = self.vectors[index].filter(|_| self.embedding_weight > 0.0);
        let mut values = vec![0.0; vector.map_or(0, |vector| vector.values.len())];
        if let Some(vector) = vector {
            widen(vector.values, &mut values);
        }
        Pinned { index, space: vector.map(|vector| vector.space), values }
    }

    /// [`Self::similarity`] to a pinned candidate: the same bits, for less work.
    #[inline]
    pub fn similarity_to(&self, pinned: &Pinned, index: usize) -> f32 {
        let [similarity] = self.similarities_to([pinned], index);
        similarity
    }

    /// [`Self::similarity_to`] each of `pinned`, for which the candidate's embedding is read once.
    #[inline]
    pub fn similarities_to<const N: usize>(&self, pinned: [&Pinned; N], index: usize) -> [f32; N] {
        self.mixes(pinned, index, |cosine| cosine.clamp(0.0, 1.0)).map(|similarity| similarity.clamp(0.0, 1.0))
    }

    /// The same mix with the cosine as it is, in [−1, 1]: a Gram matrix wherever all items share their axes, because each
    /// axis is one (weighted Jaccard: Ioffe 2010, equality, cosine) and a convex mix of Gram matrices is one again.
    #[inline]
    pub fn kernels_to<const N: usize>(&self, pinned: [&Pinned; N], index: usize) -> [f32; N] {
        self.mixes(pinned, index, |cosine| cosine).map(|kernel| kernel.clamp(-1.0, 1.0))
    }

    #[inline]
    fn mixes<const N: usize>(&self, pinned: [&Pinned; N], index: usize, bent: impl Fn(f32) -> f32) -> [f32; N] {
        let cosines = self.dots_pinned(pinned, index);
        let mut mixes = [0.0; N];
        for ((mix, pinned), cosine) in mixes.iter_mut().zip(pinned).zip(cosines) {
            *mix = self.mix(pinned.index, index, || cosine.map(&bent));
        }
        mixes
    }

    #[inline]
    fn mix(&self, a: usize, b: usize, cosine: impl FnOnce() -> Option<f32>) -> f32 {
        if self.only_embedding {
            return cosine().unwrap_or(UNKNOWN);
        }
        let mut sum = 0.0;
        let mut weight = 0.0;
        let (left, right) = (&self.facets[a], &self.facets[b]);
        if self.topic_weight > 0.0 && !left.topics.is_empty() && !right.topics.is_empty() {
            sum += self.topic_weight * self.jaccard(left, right);
            weight += self.topic_weight;
        }
        for (axis, axis_weight) in self.single_weights.into_iter().enumerate() {
            if axis_weight > 0.0
                && let (Some(x), Some(y)) = (left.single[axis], right.single[axis])
            {
                sum += axis_weight * f32::from(u8::from(x == y));
                weight += axis_weight;
            }
        }
        if self.embedding_weight > 0.0
            && let Some(cosine) = cosine()
        {
            sum += self.embedding_weight * cosine;
            weight += self.embedding_weight;
        }
        if weight > 0.0 { sum / weight } else { UNKNOWN }
    }

    /// Weighted Jaccard (Ruzicka): `Σ min / Σ max` of the topic weights.
    fn jaccard(&self, left: &FacetRow, right: &FacetRow) -> f32 {
        let topics = |row: &FacetRow| &self.topics[row.topics.start as usize..row.topics.end as usize];
        let mut shared = 0.0;
        for (code, weight) in topics(left) {
            if let Some((_, other)) = topics(right).iter().find(|(c, _)| c == code) {
                shared += weight.min(*other);
            }
        }
        shared / (left.topic_mass + right.topic_mass - shared)
    }

    fn dot(&self, a: usize, b: usize) -> Option<f32> {
        let (a, b) = (self.vectors[a]?, self.vectors[b]?);
        (a.space == b.space).then(|| dot_halves(a.values, b.values))
    }

    #[inline]
    fn dots_pinned<const N: usize>(&self, pinned: [&Pinned; N], index: usize) -> [Option<f32>; N] {
        let Some(vector) = self.vectors[index] else { return [None; N] };
        if pinned.iter().all(|pinned| pinned.space == Some(vector.space)) {
            return dots_mixed(pinned.map(|pinned| &pinned.values[..]), vector.values).map(Some);
        }
        pinned.map(|pinned| {
            let [dot] = dots_mixed([&pinned.values[..]], vector.values);
            (pinned.space == Some(vector.space)).then_some(dot)
        })
    }
}
