//! The test that spares the search: so much is open that no placement can lead to a dead end.

use super::{
    rule::{Block, Blocks, Bound, Wanted},
    state::{Horizon, State},
};

/// How many candidates the most frequent values of each constrained facet have, in the whole pool.
#[derive(Debug)]
pub struct Slack {
    /// Per slot: the sum of the `n` largest supplies at index `n`.
    largest: Vec<Vec<usize>>,
}

impl Slack {
    pub fn new(state: &State) -> Self {
        let sums = |supply: &[u32]| {
            let mut sorted: Vec<usize> = supply.iter().map(|supply| *supply as usize).collect();
            sorted.sort_unstable_by(|a, b| b.cmp(a));
            let running = sorted.iter().scan(0, |sum, supply| {
                *sum += supply;
                Some(*sum)
            });
            std::iter::once(0).chain(running).collect()
        };
        Self { largest: state.slots.iter().map(|slot| sums(&slot.supply)).collect() }
    }

    fn largest(&self, slot: usize, values: usize) -> usize {
        self.largest[slot].get(values).or(self.largest[slot].last()).copied().unwrap_or(0)
    }

    /// Whether every placement that breaks no upper bound now leaves a way to hold all constraints in the horizon. Looks
    /// at each pair of constraints once; `false` says nothing.
    ///
    /// With `r` positions to fill, at least `open - r + 1` candidates are there for the last of them. An upper bound shuts
    /// out at most `before / max` values at a time. What lower bounds want is served one item per position, earliest block
    /// first, by an item that no upper bound shuts out: there is room for all of it in every run of positions, and supply.
    pub fn is_ample(&self, state: &State, horizon: Horizon) -> bool {
        let room = horizon.end - horizon.from;
        if state.open < room + self.shut_out(state, None) {
            return false;
        }
        let mut runs = Vec::new();
        let mut density = 0.0;
        for rule in 0..state.rules.len() {
            let Bound::AtLeast { min, blocks, .. } = state.rules[rule].bound else { continue };
            let mut ahead = state.blocks(rule, horizon).map(|block| (block, block.min.saturating_sub(state.count(rule, block))));
            let Some((block, wants)) = ahead.next() else { continue };
            let more = ahead.next().is_some();
            if wants == 0 && !more {
                continue;
            }
            if !self.is_supplied(state, rule, room) {
                return false;
            }
            match blocks {
                Blocks::At(at) if at < horizon.end => return false,
                Blocks::At(_) => continue,
                Blocks::Every(per) => {
                    let rate = if more { min as f64 / per as f64 } else { 0.0 };
                    density += rate;
                    runs.push((block, wants, rate));
                }
            }
        }
        density <= 1.0 && runs.iter().all(|(run, ..)| fits(&runs, run.end, horizon.from))
    }

    /// Most candidates that upper bounds shut out at once: all of them, or those that do not look at slot `but`.
    fn shut_out(&self, state: &State, but: Option<usize>) -> usize {
        let position = state.position();
        let rules = state.rules.iter().filter(|rule| rule.top > position && Some(rule.slot) != but);
        let shut_out = rules.map(|rule| match rule.bound {
            Bound::AtMost { only: Some(value), .. } => state.slots[rule.slot].supply[usize::from(value)] as usize,
            Bound::AtMost { max, before, only: None } => self.largest(rule.slot, before / max),
            Bound::AtLeast { .. } => 0,
        });
        shut_out.sum()
    }

    /// Whether what a lower bound wants is there and not shut out, whatever else is placed in `room` positions.
    fn is_supplied(&self, state: &State, rule: usize, room: usize) -> bool {
        let Bound::AtLeast { wanted, min, .. } = state.rules[rule].bound else { return true };
        let slot = state.rules[rule].slot;
        let shut_out = self.shut_out(state, Some(slot));
        let of_slot = state.rules.iter().filter(|other| other.slot == slot && other.top > state.position());
        let shut_values = of_slot.map(|other| match other.bound {
            Bound::AtMost { only: Some(_), .. } => 1,
            Bound::AtMost { max, before, only: None } => before / max,
            Bound::AtLeast { .. } => 0,
        });
        let shut_values: usize = shut_values.sum();
        match wanted {
            Wanted::Items(_) if shut_values > 0 => false,
            Wanted::Items(value) => state.slots[slot].supply[usize::from(value)] as usize > room + shut_out,
            Wanted::Values => {
                let repeats = self.largest(slot, min.saturating_sub(1) + shut_values);
                state.open > room + state.slots[slot].without + repeats + shut_out
            }
        }
    }
}

/// Whether what the blocks want up to `end` fits into the positions after `from`, each rule's later blocks at their rate.
fn fits(runs: &[(Block, usize, f64)], end: usize, from: usize) -> bool {
    let due = runs.iter().filter(|(run, ..)| run.end <= end);
    let wants: f64 = due.map(|(run, wants, rate)| *wants as f64 + rate * (end - run.end) as f64).sum();
    wants <= (end - from) as f64 - 1.0
}
