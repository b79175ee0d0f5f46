//! Diversification: which candidate comes next, given what stands before it. One closed set of methods, one signature.
//!
//! Every method scores a candidate by `λ·relevance + (1 − λ)·(what it adds)`, λ from the dial by [`lambda`], and the next item is
//! the open candidate of the greatest objective; ties go to the higher relevance, then the lower index. The pool comes
//! sorted by relevance and id, so the result depends on the items alone.

mod dial;
mod flat;
mod mix;
mod residual;
mod similar;
mod sliding;
mod window;

#[cfg(test)]
mod tests;

pub use dial::{diversity_of, lambda};
pub use mix::Mix;
pub use residual::SPANNED;

use super::view::{Pinned, View};
use crate::domain::policy::{Aggregate, Diversify, Method};
use flat::{CLOSED, Gain, Search};
use residual::Volume;
use similar::Sum;

/// How the best candidate is found. Both give the same slate, bit for bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Only candidates that can still win are compared with the placed items.
    Lazy,
    /// Every open candidate is compared with every placed item: what is measured against.
    Scan,
}

/// What is to be diversified.
pub struct Problem<'a> {
    pub view: &'a View<'a>,
    pub diversify: &'a Diversify,
    /// In [0, 1]: 0 = relevance only.
    pub diversity: f32,
    /// Items of a page: what max-sum dispersion scales its sum by.
    pub slate: usize,
    /// Most items that will ever be placed.
    pub slots: usize,
    pub evaluation: Evaluation,
}

/// What every objective may look at.
struct Shared<'a> {
    view: &'a View<'a>,
    relevance: Vec<f32>,
    lambda: f32,
    placed: Vec<Pinned>,
}

impl Shared<'_> {
    /// Whether `a` comes before `b` at an equal objective.
    fn goes_first(&self, a: usize, b: usize) -> bool {
        self.relevance[a] > self.relevance[b] || (self.relevance[a] == self.relevance[b] && a < b)
    }
}

/// A slate in the making.
pub struct Diversifier<'a> {
    shared: Shared<'a>,
    search: Search,
    objective: Objective,
}

/// The closed set of objectives.
enum Objective {
    Relevance(Relevance),
    Similar(similar::Similar),
    Windowed(window::Windowed),
    Residual(residual::Residual),
    Sliding(sliding::Sliding),
    Calibrated(mix::Calibrated),
    Coverage(mix::Coverage),
}

/// Runs `$body` with the objective at hand: one compiled loop per method.
macro_rules! with_gain {
    ($objective:expr, $gain:ident => $body:expr) => {
        match $objective {
            Objective::Relevance($gain) => $body,
            Objective::Similar($gain) => $body,
            Objective::Windowed($gain) => $body,
            Objective::Residual($gain) => $body,
            Objective::Sliding($gain) => $body,
            Objective::Calibrated($gain) => $body,
            Objective::Coverage($gain) => $body,
        }
    };
}

impl<'a> Diversifier<'a> {
    /// `relevance` has one number per candidate of the view; what is not finite counts as the lowest of the others. `mix` is
    /// asked for by the methods that need it ([`Method::needs_mix`]); without one they rank by relevance.
    pub fn new(problem: &Problem<'a>, relevance: &[f32], mix: Option<Mix>) -> Self {
        let relevance = finite(relevance);
        let count = relevance.len();
        let window = (problem.diversify.window as usize).min(problem.slots);
        let scan = problem.evaluation == Evaluation::Scan;
        let volume = if problem.diversify.method == Method::Dpp { Volume::Log } else { Volume::Root };
        let lambda = lambda(problem.diversify, problem.diversity);
        let objective = match (problem.diversify.method, mix) {
            _ if lambda >= 1.0 => Objective::Relevance(Relevance),
            (Method::Calibrated, Some(mix)) => Objective::Calibrated(mix::Calibrated::new(mix)),
            (Method::Coverage, Some(mix)) => Objective::Coverage(mix::Coverage::new(mix)),
            (Method::None | Method::Calibrated | Method::Coverage, _) => Objective::Relevance(Relevance),
            (Method::Mmr, _) if window > 0 => Objective::Windowed(window::Windowed::new(problem.diversify.aggregate, window, count, scan)),
            (Method::Mmr, _) => {
                let sum = if problem.diversify.aggregate == Aggregate::Max { Sum::Max } else { Sum::Mean };
                Objective::Similar(similar::Similar::new(sum, count, scan))
            }
            (Method::Msd, _) => Objective::Similar(similar::Similar::new(Sum::Dispersion { slate: problem.slate as f32 }, count, scan)),
            (Method::Dpp | Method::Ssd, _) if window > 0 => Objective::Sliding(sliding::Sliding::new(volume, window, count, scan)),
            (Method::Dpp | Method::Ssd, _) => Objective::Residual(residual::Residual::new(volume, count, problem.slots, scan)),
        };
        let placed = Vec::with_capacity(problem.slots);
        let mut new = Self { search: Search::new(count), shared: Shared { view: problem.view, relevance, lambda, placed }, objective };
        let (shared, bounds) = (&new.shared, new.search.bounds());
        with_gain!(&mut new.objective, gain => for (index, bound) in bounds.iter_mut().enumerate() {
            *bound = gain.refine(shared, index, f32::INFINITY);
        });
        new
    }

