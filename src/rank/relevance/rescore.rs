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
    /// Scored, and cut off before the pool was kept.
    cut: usize,
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
        let mut rescorer = Self { context, rule: context.policy.score.normalize, scored, raw, cut: 0 };
        if rescorer.may_be_cut() && rescorer.rule == Normalize::Percentile {
            rescorer.cut = rescorer.scored_count().saturating_sub(rescorer.scored.len());
        }
        Some(rescorer)
    }

    /// Candidates, by index into the pool, whose place or relevance does not come out of the contributions as it was kept.
    ///
    /// Of a pool that may have been cut at `feed.length` the lowest score is left out: what ties with it may be gone. Under `minmax`
    /// only the order is compared then, since the lowest score of all may be gone.
    pub fn differing(&self) -> Vec<usize> {
        if self.may_be_cut() && self.rule == Normalize::Minmax {
            return (1..self.raw.len()).filter(|index| self.raw[*index] > self.raw[index - 1]).collect();
        }
        let again = normalise(&self.raw, self.scored.clone(), self.cut, self.rule, self.context.snapshot);
        let lowest = self.scored.last().filter(|_| self.may_be_cut()).map(|last| last.relevance);
        let is_same = |a: &Scored, b: &Scored| a.row == b.row && a.relevance.to_bits() == b.relevance.to_bits();
        let compared = again.iter().zip(&self.scored).enumerate();
        compared.filter(|(_, (a, b))| !is_same(a, b) && Some(b.relevance) != lowest).map(|(index, _)| index).collect()
    }

    fn may_be_cut(&self) -> bool {
        self.scored.len() >= self.context.policy.feed.length as usize
    }

    /// How many were scored, from the relevance of the middle of the pool, which under `percentile` counts them.
    fn scored_count(&self) -> usize {
        let Some(middle) = self.scored.get(self.scored.len() / 2) else { return 0 };
        let ties = || self.scored.iter().enumerate().filter(|(_, other)| other.relevance == middle.relevance).map(|(index, _)| index);
        let (from, to) = (ties().min().unwrap_or(0), ties().max().unwrap_or(0));
        // relevance = 1 − mean rank / last
        let last = (from + to) as f64 / 2.0 / (1.0 - f64::from(middle.relevance));
        if last.is_finite() { last.round() as usize + 1 } else { 0 }
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
            let taken = if before > 0.0 { impressions * (after.max(0.0) / before) } else { impressions };
            changed.contributions[Feature::Impressions as usize] = taken;
            *raw = changed.contributions.iter().sum();
        }
        normalise(&raw, scored, self.cut, self.rule, self.context.snapshot)
    }
}
