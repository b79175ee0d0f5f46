//! Objectives of the similarity to everything placed: MMR by the greatest or the mean similarity, and max-sum dispersion.

use super::{
    Shared,
    flat::{CLOSED, Effort, Gain},
};

/// How the similarities to the placed items count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sum {
    /// `λr − (1−λ)·max s` (Carbonell & Goldstein, SIGIR 1998).
    Max,
    /// `λr − (1−λ)·mean s`.
    Mean,
    /// `λr + (1−λ)·2/(max(k−1, |S|))·Σ(1−s)`: the greedy gain of `λ·mean r + (1−λ)·mean pairwise distance` over a slate of
    /// `k` (max-sum dispersion: Borodin et al., PODS 2012), kept bounded past it.
    Dispersion { slate: f32 },
}

impl Sum {
    /// `known` with one more similarity.
    #[inline]
    fn with(self, known: f32, alike: f32) -> f32 {
        if self == Self::Max { known.max(alike) } else { known + alike }
    }
}

/// Per candidate what is known of its similarity to the placed items: all sums only grow, so a stale one bounds the objective.
pub(super) struct Similar {
    sum: Sum,
    known: Vec<f32>,
    /// Greatest of the similarities compared so far.
    greatest: Vec<f32>,
    /// Placed items compared with so far.
    upto: Vec<u32>,
    /// Compare every open candidate with every placed item: the plain incremental scan.
    scan: bool,
    effort: Effort,
}

impl Similar {
    pub fn new(sum: Sum, candidates: usize, scan: bool) -> Self {
        Self {
            sum,
            known: vec![0.0; candidates],
            greatest: vec![0.0; candidates],
            upto: vec![0; candidates],
            scan,
            effort: Effort::default(),
        }
    }

    /// The objective from the relevance and the accumulated similarity; monotone in both, also after rounding.
    #[inline]
    fn value(sum: Sum, shared: &Shared, relevance: f32, known: f32) -> f32 {
        let (lambda, placed) = (shared.lambda, shared.placed.len() as f32);
        match sum {
            Sum::Max => lambda * relevance - (1.0 - lambda) * known,
            Sum::Mean => lambda * relevance - (1.0 - lambda) * (known / placed.max(1.0)),
            Sum::Dispersion { slate } => {
                lambda * relevance + (1.0 - lambda) * (2.0 / (slate - 1.0).max(placed).max(1.0) * (placed - known))
            }
        }
    }
}

impl Gain for Similar {
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], open: usize) {
        self.scan |= self.effort.round(open);
        if self.scan {
            for (index, bound) in bounds.iter_mut().enumerate().filter(|(_, bound)| **bound != CLOSED) {
                *bound = self.refine(shared, index, CLOSED);
            }
        } else if self.sum != Sum::Max {
            let sum = self.sum;
            for ((bound, known), relevance) in bounds.iter_mut().zip(&self.known).zip(&shared.relevance) {
                let value = Self::value(sum, shared, *relevance, *known);
                *bound = if *bound == CLOSED { CLOSED } else { value };
            }
        }
    }

    #[inline]
    fn refine(&mut self, shared: &Shared, index: usize, floor: f32) -> f32 {
        let relevance = shared.relevance[index];
        let (mut known, mut greatest) = (self.known[index], self.greatest[index]);
        let mut upto = self.upto[index] as usize;
        let mut value = Self::value(self.sum, shared, relevance, known);
        while value >= floor {
            match &shared.placed[upto..] {
                [] => break,
                [last] => {
                    let alike = shared.view.similarity_to(last, index);
                    known = self.sum.with(known, alike);
                    greatest = greatest.max(alike);
                    upto += 1;
                }
                [next, after, ..] => {
                    let [first, second] = shared.view.similarities_to([next, after], index);
                    known = self.sum.with(self.sum.with(known, first), second);
                    greatest = greatest.max(first).max(second);
                    upto += 2;
                }
            }
            value = Self::value(self.sum, shared, relevance, known);
        }
        self.effort.compared(upto - self.upto[index] as usize);
        self.known[index] = known;
        self.greatest[index] = greatest;
        self.upto[index] = upto as u32;
        value
    }

    fn nearest(&self, shared: &Shared, index: usize) -> Option<f32> {
        (self.upto[index] as usize == shared.placed.len()).then(|| self.greatest[index])
    }

    fn place(&mut self, _: &Shared, _: usize) {}
}
