//! What is measured of a page and of all pages together. Formulas are those of `rank::metrics`.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::pipeline::Asked;
use crate::{
    catalogue::{FacetCode, Row},
    domain::{
        Facet,
        feed::{Placed, Slot},
        policy::SimilarityWeights,
    },
    rank::{metrics, place::PoolCandidate},
};

/// One number of a page. The discriminant is its place in [`OfPage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(usize)]
pub enum Measure {
    Ndcg,
    Recall,
    Hit,
    Mrr,
    RelevanceKept,
    Ild,
    TopicEntropy,
    Topics,
    Calibration,
    Novelty,
    ExplorationShare,
}

impl Measure {
    pub const ALL: [Measure; 11] = [
        Self::Ndcg,
        Self::Recall,
        Self::Hit,
        Self::Mrr,
        Self::RelevanceKept,
        Self::Ild,
        Self::TopicEntropy,
        Self::Topics,
        Self::Calibration,
        Self::Novelty,
        Self::ExplorationShare,
    ];

    /// The one name in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndcg => "ndcg",
            Self::Recall => "recall",
            Self::Hit => "hit",
            Self::Mrr => "mrr",
            Self::RelevanceKept => "relevance_kept",
            Self::Ild => "ild",
            Self::TopicEntropy => "topic_entropy",
            Self::Topics => "topics",
            Self::Calibration => "calibration",
            Self::Novelty => "novelty",
            Self::ExplorationShare => "exploration_share",
        }
    }

    /// For people, with the unit where there is one.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ndcg => "nDCG",
            Self::Recall => "recall",
            Self::Hit => "hit rate",
            Self::Mrr => "MRR",
            Self::RelevanceKept => "relevance kept",
            Self::Ild => "intra-list diversity",
            Self::TopicEntropy => "topic entropy, bits",
            Self::Topics => "topics",
            Self::Calibration => "miscalibration, nats",
            Self::Novelty => "novelty, bits",
            Self::ExplorationShare => "drawn by chance",
        }
    }

    /// Decimals that say something.
    pub const fn decimals(self) -> usize {
        match self {
            Self::TopicEntropy | Self::Calibration | Self::Novelty => 2,
            Self::Topics => 1,
            _ => 3,
        }
    }
}

/// The numbers of one page; `None` where the page has none: nothing is known that it could be calibrated to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OfPage([Option<f64>; Measure::ALL.len()]);

impl OfPage {
    pub fn get(&self, measure: Measure) -> Option<f64> {
        self.0[measure as usize]
    }
}

/// What pages are measured by: the same for all policies that are compared.
pub struct Ruler<'a> {
    /// What "alike" means for intra-list diversity, whatever the policy that is measured thinks.
    pub similarity: &'a SimilarityWeights,
    /// Of each item how many of `people` had to do with it: novelty.
    pub met_by: &'a HashMap<Row, u64>,
    pub people: u64,
    /// Positions that count.
    pub positions: usize,
}

impl Ruler<'_> {
    /// Measures what was placed of a pool, best relevance first.
    pub fn measure(&self, asked: &Asked, candidates: &[PoolCandidate], placed: &[Placed]) -> OfPage {
        let candidate = |placed: &Placed| candidates.get(placed.pool_index as usize);
        let shown: Vec<&PoolCandidate> = placed.iter().filter_map(candidate).collect();
        let rows: Vec<Row> = shown.iter().filter_map(|candidate| candidate.row).collect();
        let kept = metrics::relevance_kept(shown.iter().map(|c| c.relevance), candidates.iter().map(|c| c.relevance));
        let explored = placed.iter().filter(|placed| placed.slot == Slot::Exploration).count();
        let slate = metrics::measure(&rows, explored, kept, &asked.snapshot, self.similarity);
        let liked: Vec<bool> = rows.iter().map(|row| asked.liked.contains(row)).collect();
        let gains: Vec<f32> = liked.iter().map(|liked| f32::from(u8::from(*liked))).collect();
        let (k, to_find) = (self.positions, asked.liked.len());
        let met = |row: &Row| metrics::smoothed_share(self.met_by.get(row).copied().unwrap_or(0), self.people);
        let mut page = OfPage([None; Measure::ALL.len()]);
        for measure in Measure::ALL {
            page.0[measure as usize] = match measure {
                Measure::Ndcg => Some(metrics::ndcg(&gains, &vec![1.0; to_find], k)),
                Measure::Recall => Some(metrics::recall(&liked, to_find, k)),
                Measure::Hit => Some(metrics::hit(&liked, k)),
                Measure::Mrr => Some(metrics::reciprocal_rank(&liked, k)),
                Measure::RelevanceKept => Some(slate.relevance_kept),
                Measure::Ild => Some(slate.ild),
                Measure::TopicEntropy => Some(slate.topic_entropy),
                Measure::Topics => Some(slate.topics as f64),
                Measure::Calibration => miscalibration(asked, &rows),
                Measure::Novelty => Some(metrics::novelty_bits(rows.iter().map(met))),
                Measure::ExplorationShare => Some(slate.exploration_share),
            };
        }
        page
    }
}

