//! MMR against the last `window` placed items only: what scrolled away no longer counts.
//!
//! A penalty may fall when an item leaves the window, so bounds are made anew each round, from the similarities to the
//! items of the window that are already known.

use super::{Shared, flat::CLOSED, flat::Gain};
use crate::domain::policy::Aggregate;

pub(super) struct Windowed {
    aggregate: Aggregate,
    window: usize,
    /// `candidates × window`: similarity to placed item `j` at `j % window`.
    ring: Vec<f32>,
    /// Placed items compared with so far.
    upto: Vec<usize>,
    scan: bool,
}

impl Windowed {
    pub fn new(aggregate: Aggregate, window: usize, candidates: usize, scan: bool) -> Self {
        Self { aggregate, window, ring: vec![0.0; candidates * window], upto: vec![0; candidates], scan }
    }

    /// `λr − (1−λ)·penalty` over the known similarities to placed items `first` and later; unknown ones count as 0.
    fn value(&self, shared: &Shared, index: usize) -> f32 {
        let first = shared.placed.len().saturating_sub(self.window);
        let known = (first..self.upto[index]).map(|placed| self.ring[index * self.window + placed % self.window]);
        let penalty = match self.aggregate {
            Aggregate::Max => known.fold(0.0, f32::max),
            Aggregate::Mean => known.fold(0.0, |a, b| a + b) / (shared.placed.len() - first).max(1) as f32,
        };
        shared.lambda * shared.relevance[index] - (1.0 - shared.lambda) * penalty
    }
}

impl Gain for Windowed {
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], _: usize) {
        for (index, bound) in bounds.iter_mut().enumerate().filter(|(_, bound)| **bound != CLOSED) {
            *bound = if self.scan { self.refine(shared, index, CLOSED) } else { self.value(shared, index) };
        }
    }

    fn refine(&mut self, shared: &Shared, index: usize, _: f32) -> f32 {
        let first = shared.placed.len().saturating_sub(self.window);
        for placed in self.upto[index].max(first)..shared.placed.len() {
            self.ring[index * self.window + placed % self.window] = shared.view.similarity_to(&shared.placed[placed], index);
        }
        self.upto[index] = shared.placed.len();
        self.value(shared, index)
    }

    fn place(&mut self, _: &Shared, _: usize) {}
}
