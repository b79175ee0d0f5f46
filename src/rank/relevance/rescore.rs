//! A kept pool scored again with one number of one item changed.

use super::{Context, Feature, Scored, normalise::normalise};
use crate::{
    domain::{
        feed::{PoolEntry, StoredFeed},
        policy::Normalize,
    },
    rank::Sources,
};

/// A kept pool, to be scored again from its contributions.
pub struct Rescorer<'a> {
    context: &'a Context<'a>,
    rule: Normalize,
    /// In pool order.
    scored: Vec<Scored>,
    raw: Vec<f32>,
}

impl<'a> Rescorer<'a> {
    /// `None` when items of it are gone: ties go by their ids.
    pub fn new(feed: &StoredFeed, context: &'a Context<'a>) -> Option<Self> {
        let scored = |entry: &PoolEntry| {
            let row = context.snapshot.find_hash(entry.item_hash)?;
            let (sources, contributions) = (Sources(entry.sources), entry.contributions);
            Some(Scored { row, sources, relevance: entry.relevance, contributions, topic: None, interest: entry.interest })
        };
        let scored: Vec<Scored> = feed.pool.iter().map(scored).collect::<Option<_>>()?;
        let raw = scored.iter().map(|scored| scored.contributions.iter().sum()).collect();
        Some(Self { context, rule: context.policy.score.normalize, scored, raw })
    }

    /// Candidates, by index into the pool, whose place or relevance does not come out of the contributions as it was kept.
    ///
    /// Of a pool that was cut at `feed.length` relevance may lack what was cut off: it came from all that was scored.
    pub fn differing(&self) -> Vec<usize> {
        let again = normalise(&self.raw, self.scored.clone(), self.rule, self.context.snapshot);
        let is_same = |(a, b): (&Scored, &Scored)| a.row == b.row && a.relevance.to_bits() == b.relevance.to_bits();
        let compared = again.iter().zip(&self.scored).enumerate();
        compared.filter(|(_, pair)| !is_same(*pair)).map(|(index, _)| index).collect()
    }

    /// Candidates, by index into the pool, with a greater raw score than the one before: no pool is kept so.
    pub fn out_of_order(&self) -> Vec<usize> {
        (1..self.raw.len()).filter(|index| self.raw[*index] > self.raw[index - 1]).collect()
    }

    /// The pool as it was kept.
    pub fn kept(&self) -> &[Scored] {
        &self.scored
    }

    /// The pool with `feature` of candidate `index` at `share` (in [0, 1]) of what it was, best relevance first.
    pub fn with(&self, index: usize, feature: Feature, share: f32) -> Vec<Scored> {
        let (mut raw, mut scored) = (self.raw.clone(), self.scored.clone());
        if let (Some(raw), Some(changed)) = (raw.get_mut(index), scored.get_mut(index)) {
            let impressions = changed.contributions[Feature::Impressions as usize];
            let before = *raw - impressions;
            changed.contributions[feature as usize] *= share;
            let after: f32 = changed.contributions.iter().sum::<f32>() - impressions;
            // What impressions take is a share of what is positive.
            let taken = if before > 0.0 { impressions * (after.max(0.0) / before) } else { 0.0 };
            changed.contributions[Feature::Impressions as usize] = taken;
            *raw = changed.contributions.iter().sum();
        }
        normalise(&raw, scored, self.rule, self.context.snapshot)
    }
}
