//! Constraints in the form the solver works with: two kinds of bounds over small numbers instead of facet values.

use crate::domain::policy::{Constraint, MAX_CONSTRAINTS};

/// A facet value, numbered per slot. Real numbers are below [`UNSEEN`].
pub type Value = u16;
/// The item has no value of this facet.
pub const NO_VALUE: Value = u16::MAX;
/// The search at hand does not look at this facet.
pub const UNSEEN: Value = u16::MAX - 1;

/// One number per constraint.
pub type PerRule = [u32; MAX_CONSTRAINTS];
/// In a [`PerRule`] of limits: the constraint is given up.
pub const NO_LIMIT: u32 = u32::MAX;

/// A constraint, resolved.
#[derive(Debug)]
pub struct Rule {
    /// Which of the constrained facets it looks at.
    pub slot: usize,
    /// It binds at positions below this.
    pub top: usize,
    pub bound: Bound,
}

#[derive(Debug)]
pub enum Bound {
    /// Broken by an item when `max` of its value stand in the `before` positions before it; `only`: by that value alone.
    AtMost { max: usize, before: usize, only: Option<Value> },
    /// Every block holds at least `min` of what is wanted.
    AtLeast { wanted: Wanted, min: usize, blocks: Blocks },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Items of this value.
    Items(Value),
    /// Different values.
    Values,
}

#[derive(Clone, Copy, Debug)]
pub enum Blocks {
    /// `[0, n)`, `[n, 2n)`, …
    Every(usize),
    /// One block of one position.
    At(usize),
}

/// Positions `start..end` that must hold `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub start: usize,
    pub end: usize,
    pub min: usize,
}

impl Rule {
    /// `value` is the number of the constraint's named value, [`NO_VALUE`] when it names none.
    pub fn new(constraint: &Constraint, slot: usize, value: Value) -> Self {
        let bound = match *constraint {
            Constraint::MaxShare { max, per, .. } => {
                let only = (value != NO_VALUE).then_some(value);
                Bound::AtMost { max: max as usize, before: per.saturating_sub(1).max(1) as usize, only }
            }
            // Numbered in a slot of its own: its topics are one value there.
            Constraint::Cap { max, per, .. } => {
                Bound::AtMost { max: max as usize, before: per.saturating_sub(1).max(1) as usize, only: Some(value) }
            }
            Constraint::MinGap { gap, .. } => Bound::AtMost { max: 1, before: gap.max(1) as usize, only: None },
            Constraint::MinShare { min, per, .. } => {
                Bound::AtLeast { wanted: Wanted::Items(value), min: min as usize, blocks: Blocks::Every(per.max(1) as usize) }
            }
            Constraint::MinDistinct { min, per, .. } => {
                Bound::AtLeast { wanted: Wanted::Values, min: min as usize, blocks: Blocks::Every(per.max(1) as usize) }
            }
            Constraint::Pin { position, .. } => {
                Bound::AtLeast { wanted: Wanted::Items(value), min: 1, blocks: Blocks::At(position as usize) }
            }
        };
        Self { slot, top: constraint.top().map_or(usize::MAX, |top| top as usize), bound }
    }

    /// Of a constraint that the reader lifted: one position before cannot hold two items, so nothing ever breaks it.
    pub fn lifted(slot: usize) -> Self {
        Self { slot, top: 0, bound: Bound::AtMost { max: 2, before: 1, only: None } }
    }

    pub fn is_lower(&self) -> bool {
        matches!(self.bound, Bound::AtLeast { .. })
    }

    /// The value that other values of the facet cannot stand in for.
    pub fn named(&self) -> Option<Value> {
        match self.bound {
            Bound::AtMost { only, .. } => only,
            Bound::AtLeast { wanted: Wanted::Items(value), .. } => Some(value),
            Bound::AtLeast { wanted: Wanted::Values, .. } => None,
        }
    }

    /// A lower bound's block with `position` in it, if it binds. The feed ends before `feed_end`: a block it cuts short
    /// asks for no more than it has positions.
    pub fn block_at(&self, position: usize, feed_end: usize) -> Option<Block> {
        let Bound::AtLeast { min, blocks, .. } = self.bound else { return None };
        let (start, whole) = match blocks {
            Blocks::Every(per) => (position - position % per, per),
            Blocks::At(at) if at == position => (at, 1),
            Blocks::At(_) => return None,
        };
        if start + whole > self.top || position >= feed_end {
            return None;
        }
        let end = feed_end.min(start + whole);
        Some(Block { start, end, min: min.min(end - start) })
    }

    /// The next block that starts at or after `position`, if it starts before `end`.
    pub fn block_from(&self, position: usize, end: usize, feed_end: usize) -> Option<Block> {
        let Bound::AtLeast { blocks, .. } = self.bound else { return None };
        let start = match blocks {
            Blocks::Every(per) => position.next_multiple_of(per),
            Blocks::At(at) if at >= position => at,
            Blocks::At(_) => return None,
        };
        // A pin is kept in reach from wherever one looks.
        if start >= end && !matches!(blocks, Blocks::At(_)) { None } else { self.block_at(start, feed_end) }
    }
}