/// How far the page's topics are from those the person likes; `None` without likings.
fn miscalibration(asked: &Asked, rows: &[Row]) -> Option<f64> {
    let codes = asked.snapshot.codes();
    let topics = asked.profile.affinities.iter().filter(|affinity| affinity.facet == Facet::Topic && affinity.liking > 0.0);
    let target: Vec<(FacetCode, f64)> =
        topics.filter_map(|affinity| Some((codes.get(Facet::Topic, &affinity.value)?, f64::from(affinity.liking)))).collect();
    if target.is_empty() {
        return None;
    }
    let shown = metrics::facet_shares(&topics_of(asked, rows), |_| 1.0);
    Some(metrics::calibration_kl_nats(&target, &shown, metrics::CALIBRATION_SMOOTHING))
}

/// The topics of each item, with their weights.
fn topics_of(asked: &Asked, rows: &[Row]) -> Vec<Vec<(FacetCode, f64)>> {
    let of = |row: &Row| {
        let entry = asked.snapshot.entry(*row)?;
        Some(entry.topics.iter().map(|(code, weight)| (*code, f64::from(*weight))).collect())
    };
    rows.iter().filter_map(of).collect()
}

/// What only all pages together have. Without intervals: people drawn twice show nothing new, so that resampling people
/// makes coverage smaller and Gini greater than they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OfAll {
    /// Share of the catalogue that was shown to anybody.
    pub coverage: f64,
    /// How unequally impressions are spread over all items of the catalogue.
    pub gini: f64,
    /// Jensen–Shannon divergence of the topics shown to two people, mean over pairs, in bits: 0 = all see the same mix.
    pub between_people_bits: f64,
}

/// Most pairs of people compared: neighbours in the order of their ids, then those two apart, and so on.
const MAX_PAIRS: usize = 20_000;

impl OfAll {
    /// Of the rows shown to each, in the order of `asked`; `items` in the catalogue.
    pub fn measure(asked: &[Asked], shown: &[Vec<Row>], items: usize) -> Self {
        let mut impressions: BTreeMap<Row, u64> = BTreeMap::new();
        shown.iter().flatten().for_each(|row| *impressions.entry(*row).or_insert(0) += 1);
        let never_shown = items.saturating_sub(impressions.len());
        let amounts = impressions.values().map(|count| *count as f64).chain(std::iter::repeat_n(0.0, never_shown));
        Self {
            coverage: metrics::coverage(shown.iter().map(|rows| rows.iter().copied()), items),
            gini: metrics::gini(amounts),
            between_people_bits: between(asked, shown),
        }
    }
}

fn between(asked: &[Asked], shown: &[Vec<Row>]) -> f64 {
    let mixes: Vec<_> = asked.iter().zip(shown).map(|(asked, rows)| metrics::facet_shares(&topics_of(asked, rows), |_| 1.0)).collect();
    let pairs = (1..mixes.len()).flat_map(|apart| mixes.iter().zip(&mixes[apart..]));
    let (mut sum, mut count) = (0.0, 0usize);
    for (a, b) in pairs.take(MAX_PAIRS) {
        sum += metrics::js_divergence_bits(a, b);
        count += 1;
    }
    if count == 0 { 0.0 } else { sum / count as f64 }
}
