//! Raw scores to [0, 1], and the order they give.

use super::Scored;
use crate::{
    catalogue::Snapshot,
    domain::{ItemId, policy::Normalize},
};

/// Sets each relevance from its raw score and sorts: highest relevance first, ties by item id. Equal raw scores get equal
/// relevance under every rule; a score that is not a number sinks below every number. `cut`: lower scores that are not among `raw`
/// and count all the same by rank.
pub(super) fn normalise(raw: &[f32], scored: Vec<Scored>, cut: usize, rule: Normalize, snapshot: &Snapshot) -> Vec<Scored> {
    let mut order: Vec<u64> = raw.iter().enumerate().map(|(at, score)| descending(*score) << u32::BITS | at as u64).collect();
    order.sort_unstable();
    let raw_at = |place: usize| finite(raw[order[place] as u32 as usize]);
    let (high, low) = if order.is_empty() { (0.0, 0.0) } else { (raw_at(0), raw_at(order.len() - 1)) };
    let last = (order.len() + cut).saturating_sub(1);
    let mut sorted: Vec<Scored> = order.iter().map(|key| scored[*key as u32 as usize].clone()).collect();
    let mut from = 0;
    while from < sorted.len() {
        let score = raw_at(from);
        let to = (from + 1..sorted.len()).find(|place| raw_at(*place) != score).unwrap_or(sorted.len());
        let relevance = match rule {
            Normalize::None => score.clamp(0.0, 1.0),
            _ if high <= low => 1.0,
            Normalize::Minmax => (score - low) / (high - low),
            // By rank: the best is 1, the worst 0, evenly spaced; ties share their mean rank.
            Normalize::Percentile => (2 * last - (from + to - 1)) as f32 / 2.0 / last as f32,
        };
        sorted[from..to].iter_mut().for_each(|scored| scored.relevance = relevance);
        from = to;
    }
    settle_ties(&mut sorted, |scored| snapshot.entry(scored.row).map(|entry| &entry.item.id));
    sorted
}

fn finite(score: f32) -> f32 {
    if score.is_finite() { score } else { f32::MIN }
}

/// Whole numbers in the opposite order of the scores.
fn descending(score: f32) -> u64 {
    let bits = finite(score).to_bits();
    // Negative numbers have their bits the other way round.
    let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(!ascending)
}

/// Sorts runs of equal relevance by id.
fn settle_ties<'s>(sorted: &mut [Scored], id: impl Fn(&Scored) -> Option<&'s ItemId>) {
    for run in sorted.chunk_by_mut(|a, b| a.relevance == b.relevance).filter(|run| run.len() > 1) {
        run.sort_by(|a, b| id(a).cmp(&id(b)));
    }
}
