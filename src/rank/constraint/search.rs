//! Depth-first search for a way to fill a horizon within limits.
//!
//! A branch ends where counting shows that a limit cannot be kept, or where a state like it has failed before. Of classes
//! that differ only in values that nothing tells apart (same supply with the same partners, not placed lately, named by no
//! constraint) one is tried. Each state costs one node of the budget; a search that ends within it is exact.

use std::{cmp::Reverse, collections::HashSet};

use super::{
    classes::Classes,
    rule::{Bound, NO_LIMIT, PerRule, UNSEEN, Wanted},
    state::{Horizon, State, mix},
};

/// How much each constraint may be broken: positions for upper bounds, missing items or values for lower bounds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Over the horizon.
    pub total: PerRule,
    /// At the horizon's first position; for lower bounds in the block it stands in.
    pub here: PerRule,
}

#[derive(Debug)]
pub enum Outcome {
    /// A class for each position of the horizon.
    Found(Vec<u16>),
    Impossible,
    OutOfBudget,
}

impl Limits {
    pub const NONE: Self = Self { total: [NO_LIMIT; _], here: [NO_LIMIT; _] };

    pub fn binds(&self, rule: usize) -> bool {
        self.total[rule] != NO_LIMIT || self.here[rule] != NO_LIMIT
    }
}

pub struct Search<'a> {
    state: &'a mut State,
    classes: &'a Classes,
    horizon: Horizon,
    limits: Limits,
    /// Constraints that bind.
    rules: Vec<usize>,
    /// Slots they look at.
    slots: Vec<usize>,
    open: Vec<u32>,
    spent: PerRule,
    /// Per slot and value: which classes have it and how many are open.
    partners: Vec<Vec<u64>>,
    /// A number for `open`.
    left: u64,
    /// The way found, last position first.
    path: Vec<u16>,
    failed: HashSet<u64>,
    pub nodes: usize,
}

struct OutOfBudget;

impl<'a> Search<'a> {
    /// `nodes`: the budget.
    pub fn new(state: &'a mut State, classes: &'a Classes, horizon: Horizon, limits: Limits, nodes: usize) -> Self {
        let rules: Vec<usize> = (0..state.rules.len()).filter(|rule| limits.binds(*rule)).collect();
        let mut slots: Vec<usize> = rules.iter().map(|rule| state.rules[*rule].slot).collect();
        slots.sort_unstable();
        slots.dedup();
        let partners = state.slots.iter().map(|slot| vec![0; slot.supply.len()]).collect();
        let spent = [0; _];
        let (open, path) = (vec![0; classes.len()], Vec::new());
        let mut search =
            Self { state, classes, horizon, limits, rules, slots, open, spent, partners, left: 0, path, failed: HashSet::new(), nodes };
        for class in 0..classes.len() {
            search.set_open(class as u16, classes.open[class]);
        }
        search
    }

    /// Fills the horizon, beginning with `first` if it is given.
    pub fn run(&mut self, first: Option<u16>) -> Outcome {
        self.path.clear();
        let found = match first {
            Some(class) => self.follow(class),
            None => self.descend(),
        };
        match found {
            Ok(true) => Outcome::Found(self.path.iter().rev().copied().collect()),
            Ok(false) => Outcome::Impossible,
            Err(OutOfBudget) => Outcome::OutOfBudget,
        }
    }

    fn descend(&mut self) -> Result<bool, OutOfBudget> {
        if self.is_hopeless() {
            return Ok(false);
        }
        if self.state.position() >= self.horizon.end {
            return Ok(true);
        }
        self.nodes = self.nodes.checked_sub(1).ok_or(OutOfBudget)?;
        let key = self.key();
        if self.failed.contains(&key) {
            return Ok(false);
        }
        for class in self.options() {
            if self.follow(class)? {
                return Ok(true);
            }
        }
        self.failed.insert(key);
        Ok(false)
    }

    /// Whether the horizon can be filled with `class` at the next position. Leaves the state as it was.
    fn follow(&mut self, class: u16) -> Result<bool, OutOfBudget> {
        let spent = self.spent;
        let is_within = self.put(class);
        let found = if is_within { self.descend() } else { Ok(false) };
        self.state.pop();
        self.set_open(class, self.open[usize::from(class)] + 1);
        self.spent = spent;
        if matches!(found, Ok(true)) {
            self.path.push(class);
        }
        found
    }

    /// Places one of `class`; whether the limits still hold.
    fn put(&mut self, class: u16) -> bool {
        let row = self.classes.row(class);
        let mut is_within = true;
        let is_first = self.state.position() == self.horizon.from;
        for &rule in &self.rules {
            if self.state.breaks(rule, row) {
                self.spent[rule] += 1;
                is_within &= self.spent[rule] <= self.limits.total[rule] && !(is_first && self.limits.here[rule] == 0);
            }
        }
        self.state.push(row, true);
        self.set_open(class, self.open[usize::from(class)] - 1);
        for &rule in &self.rules {
            if let Some((block, missing)) = self.state.closed(rule, self.horizon.feed_end) {
                self.spent[rule] += missing;
                is_within &= self.spent[rule] <= self.limits.total[rule];
                is_within &= block.start > self.horizon.from || missing <= self.limits.here[rule];
            }
        }
        is_within
    }

