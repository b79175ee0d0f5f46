//! The exact lazy search for the best next candidate.
//!
//! One array holds an upper bound of every open candidate's objective. A round takes the greatest bound, brings that
//! candidate up to date, and then refreshes only those whose bound still reaches the best value found. Bounds come from
//! what was already compared: placing an item can only lower an objective below its bound, never lift it above, so the
//! choice is that of the full scan, bit for bit (the lazy evaluation of Minoux 1978, laid out flat).

use super::Shared;

/// A closed candidate's bound: placed, gone, or not taking part.
pub(super) const CLOSED: f32 = f32::NEG_INFINITY;
/// Bounds tested at once: two AVX2 registers, four of SSE2.
const BLOCK: usize = 16;

/// A diversification objective, evaluated bit by bit.
pub(super) trait Gain {
    /// Rewrites the bounds that the last placement may have lifted, `open` of which are not [`CLOSED`]; leaves those.
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], open: usize);
    /// The candidate's objective; may stop early with a mere upper bound once that falls below `floor`.
    fn refine(&mut self, shared: &Shared, index: usize, floor: f32) -> f32;
    /// The candidate's greatest similarity to a placed item, where that is known without comparing.
    fn nearest(&self, _shared: &Shared, _index: usize) -> Option<f32> {
        None
    }
    /// `index` was just appended to the placed items.
    fn place(&mut self, shared: &Shared, index: usize);
}

/// The lazy search: bounds of the objectives, by candidate.
pub(super) struct Search {
    bounds: Vec<f32>,
    /// How many of them are not [`CLOSED`].
    open: usize,
    /// Room for the bounds of candidates that are not allowed this round.
    hidden: Vec<(usize, f32)>,
    /// Second to the winner of the last round, with its objective there: all but up to date, it makes a short sweep of the next.
    runner_up: Option<(usize, f32)>,
}

impl Search {
    /// Every bound is open.
    pub fn new(candidates: usize) -> Self {
        Self { bounds: vec![f32::INFINITY; candidates], open: candidates, hidden: Vec::new(), runner_up: None }
    }

    pub fn bounds(&mut self) -> &mut [f32] {
        &mut self.bounds
    }

    /// `index` takes no part any more.
    pub fn close(&mut self, index: usize) {
        if let Some(bound) = self.bounds.get_mut(index)
            && *bound != CLOSED
        {
            *bound = CLOSED;
            self.open -= 1;
        }
    }

    /// The open, allowed candidate of greatest objective with that objective. Ties go to the higher relevance, then the lower index.
    pub fn best<G: Gain>(&mut self, gain: &mut G, shared: &Shared, mut allowed: impl FnMut(usize) -> bool) -> Option<(usize, f32)> {
        gain.rebound(shared, &mut self.bounds, self.open);
        let first = self.first(&mut allowed);
        let best = first.map(|first| {
            self.bounds[first] = gain.refine(shared, first, CLOSED);
            self.sweep(gain, shared, first, allowed)
        });
        for (index, bound) in self.hidden.drain(..) {
            self.bounds[index] = bound;
        }
        best
    }

    /// Whom to bring up to date first: the last round's second, else the greatest bound.
    fn first(&mut self, mut allowed: impl FnMut(usize) -> bool) -> Option<usize> {
        if let Some((index, _)) = self.runner_up.take()
            && self.bounds[index] != CLOSED
            && allowed(index)
        {
            return Some(index);
        }
        loop {
            let index = greatest(&self.bounds)?;
            if allowed(index) {
                return Some(index);
            }
            self.hidden.push((index, std::mem::replace(&mut self.bounds[index], CLOSED)));
        }
    }

    /// Refreshes every candidate whose bound reaches the best so far, which is `first` to begin with.
    fn sweep<G: Gain>(&mut self, gain: &mut G, shared: &Shared, first: usize, mut allowed: impl FnMut(usize) -> bool) -> (usize, f32) {
        let bounds = &mut self.bounds;
        let mut best = (first, bounds[first]);
        for from in (0..bounds.len()).step_by(BLOCK) {
            let to = (from + BLOCK).min(bounds.len());
            if !bounds[from..to].iter().fold(false, |any, bound| any | (*bound >= best.1)) {
                continue;
            }
            #[allow(clippy::needless_range_loop, reason = "bounds are written while they are read, and the index names the candidate")]
            for index in from..to {
                if bounds[index] < best.1 || index == first || bounds[index] == CLOSED || !allowed(index) {
                    continue;
                }
                let value = gain.refine(shared, index, best.1);
                bounds[index] = value;
                let loser = if value > best.1 || (value == best.1 && shared.goes_first(index, best.0)) {
                    std::mem::replace(&mut best, (index, value))
                } else {
                    (index, value)
                };
                if self.runner_up.is_none_or(|second| loser.1 > second.1) {
                    self.runner_up = Some(loser);
                }
            }
        }
        best
    }
}

/// What the lazy search has spent, against the scan: where it saves nothing, scanning is the faster form.
#[derive(Default)]
pub(super) struct Effort {
    compared: usize,
    scan: usize,
    rounds: usize,
}

impl Effort {
    /// Rounds before judging, and the share of the scan's comparisons from which the scan takes over.
    const ROUNDS: usize = 6;
    const SHARE: f32 = 0.7;

    pub fn compared(&mut self, comparisons: usize) {
        self.compared += comparisons;
    }

    /// A round over `open` candidates begins; returns whether to scan from here on.
    pub fn round(&mut self, open: usize) -> bool {
        let judged = self.rounds >= Self::ROUNDS && self.compared as f32 > Self::SHARE * self.scan as f32;
        self.rounds += 1;
        self.scan += open;
        judged
    }
}

/// The first index of the greatest bound; `None` when all are closed.
fn greatest(bounds: &[f32]) -> Option<usize> {
    let mut lanes = [CLOSED; BLOCK];
    let (blocks, rest) = bounds.as_chunks::<BLOCK>();
    for block in blocks {
        for (lane, bound) in lanes.iter_mut().zip(block) {
            *lane = if *bound > *lane { *bound } else { *lane };
        }
    }
    let highest = lanes.iter().chain(rest).fold(CLOSED, |a, b| if *b > a { *b } else { a });
    if highest == CLOSED { None } else { bounds.iter().position(|bound| *bound == highest) }
}
