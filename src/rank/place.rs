//! From a scored pool to the next positions of a slate.
//!
//! One position at a time: an exploration slot draws among the candidates from outside the profile; every other
//! position takes the best objective among the candidates that the constraints permit. Positions depend only on the pool
//! and the positions before, so placing 20 and then 20 more equals placing 40.

use super::{
    Context, Scored, SourceKind, Sources,
    constraint::Solver,
    diversify::{Diversifier, Evaluation, Mix, Problem},
    explain::Standing,
    explore::{self, Arm},
    view::View,
};
use crate::{
    catalogue::{Entry, Row, VectorView, dot_halves},
    domain::{
        ItemId, Policy,
        feed::{Dials, Draw, Page, Placed, Slot},
        policy::SimilarityWeights,
    },
};

/// One candidate of a pool: `row` is `None` when the item is gone or must no longer be shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolCandidate {
    pub row: Option<Row>,
    /// In [0, 1].
    pub relevance: f32,
    pub sources: Sources,
    /// The interest it is nearest to: index into [`Pool::exemplars`].
    pub interest: Option<u8>,
}

impl From<&Scored> for PoolCandidate {
    fn from(scored: &Scored) -> Self {
        Self { row: Some(scored.row), relevance: scored.relevance, sources: scored.sources, interest: scored.interest }
    }
}

/// A scored pool, best relevance first (the order of `StoredFeed::pool`).
pub struct Pool<'a> {
    pub candidates: &'a [PoolCandidate],
    /// In [0, 1]: the dial in force for this feed.
    pub diversity: f32,
    /// The others in force.
    pub dials: Dials,
    pub seed: u64,
    /// The items that stand for the reader's interests.
    pub exemplars: &'a [ItemId],
}

impl Pool<'_> {
    /// What counts as alike in this feed.
    fn similarity(&self, context: &Context) -> SimilarityWeights {
        context.policy.diversify.similarity.mixed(self.dials.source_mix, self.dials.viewpoint_mix)
    }
}

/// Places `count` more positions after `prefix`. Fewer when the pool runs out; `has_next` says whether more could follow.
pub fn place(pool: &Pool, prefix: &[Placed], count: usize, context: &Context) -> Page {
    let [page] = place_pages(pool, prefix, count, context);
    page
}

/// As many pages of `count` positions after `prefix`, one after another: those that [`place`] would make one by one.
pub fn place_pages<const PAGES: usize>(pool: &Pool, prefix: &[Placed], count: usize, context: &Context) -> [Page; PAGES] {
    let rows = pool.candidates.iter().map(|candidate| candidate.row);
    let view = View::new(rows, context.snapshot, &pool.similarity(context));
    let mut run = Run::new(pool, &view, prefix.len() + PAGES * count, context);
    for placed in prefix {
        run.put(placed.pool_index as usize);
    }
    std::array::from_fn(|_| run.page(count))
}

/// One position placed again.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What comes here now; `None` when nothing is left.
    pub placed: Option<Placed>,
    /// What it rests on; `None` for a draw.
    pub standing: Option<Standing>,
    /// Candidates it was drawn from; 0 for a ranked position.
    pub arms: usize,
}

/// Places every position of `recorded` again, each after the recorded ones before it: the same items for the same numbers
/// while catalogue, relevance and rules are those of the time.
pub fn replay(pool: &Pool, recorded: &[Placed], context: &Context) -> Vec<Replayed> {
    let rows = pool.candidates.iter().map(|candidate| candidate.row);
    let view = View::new(rows, context.snapshot, &pool.similarity(context));
    let mut run = Run::new(pool, &view, recorded.len(), context);
    let replayed = recorded.iter().map(|placed| {
        let replayed = run.replayed();
        run.put(placed.pool_index as usize);
        replayed
    });
    replayed.collect()
}

/// The state while placing.
struct Run<'a> {
    pool: &'a Pool<'a>,
    policy: &'a Policy,
    context: &'a Context<'a>,
    /// Not placed and allowed.
    open: Vec<bool>,
    open_count: usize,
    /// Candidates that diversification may reorder, by index below this; the rest follow by relevance.
    reranked: usize,
    diversifier: Diversifier<'a>,
    solver: Solver,
    position: usize,
    /// By interest: the vector of its exemplar, if that is still in the catalogue.
    exemplars: Vec<Option<VectorView<'a>>>,
    draws: Vec<Draw>,
}

impl<'a> Run<'a> {
    fn new(pool: &'a Pool<'a>, view: &'a View<'a>, slots: usize, context: &'a Context<'a>) -> Self {
        let (policy, snapshot) = (context.policy, context.snapshot);
        let entries: Vec<Option<&Entry>> = pool.candidates.iter().map(|c| c.row.and_then(|row| context.snapshot.entry(row))).collect();
        let relevance: Vec<f32> = pool.candidates.iter().map(|c| c.relevance).collect();
        let problem = Problem {
            view,
            diversify: &policy.diversify,
            diversity: pool.diversity,
            slate: policy.page_size as usize,
            slots,
            evaluation: Evaluation::Lazy,
        };
        let needs_mix = policy.diversify.method.needs_mix() && pool.diversity > 0.0;
        let mix = needs_mix.then(|| Mix::new(&policy.diversify.calibrate, entries.iter().copied(), context.snapshot, context.profile));
        let mut diversifier = Diversifier::new(&problem, &relevance, mix);
        let open: Vec<bool> = entries.iter().map(Option::is_some).collect();
        let reranked = open.len().min(policy.diversify.pool as usize);
        for index in (0..open.len()).filter(|index| *index >= reranked || !open[*index]) {
            diversifier.close(index);
        }
        Self {
            pool,
            policy,
            context,
            open_count: open.iter().filter(|open| **open).count(),
            open,
            reranked,
            diversifier,
            solver: Solver::new(&policy.constraint, pool.dials.lifts_caps, policy.page_size as usize, &entries, context.snapshot.codes()),
            position: 0,
            exemplars: pool.exemplars.iter().map(|id| snapshot.vector(snapshot.find(id)?)).collect(),
            draws: Vec::new(),
        }
    }

