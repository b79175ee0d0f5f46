//! The real pipeline asked for many feeds at many settings of the dial, in process.
//!
//! Sources, scoring, placing, learning and popularity are the server's own; the readers are those of a data set or drawn
//! from it. Nothing but the seed is random, so that settings are compared on the same readers and the same candidates.

pub mod data;
pub mod demo;
pub mod movielens;
mod readers;
pub mod setting;
mod sweep;
pub mod viewpoints;

use std::{collections::BTreeSet, sync::Arc};

use polyphony::{
    catalogue::{Row, Snapshot},
    domain::{
        Facet, FacetValue, Policy,
        policy::{ActivePolicy, SimilarityWeights},
    },
    evaluate::{Asked, Pipeline, over_threads},
    rank::{View, metrics, place::PoolCandidate},
};

pub use sweep::Sweep;

/// Items on a page.
pub const PAGE: usize = 20;

/// Of them, what a reader sees without scrolling.
const FIRST_SCREEN: usize = 5;

/// A catalogue and the feeds it is asked for.
pub struct World {
    pub pipeline: Pipeline,
    pub snapshot: Arc<Snapshot>,
    pub asked: Vec<Asked>,
}

/// The scored candidates of every feed, best first. The dial and the method do not change them.
pub struct Pools(Vec<Vec<PoolCandidate>>);

/// Means over feeds. Diversities and shares in [0, 1], entropies in bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Means {
    /// Intra-list diversity under the policy's similarity.
    pub ild: f64,
    /// The same of the first [`FIRST_SCREEN`] items.
    pub first_screen_ild: f64,
    /// [`Self::ild`] under the embeddings alone.
    pub embedding_ild: f64,
    pub topic_entropy: f64,
    /// Distinct topics of a page.
    pub topics: f64,
    pub viewpoint_entropy: f64,
    /// Share of the pages with at least [`BALANCED`] of the greatest viewpoint entropy that a page can have.
    pub balanced: f64,
    pub ndcg: f64,
    pub relevance_kept: f64,
}

impl Means {
    /// Every column by the same rule.
    fn of(rule: impl Fn(fn(&Means) -> f64) -> f64) -> Self {
        Self {
            ild: rule(|means| means.ild),
            first_screen_ild: rule(|means| means.first_screen_ild),
            embedding_ild: rule(|means| means.embedding_ild),
            topic_entropy: rule(|means| means.topic_entropy),
            topics: rule(|means| means.topics),
            viewpoint_entropy: rule(|means| means.viewpoint_entropy),
            balanced: rule(|means| means.balanced),
            ndcg: rule(|means| means.ndcg),
            relevance_kept: rule(|means| means.relevance_kept),
        }
    }

    /// The point at `part` of the way from `a` to `b`.
    fn between(a: &Means, b: &Means, part: f64) -> Self {
        Self::of(|column| column(a) + part * (column(b) - column(a)))
    }
}

/// Of the greatest viewpoint entropy: what counts as balanced.
pub const BALANCED: f64 = 0.95;

impl World {
    /// Gathers and scores every feed's candidates under `policy`.
    pub fn pools(&self, policy: &Policy) -> Pools {
        let active = Arc::new(ActivePolicy::new(policy.clone()));
        Pools(over_threads(&self.asked, |asked| self.pipeline.pool(asked, &active)))
    }

    /// What the first pages are like under `policy` with the dial at `diversity`.
    pub fn measure(&self, pools: &Pools, policy: &Policy, diversity: f32) -> Means {
        let feeds: Vec<(&Asked, &Vec<PoolCandidate>)> = self.asked.iter().zip(&pools.0).collect();
        let most = self.most_viewpoint_entropy();
        let pages = over_threads(&feeds, |(asked, pool)| self.page(asked, pool, policy, diversity, most));
        Means::of(|column| pages.iter().map(column).sum::<f64>() / pages.len() as f64)
    }

    fn page(&self, asked: &Asked, candidates: &[PoolCandidate], policy: &Policy, diversity: f32, most: f64) -> Means {
        let placed = asked.page(candidates, policy, diversity, PAGE).placed;
        let shown: Vec<&PoolCandidate> = placed.iter().map(|placed| &candidates[placed.pool_index as usize]).collect();
        let rows: Vec<Row> = shown.iter().filter_map(|candidate| candidate.row).collect();
        let kept = metrics::relevance_kept(shown.iter().map(|c| c.relevance), candidates.iter().map(|c| c.relevance));
        let slate = metrics::measure(&rows, 0, kept, &self.snapshot, &policy.diversify.similarity);
        let first_screen = &rows[..rows.len().min(FIRST_SCREEN)];
        let ild = |rows: &[Row], weights: &SimilarityWeights| {
            let view = View::new(rows.iter().map(|row| Some(*row)), &self.snapshot, weights);
            metrics::ild(view.len(), |a, b| view.similarity(a, b))
        };
        let viewpoints = metrics::facet_counts(&rows, Facet::Viewpoint, &self.snapshot);
        let viewpoint_entropy = metrics::entropy_bits(viewpoints.values().copied());
        let gains: Vec<f32> = rows.iter().map(|row| f32::from(u8::from(asked.liked.contains(row)))).collect();
        Means {
            ild: slate.ild,
            first_screen_ild: ild(first_screen, &policy.diversify.similarity),
            embedding_ild: ild(&rows, &EMBEDDING_ONLY),
            topic_entropy: slate.topic_entropy,
            topics: slate.topics as f64,
            viewpoint_entropy,
            balanced: f64::from(u8::from(viewpoint_entropy >= BALANCED * most)),
            ndcg: metrics::ndcg(&gains, &vec![1.0; asked.liked.len()], PAGE),
            relevance_kept: slate.relevance_kept,
        }
    }

    /// The fewest candidates of one viewpoint in any feed's pool, and the mean over the pools.
    pub fn scarcest_viewpoint(&self, pools: &Pools) -> (usize, f64) {
        let scarcest = |pool: &Vec<PoolCandidate>| {
            let rows: Vec<Row> = pool.iter().filter_map(|candidate| candidate.row).collect();
            let counts = metrics::facet_counts(&rows, Facet::Viewpoint, &self.snapshot);
            // A viewpoint that is missing altogether has no count.
            if counts.len() < self.even_viewpoints().len() { 0 } else { counts.into_values().min().unwrap_or(0) }
        };
        let fewest = over_threads(&pools.0, scarcest);
        (fewest.iter().copied().min().unwrap_or(0), fewest.iter().sum::<usize>() as f64 / fewest.len() as f64)
    }

    /// The catalogue's viewpoints, in order.
    pub fn viewpoints(&self) -> Vec<FacetValue> {
        let values: BTreeSet<FacetValue> = self.snapshot.iter().filter_map(|(_, entry)| entry.item.viewpoint.clone()).collect();
        values.into_iter().collect()
    }

    /// The greatest viewpoint entropy that a page can have, in bits: log2 of the values, as far as its items divide evenly.
    pub fn most_viewpoint_entropy(&self) -> f64 {
        metrics::entropy_bits(self.even_viewpoints())
    }

    /// A page's items over the catalogue's viewpoints, as evenly as they go.
    fn even_viewpoints(&self) -> Vec<usize> {
        let values = self.viewpoints().len();
        (0..values).map(|n| (PAGE + n) / values).collect()
    }
}

/// Similarity by embeddings and nothing else.
pub const EMBEDDING_ONLY: SimilarityWeights =
    SimilarityWeights { topic: 0.0, creator: 0.0, source: 0.0, viewpoint: 0.0, language: 0.0, embedding: 1.0 };