    /// Keeps the numbers that stand for what is open.
    fn set_open(&mut self, class: u16, count: u32) {
        let open = &mut self.open[usize::from(class)];
        let number = |seed: u64, count: u32| if count == 0 { 0 } else { mix(seed ^ mix(u64::from(count))) };
        let seed = mix(u64::from(class));
        self.left = self.left.wrapping_sub(number(seed, *open)).wrapping_add(number(seed, count));
        for &slot in &self.slots {
            let value = usize::from(self.classes.row(class)[slot]);
            if let Some(partners) = self.partners[slot].get_mut(value) {
                let seed = self.classes.others(class, slot);
                *partners = partners.wrapping_sub(number(seed, *open)).wrapping_add(number(seed, count));
            }
        }
        *open = count;
    }

    /// Whether counting alone shows that a limit cannot be kept.
    fn is_hopeless(&self) -> bool {
        self.rules.iter().any(|&rule| {
            let (total, spent) = (self.limits.total[rule], self.spent[rule]);
            if self.state.rules[rule].is_lower() {
                let owed = self.state.owed(rule, self.horizon);
                owed.here > self.limits.here[rule] || spent + owed.total > total
            } else {
                total != NO_LIMIT && spent + self.state.crowding(rule, self.horizon.end) > total
            }
        })
    }

    fn key(&self) -> u64 {
        let mut key = mix(self.state.position() as u64) ^ self.left;
        let mut add = |number: u64| key = mix(key ^ number);
        self.rules.iter().filter(|rule| self.limits.total[**rule] != NO_LIMIT).for_each(|rule| add(u64::from(self.spent[*rule])));
        self.state.fingerprint(&self.rules, self.horizon.feed_end, &mut add);
        key
    }

    /// The open classes that may stand next, the likeliest first: breaking least, meeting the most urgent need, of the
    /// most frequent value (what is frequent is hardest to space out later).
    fn options(&self) -> Vec<u16> {
        let needs: Vec<(usize, u32)> = self.rules.iter().filter_map(|&rule| Some((rule, self.urgency(rule)?))).collect();
        let since: Vec<usize> = self.slots.iter().map(|slot| self.remembered_since(*slot)).collect();
        let is_first = self.state.position() == self.horizon.from;
        let mut alike: HashSet<(usize, u64, u64)> = HashSet::new();
        let mut options = Vec::new();
        for class in (0..self.classes.len() as u16).filter(|class| self.open[usize::from(*class)] > 0) {
            let row = self.classes.row(class);
            let (mut breaks, mut frequency, mut is_out) = (0u32, 0, false);
            for &rule in self.rules.iter().filter(|rule| !self.state.rules[**rule].is_lower()) {
                let slot = self.state.rules[rule].slot;
                frequency = frequency.max(self.state.slots[slot].supply.get(usize::from(row[slot])).copied().unwrap_or(0));
                if self.state.breaks(rule, row) {
                    breaks += 1;
                    is_out |= self.spent[rule] >= self.limits.total[rule] || (is_first && self.limits.here[rule] == 0);
                }
            }
            if is_out || self.is_alike(class, &since, &mut alike) {
                continue;
            }
            let meets: u32 = needs.iter().filter(|(rule, _)| self.meets(*rule, class)).map(|(_, urgency)| urgency).sum();
            options.push((breaks, Reverse(meets), Reverse(frequency), class));
        }
        options.sort_unstable();
        options.into_iter().map(|(.., class)| class).collect()
    }

    /// How urgent a lower bound's block is that holds the next position, if it wants anything.
    fn urgency(&self, rule: usize) -> Option<u32> {
        let position = self.state.position();
        let block = self.state.rules[rule].block_at(position, self.horizon.feed_end)?;
        let wants = block.min.checked_sub(self.state.count(rule, block)).filter(|wants| *wants > 0)?;
        let slack = (block.end - position).saturating_sub(wants) as u32;
        Some(100u32.checked_div(slack).map_or(1_000, |urgency| urgency + 1))
    }

    /// Whether an item of `class` counts for a lower bound.
    fn meets(&self, rule: usize, class: u16) -> bool {
        let (position, rule) = (self.state.position(), &self.state.rules[rule]);
        let value = self.classes.row(class)[rule.slot];
        match rule.bound {
            Bound::AtLeast { wanted: Wanted::Items(wanted), .. } => value == wanted,
            Bound::AtLeast { wanted: Wanted::Values, .. } => {
                let start = rule.block_at(position, self.horizon.feed_end).map_or(position, |block| block.start);
                value < UNSEEN && !self.state.slots[rule.slot].is_placed_since(value, start)
            }
            Bound::AtMost { .. } => false,
        }
    }

    /// Where a value must stand to matter to a constraint still.
    fn remembered_since(&self, slot: usize) -> usize {
        let position = self.state.position();
        let rules = self.rules.iter().map(|rule| &self.state.rules[*rule]).filter(|rule| rule.slot == slot);
        let since = rules.map(|rule| match rule.bound {
            Bound::AtMost { before, .. } => position.saturating_sub(before),
            Bound::AtLeast { .. } => rule.block_at(position, self.horizon.feed_end).map_or(position, |block| block.start),
        });
        since.min().unwrap_or(position)
    }

    /// Whether a class before it leads to the same: exchanging one value for another turns each into the other.
    fn is_alike(&self, class: u16, since: &[usize], alike: &mut HashSet<(usize, u64, u64)>) -> bool {
        let mut is_alike = false;
        for (&slot, &since) in self.slots.iter().zip(since) {
            let value = self.classes.row(class)[slot];
            let is_named =
                self.rules.iter().any(|rule| self.state.rules[*rule].slot == slot && self.state.rules[*rule].named() == Some(value));
            if value >= UNSEEN || is_named || self.state.slots[slot].is_placed_since(value, since) {
                continue;
            }
            let key = (slot, self.partners[slot][usize::from(value)], self.classes.others(class, slot));
            is_alike |= !alike.insert(key);
        }
        is_alike
    }
}
