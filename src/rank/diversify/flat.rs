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
    /// Rewrites the bounds that the last placement may have lifted; leaves [`CLOSED`] ones.
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32]);
    /// The candidate's objective; may stop early with a mere upper bound once that falls below `floor`.
    fn refine(&mut self, shared: &Shared, index: usize, floor: f32) -> f32;
    /// `index` was just appended to the placed items.
    fn place(&mut self, shared: &Shared, index: usize);
}

/// Greatest bounds taken one by one before the sweep: a good first value makes the sweep short.
const SEEDS: usize = 8;

/// The open, allowed candidate of greatest objective with that objective. Ties go to the higher relevance, then the lower index.
pub(super) fn best<G: Gain>(
    gain: &mut G,
    shared: &Shared,
    bounds: &mut [f32],
    hidden: &mut Vec<(usize, f32)>,
    mut allowed: impl FnMut(usize) -> bool,
) -> Option<(usize, f32)> {
    gain.rebound(shared, bounds);
    let mut best: Option<(usize, f32)> = None;
    let mut seeds = 0;
    while seeds < SEEDS {
        let Some(index) = greatest(bounds) else { break };
        if best.is_some_and(|(best, _)| best == index) {
            // Up to date and still in front: nothing can pass it but an equal one.
            break;
        }
        if !allowed(index) {
            hidden.push((index, std::mem::replace(&mut bounds[index], CLOSED)));
            continue;
        }
        let value = gain.refine(shared, index, best.map_or(CLOSED, |(_, value)| value));
        bounds[index] = value;
        best = Some(better(shared, best, (index, value)));
        seeds += 1;
    }
    let best = best.map(|best| sweep(gain, shared, bounds, best, allowed));
    for (index, bound) in hidden.drain(..) {
        bounds[index] = bound;
    }
    best
}

/// The greater objective; of equal ones the higher relevance, then the lower index.
fn better(shared: &Shared, best: Option<(usize, f32)>, other: (usize, f32)) -> (usize, f32) {
    match best {
        Some(best) if best.1 > other.1 || (best.1 == other.1 && shared.goes_first(best.0, other.0)) => best,
        _ => other,
    }
}

/// Refreshes every candidate whose bound reaches the best so far.
fn sweep<G: Gain>(
    gain: &mut G,
    shared: &Shared,
    bounds: &mut [f32],
    mut best: (usize, f32),
    mut allowed: impl FnMut(usize) -> bool,
) -> (usize, f32) {
    for from in (0..bounds.len()).step_by(BLOCK) {
        let to = (from + BLOCK).min(bounds.len());
        if !bounds[from..to].iter().fold(false, |any, bound| any | (*bound >= best.1)) {
            continue;
        }
        #[allow(clippy::needless_range_loop, reason = "bounds are written while they are read, and the index names the candidate")]
        for index in from..to {
            if bounds[index] < best.1 || index == best.0 || bounds[index] == CLOSED || !allowed(index) {
                continue;
            }
            let value = gain.refine(shared, index, best.1);
            bounds[index] = value;
            if value >= best.1 {
                best = better(shared, Some(best), (index, value));
            }
        }
    }
    best
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

    /// A round begins; returns whether to scan from here on.
    pub fn round(&mut self, bounds: &[f32]) -> bool {
        let judged = self.rounds >= Self::ROUNDS && self.compared as f32 > Self::SHARE * self.scan as f32;
        self.rounds += 1;
        self.scan += bounds.iter().filter(|bound| **bound != CLOSED).count();
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
