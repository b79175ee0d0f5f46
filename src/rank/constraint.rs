//! Hard rules on the slate, checked position by position against everything placed before, so they hold across pages.
//!
//! A constraint counts an item under one value per facet ([`Entry::facet`]: its heaviest topic, its creator, …). Items
//! without the facet never break a rule and never help a `min_distinct`.

use crate::{
    catalogue::{Entry, FacetCode, FacetCodes},
    domain::{
        feed::Relaxed,
        policy::{Constraint, MAX_CONSTRAINTS},
    },
};

/// A set of constraints by index; [`MAX_CONSTRAINTS`] fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken(u16);

const _: () = assert!(MAX_CONSTRAINTS <= 16);

impl Broken {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Whether every broken constraint is declared at or after `index`.
    pub fn only_from(self, index: usize) -> bool {
        u32::from(self.0) & ((1u32 << index) - 1) == 0
    }
    pub fn first(self) -> Option<u8> {
        (!self.is_empty()).then(|| self.0.trailing_zeros() as u8)
    }
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..16u8).filter(move |index| self.0 & (1 << index) != 0)
    }
    fn insert(&mut self, index: usize) {
        self.0 |= 1 << index;
    }
}

/// What is placed so far, as the constraints see it.
pub struct State<'a> {
    constraints: &'a [Constraint],
    /// Per constraint: the facet value at each position (`None`: no value, or an item that is gone).
    values: Vec<Vec<Option<FacetCode>>>,
    /// Per constraint: what it asks of the next position.
    demands: Vec<Demand>,
}

/// What a constraint asks of one position; made once, asked for every candidate.
enum Demand {
    /// None of these values.
    Not(Vec<FacetCode>),
    /// Broken by a value that stands in the block already (or none) if `old_breaks`, by a new one if `new_breaks`.
    New { in_block: Vec<FacetCode>, old_breaks: bool, new_breaks: bool },
}

impl<'a> State<'a> {
    pub fn new(constraints: &'a [Constraint]) -> Self {
        let constraints = &constraints[..constraints.len().min(MAX_CONSTRAINTS)];
        let demands = constraints.iter().map(|constraint| demand(constraint, &[])).collect();
        Self { constraints, values: vec![Vec::new(); constraints.len()], demands }
    }

    /// Appends the item at the next position.
    pub fn place(&mut self, entry: Option<&Entry>) {
        for (index, constraint) in self.constraints.iter().enumerate() {
            self.values[index].push(entry.and_then(|e| e.facet(constraint.facet())));
            self.demands[index] = demand(constraint, &self.values[index]);
        }
    }

    /// The constraints that placing `entry` next would break.
    pub fn broken_by(&self, entry: &Entry) -> Broken {
        let mut broken = Broken::default();
        for (index, (constraint, demand)) in self.constraints.iter().zip(&self.demands).enumerate() {
            if demand.is_broken_by(entry.facet(constraint.facet())) {
                broken.insert(index);
            }
        }
        broken
    }
}

impl Demand {
    fn is_broken_by(&self, next: Option<FacetCode>) -> bool {
        match self {
            Self::Not(values) => next.is_some_and(|code| values.contains(&code)),
            Self::New { in_block, old_breaks, new_breaks } => {
                let is_new = next.is_some_and(|code| !in_block.contains(&code));
                if is_new { *new_breaks } else { *old_breaks }
            }
        }
    }
}