    /// `index` takes no part: it is gone, or not among those that are diversified.
    pub fn close(&mut self, index: usize) {
        self.search.close(index);
    }

    /// `index` stands at the next position.
    pub fn place(&mut self, index: usize) {
        if index >= self.shared.relevance.len() {
            return;
        }
        self.close(index);
        self.shared.placed.push(self.shared.view.pin(index));
        let shared = &self.shared;
        with_gain!(&mut self.objective, gain => gain.place(shared, index));
    }

    /// The best open candidate among those `allowed`, with its objective.
    pub fn best(&mut self, allowed: impl FnMut(usize) -> bool) -> Option<(usize, f32)> {
        let (shared, search) = (&self.shared, &mut self.search);
        with_gain!(&mut self.objective, gain => search.best(gain, shared, allowed))
    }

    /// The objective of a candidate that is not placed yet.
    pub fn objective(&mut self, index: usize) -> f32 {
        let shared = &self.shared;
        with_gain!(&mut self.objective, gain => gain.refine(shared, index, CLOSED))
    }

    /// What of a candidate's objective is relevance: `λ·relevance`, or all of it where nothing is diversified.
    pub fn relevance_part(&self, index: usize) -> f64 {
        let weight = if matches!(self.objective, Objective::Relevance(_)) { 1.0 } else { self.shared.lambda };
        f64::from(weight) * self.shared.relevance.get(index).copied().map_or(0.0, f64::from)
    }

    /// Greatest similarity of a candidate to a placed item, in [0, 1]; 0 before the first.
    pub fn nearest(&self, index: usize) -> f32 {
        let compare = || self.shared.placed.iter().map(|placed| self.shared.view.similarity_to(placed, index)).fold(0.0, f32::max);
        with_gain!(&self.objective, gain => gain.nearest(&self.shared, index)).unwrap_or_else(compare)
    }
}

/// The first `count` of a slate: `(index, objective)` each, best first; all of them when there are fewer.
///
/// Arguments as of [`Diversifier::new`].
pub fn select(problem: &Problem, relevance: &[f32], mix: Option<Mix>, count: usize) -> Vec<(usize, f32)> {
    let mut diversifier = Diversifier::new(problem, relevance, mix);
    let mut slate = Vec::with_capacity(count.min(relevance.len()));
    while slate.len() < count {
        let Some((index, objective)) = diversifier.best(|_| true) else { break };
        slate.push((index, objective));
        if slate.len() < count {
            diversifier.place(index);
        }
    }
    slate
}

/// Numbers that can be compared: what is not finite counts as the lowest of those that are.
fn finite(relevance: &[f32]) -> Vec<f32> {
    let lowest = relevance.iter().copied().filter(|r| r.is_finite()).fold(f32::INFINITY, f32::min);
    let lowest = if lowest.is_finite() { lowest } else { 0.0 };
    relevance.iter().map(|r| if r.is_finite() { *r } else { lowest }).collect()
}

/// Relevance alone.
struct Relevance;

impl Gain for Relevance {
    fn rebound(&mut self, _: &Shared, _: &mut [f32], _: usize) {}

    fn refine(&mut self, shared: &Shared, index: usize, _: f32) -> f32 {
        shared.relevance[index]
    }

    fn place(&mut self, _: &Shared, _: usize) {}
}