    fn page(&mut self, count: usize) -> Page {
        let mut page = Page::default();
        while page.placed.len() < count && self.open_count > 0 {
            page.relaxed.extend_from_slice(self.solver.settle());
            let Some(placed) = self.next() else { break };
            self.put(placed.pool_index as usize);
            page.placed.push(placed);
        }
        page.has_next = self.open_count > 0;
        page.draws = std::mem::take(&mut self.draws);
        page
    }

    /// Takes `index` as the item at the current position. An item that is gone keeps its position and nothing else.
    fn put(&mut self, index: usize) {
        let present = self.open.get(index).is_some_and(|open| *open);
        if present {
            self.open[index] = false;
            self.open_count -= 1;
            self.diversifier.place(index);
        }
        self.solver.place(present.then_some(index));
        self.position += 1;
    }

    /// The next position as it would be filled, without filling it.
    fn replayed(&mut self) -> Replayed {
        self.solver.settle();
        let placed = if self.open_count > 0 { self.next() } else { None };
        let arms = self.draws.pop().map_or(0, |draw| draw.arms.len());
        let ranked = placed.as_ref().filter(|placed| placed.slot == Slot::Ranked);
        let standing = ranked.map(|placed| {
            let Self { diversifier, solver, open, .. } = self;
            let best = (placed.pool_index as usize, placed.objective);
            Standing::new(diversifier, best, |index| open[index] && solver.check(index).is_ok())
        });
        Replayed { placed, standing, arms }
    }

    fn next(&mut self) -> Option<Placed> {
        if explore::is_slot(self.position, &self.policy.explore)
            && let Some(placed) = self.explored()
        {
            return Some(placed);
        }
        self.ranked()
    }

    /// A draw among the open candidates from outside the profile that the constraints permit.
    fn explored(&mut self) -> Option<Placed> {
        let mut eligible = Vec::new();
        for (index, candidate) in self.pool.candidates.iter().enumerate() {
            if self.open[index] && candidate.sources.has(SourceKind::Outside) && self.solver.check(index).is_ok() {
                eligible.push(index);
            }
        }
        let arms: Vec<Arm> = eligible.iter().map(|index| self.arm(*index)).collect();
        let (drawn, propensity) = explore::draw(&arms, &self.policy.explore, self.pool.seed, self.position)?;
        let index = *eligible.get(drawn)?;
        let objective = self.diversifier.objective(index);
        self.draws.push(Draw { position: self.position as u32, arms, taken: drawn as u32 });
        self.placed(index, objective, Slot::Exploration, propensity, None)
    }

    fn arm(&self, index: usize) -> Arm {
        let candidate = &self.pool.candidates[index];
        let popularity = candidate.row.map(|row| self.context.snapshot.popularity(row)).unwrap_or_default();
        let (mean, deviation) = popularity.open_rate(self.context.now, self.context.snapshot.popularity_half_life());
        Arm { relevance: candidate.relevance, mean, deviation }
    }

    /// The best objective among the open candidates that the constraints permit; those past the re-ranked ones by relevance.
    fn ranked(&mut self) -> Option<Placed> {
        let solver = &mut self.solver;
        let freely = self.diversifier.best(|_| true);
        let bound_by = freely.and_then(|(index, _)| solver.check(index).err());
        let ranked = if bound_by.is_none() { freely } else { self.diversifier.best(|index| solver.check(index).is_ok()) };
        let (index, objective) = match ranked {
            Some(best) => best,
            None => self.by_relevance()?,
        };
        self.placed(index, objective, Slot::Ranked, 1.0, bound_by)
    }

    /// The first permitted candidate past the re-ranked ones, when none of those is permitted.
    fn by_relevance(&mut self) -> Option<(usize, f32)> {
        let index = (self.reranked..self.open.len()).find(|index| self.open[*index] && self.solver.check(*index).is_ok())?;
        Some((index, self.diversifier.objective(index)))
    }

    /// Whether a person would call the candidate like the evidence of the interest it is nearest to. An interest counts by its
    /// direction, but a reason names an item, so it must hold for that item.
    fn is_like_exemplar(&self, index: usize, row: Row) -> bool {
        let exemplar = self.pool.candidates[index].interest.and_then(|at| *self.exemplars.get(usize::from(at))?);
        let vectors = exemplar.zip(self.context.snapshot.vector(row));
        vectors.is_some_and(|(a, b)| a.space == b.space && dot_halves(a.values, b.values) >= a.space.alike())
    }

    fn placed(&self, index: usize, objective: f32, slot: Slot, propensity: f64, bound_by: Option<u8>) -> Option<Placed> {
        let row = self.pool.candidates[index].row?;
        let item = self.context.snapshot.entry(row)?.item.id.clone();
        let max_similarity = self.diversifier.nearest(index);
        let is_like_exemplar = self.is_like_exemplar(index, row);
        Some(Placed { item, pool_index: index as u32, is_like_exemplar, slot, propensity, max_similarity, objective, bound_by })
    }
}
