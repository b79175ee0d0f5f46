//! From a scored pool to the next positions of a slate.
//!
//! One position at a time: an exploration slot draws among the candidates from outside the profile; every other
//! position takes the best marginal relevance among the candidates that the constraints admit. Positions depend only on
//! the pool and the positions before, so placing 20 and then 20 more equals placing 40.

use super::{
    Context, SourceKind, Sources,
    constraint::Solver,
    explore, mmr,
    similarity::Features,
};
use crate::{
    catalogue::{Entry, Row},
    domain::{
        Policy,
        feed::{Page, Placed, Slot},
        policy::Method,
    },
};

/// One candidate of a pool: `row` is `None` when the item is gone or must no longer be shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolCandidate {
    pub row: Option<Row>,
    /// In [0, 1].
    pub relevance: f32,
    pub sources: Sources,
}

/// A scored pool, best relevance first (the order of `StoredFeed::pool`).
pub struct Pool<'a> {
    pub candidates: &'a [PoolCandidate],
    /// In [0, 1]: the dial in force for this feed.
    pub diversity: f32,
    pub seed: u64,
}

/// Places `count` more positions after `prefix`. Fewer when the pool runs out; `has_next` says whether more could follow.
pub fn place(pool: &Pool, prefix: &[Placed], count: usize, context: &Context) -> Page {
    let mut run = Run::new(pool, context);
    for placed in prefix {
        run.replay(placed);
    }
    let mut page = Page::default();
    while page.placed.len() < count {
        let Some(placed) = run.next() else { break };
        page.relaxed.extend(run.constraints.settle());
        run.put(placed.pool_index as usize);
        page.placed.push(placed);
    }
    page.has_next = run.open.iter().any(|open| *open);
    page
}

/// The state while placing.
struct Run<'a> {
    pool: &'a Pool<'a>,
    policy: &'a Policy,
    features: Vec<Option<Features<'a>>>,
    /// Not placed and allowed.
    open: Vec<bool>,
    penalties: mmr::Penalties,
    constraints: Solver,
    position: usize,
}

impl<'a> Run<'a> {
    fn new(pool: &'a Pool<'a>, context: &Context<'a>) -> Self {
        let features: Vec<_> = pool.candidates.iter().map(|c| c.row.and_then(|row| Features::of(row, context.snapshot))).collect();
        let entries: Vec<Option<&Entry>> = features.iter().map(|f| f.as_ref().map(Features::entry)).collect();
        let page_size = context.policy.page_size as usize;
        Self {
            pool,
            policy: context.policy,
            constraints: Solver::new(&context.policy.constraint, page_size, &entries, context.snapshot.codes()),
            open: features.iter().map(Option::is_some).collect(),
            features,
            penalties: mmr::Penalties::new(pool.candidates.len()),
            position: 0,
        }
    }

    fn entry(&self, index: usize) -> Option<&'a Entry> {
        self.features.get(index)?.as_ref().map(Features::entry)
    }

    fn replay(&mut self, placed: &Placed) {
        self.put(placed.pool_index as usize);
    }

    /// Takes `index` as the item at the current position.
    fn put(&mut self, index: usize) {
        if let Some(open) = self.open.get_mut(index) {
            *open = false;
        }
        self.constraints.place(Some(index));
        let placed = self.features.get(index).and_then(Option::as_ref);
        if self.pool.diversity > 0.0 && self.policy.diversify.method != Method::None {
            let reranked = (0..self.reranked()).filter(|i| self.open[*i]);
            self.penalties.place(placed, reranked, &self.features, self.policy);
        }
        self.position += 1;
    }

    /// Candidates that diversification may reorder; the rest follow by relevance.
    fn reranked(&self) -> usize {
        self.pool.candidates.len().min(self.policy.diversify.pool as usize)
    }

    fn next(&mut self) -> Option<Placed> {
        if explore::is_slot(self.position, &self.policy.explore)
            && let Some(placed) = self.explored()
        {
            return Some(placed);
        }
        self.ranked()
    }

    /// A draw among the open candidates from outside the profile that the constraints admit.
    fn explored(&mut self) -> Option<Placed> {
        let outside = |i: &usize| self.open[*i] && self.pool.candidates[*i].sources.has(SourceKind::Outside);
        let mut eligible: Vec<usize> = (0..self.open.len()).filter(outside).collect();
        eligible.retain(|i| self.constraints.check(*i).is_ok());
        let relevances: Vec<f32> = eligible.iter().map(|i| self.pool.candidates[*i].relevance).collect();
        let (drawn, propensity) = explore::draw(&relevances, &self.policy.explore, self.pool.seed, self.position)?;
        let index = *eligible.get(drawn)?;
        Some(self.placed(index, Slot::Exploration, propensity, None))
    }

    /// The best objective among the open candidates that the constraints admit.
    fn ranked(&mut self) -> Option<Placed> {
        let reranked = self.reranked();
        let head: Vec<usize> = (0..reranked).filter(|i| self.open[*i]).collect();
        let tail: Vec<usize> = (reranked..self.open.len()).filter(|i| self.open[*i]).collect();
        let freely = self.best(head.iter().copied()).or_else(|| self.best(tail.iter().copied()))?;
        let bound_by = self.constraints.check(freely).err();
        // Those behind the head only when it holds nobody who may stand here.
        for span in [head, tail] {
            let mut admitted = span;
            admitted.retain(|i| self.constraints.check(*i).is_ok());
            if let Some(index) = self.best(admitted.into_iter()) {
                return Some(self.placed(index, Slot::Ranked, 1.0, bound_by.filter(|_| index != freely)));
            }
        }
        None
    }

    /// Highest objective; ties go to the higher relevance, then the smaller id: the lower index.
    fn best(&self, candidates: impl Iterator<Item = usize>) -> Option<usize> {
        let mut best: Option<(usize, f32)> = None;
        for index in candidates {
            let objective = self.objective(index);
            if best.is_none_or(|(_, highest)| objective > highest) {
                best = Some((index, objective));
            }
        }
        best.map(|(index, _)| index)
    }

    fn objective(&self, index: usize) -> f32 {
        let relevance = self.pool.candidates[index].relevance;
        match self.policy.diversify.method {
            Method::None => relevance,
            Method::Mmr => mmr::objective(relevance, self.penalties.of(index, self.policy.diversify.aggregate), self.pool.diversity),
        }
    }

    fn placed(&self, index: usize, slot: Slot, propensity: f64, bound_by: Option<u8>) -> Placed {
        Placed {
            pool_index: index as u32,
            slot,
            propensity,
            max_similarity: self.penalties.max(index),
            objective: self.objective(index),
            bound_by,
        }
    }
}