/// What the constraint asks of position `values.len()`.
fn demand(constraint: &Constraint, values: &[Option<FacetCode>]) -> Demand {
    let last = |n: u32| values[values.len().saturating_sub(n as usize)..].iter().copied().flatten();
    match *constraint {
        Constraint::MaxShare { max, per, .. } => {
            let window: Vec<FacetCode> = last(per - 1).collect();
            let count = |code: &FacetCode| window.iter().filter(|other| *other == code).count();
            let mut full: Vec<FacetCode> = window.iter().copied().filter(|code| count(code) >= max as usize).collect();
            full.sort_unstable();
            full.dedup();
            Demand::Not(full)
        }
        Constraint::MinGap { gap, .. } => Demand::Not(last(gap).collect()),
        Constraint::MinDistinct { min, per, .. } => {
            let block = &values[values.len() - values.len() % per as usize..];
            let mut in_block: Vec<FacetCode> = block.iter().copied().flatten().collect();
            in_block.sort_unstable();
            in_block.dedup();
            // Broken when even new values at every position left in the block could not reach the minimum.
            let reachable = in_block.len() + per as usize - block.len() - 1;
            Demand::New { old_breaks: reachable < min as usize, new_breaks: reachable + 1 < min as usize, in_block }
        }
    }
}

pub struct Solver<'a> {
    state: State<'a>,
    entries: Vec<Option<&'a Entry>>,
    open: Vec<bool>,
    kept: usize,
    relaxed: Vec<Relaxed>,
    position: u32,
}

impl<'a> Solver<'a> {
    pub fn new(constraints: &'a [Constraint], _page_size: usize, entries: &[Option<&'a Entry>], _codes: &FacetCodes) -> Self {
        Self {
            state: State::new(constraints),
            entries: entries.to_vec(),
            open: entries.iter().map(Option::is_some).collect(),
            kept: 0,
            relaxed: vec![],
            position: 0,
        }
    }
    pub fn place(&mut self, index: Option<usize>) {
        if let Some(i) = index {
            self.open[i] = false;
        }
        self.state.place(index.and_then(|i| self.entries[i]));
        self.position += 1;
    }
    pub fn settle(&mut self) -> &[Relaxed] {
        self.relaxed.clear();
        for kept in (0..=self.state.constraints.len()).rev() {
            self.kept = kept;
            if (0..self.entries.len()).any(|i| self.open[i] && self.check(i).is_ok()) {
                break;
            }
        }
        &self.relaxed
    }
    pub fn check(&mut self, index: usize) -> Result<(), u8> {
        let broken = self.entries[index].map(|e| self.state.broken_by(e)).unwrap_or_default();
        if broken.only_from(self.kept) { Ok(()) } else { Err(broken.first().unwrap_or(0)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Facet;

    /// The rules as they read, over the whole list.
    fn breaks(constraint: &Constraint, values: &[Option<FacetCode>], next: Option<FacetCode>) -> bool {
        let last = |n: u32| &values[values.len().saturating_sub(n as usize)..];
        match *constraint {
            Constraint::MaxShare { max, per, .. } => next.is_some() && last(per - 1).iter().filter(|v| **v == next).count() >= max as usize,
            Constraint::MinGap { gap, .. } => next.is_some() && last(gap).contains(&next),
            Constraint::MinDistinct { min, per, .. } => {
                let block = &values[values.len() - values.len() % per as usize..];
                let distinct: std::collections::HashSet<_> = block.iter().chain([&next]).flatten().collect();
                distinct.len() + per as usize - block.len() - 1 < min as usize
            }
        }
    }

    proptest! {
        #[test]
        fn a_demand_is_the_rule(values in prop::collection::vec(prop::option::of(0u32..5), 0..30), next in prop::option::of(0u32..6), a in 1u32..5, b in 2u32..9) {
            let values: Vec<_> = values.into_iter().map(|v| v.map(FacetCode)).collect();
            let next = next.map(FacetCode);
            let facet = Facet::Topic;
            for constraint in [
                Constraint::MaxShare { facet, max: a, per: a + b },
                Constraint::MinGap { facet, gap: a },
                Constraint::MinDistinct { facet, min: a.min(b) + 1, per: b + 1 },
            ] {
                prop_assert_eq!(demand(&constraint, &values).is_broken_by(next), breaks(&constraint, &values, next), "{}", constraint);
            }
        }
    }
}
