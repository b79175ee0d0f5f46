//! Hard rules on the slate, checked position by position against everything placed before, so they hold across pages.
//!
//! A constraint counts an item under one value per facet ([`Entry::facet`]: its heaviest topic, its creator, …). Items
//! without the facet never break a rule and never help a `min_distinct`.

use std::collections::HashSet;

use crate::{
    catalogue::{Entry, FacetCode},
    domain::policy::{Constraint, MAX_CONSTRAINTS},
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
}

impl<'a> State<'a> {
    pub fn new(constraints: &'a [Constraint]) -> Self {
        let constraints = &constraints[..constraints.len().min(MAX_CONSTRAINTS)];
        Self { constraints, values: vec![Vec::new(); constraints.len()] }
    }

    /// Appends the item at the next position.
    pub fn place(&mut self, entry: Option<&Entry>) {
        for (constraint, values) in self.constraints.iter().zip(&mut self.values) {
            values.push(entry.and_then(|e| e.facet(constraint.facet())));
        }
    }

    /// The constraints that placing `entry` next would break.
    pub fn broken_by(&self, entry: &Entry) -> Broken {
        let mut broken = Broken::default();
        for (index, (constraint, values)) in self.constraints.iter().zip(&self.values).enumerate() {
            if breaks(constraint, values, entry.facet(constraint.facet())) {
                broken.insert(index);
            }
        }
        broken
    }
}

/// Whether `next` at position `values.len()` breaks the constraint.
fn breaks(constraint: &Constraint, values: &[Option<FacetCode>], next: Option<FacetCode>) -> bool {
    let last = |n: u32| &values[values.len().saturating_sub(n as usize)..];
    match *constraint {
        Constraint::MaxShare { max, per, .. } => {
            next.is_some() && last(per - 1).iter().filter(|value| **value == next).count() >= max as usize
        }
        Constraint::MinGap { gap, .. } => next.is_some() && last(gap).contains(&next),
        Constraint::MinDistinct { min, per, .. } => {
            let block = &values[values.len() - values.len() % per as usize..];
            let mut distinct: HashSet<FacetCode> = block.iter().copied().flatten().collect();
            let open_after = per as usize - block.len() - 1;
            distinct.extend(next);
            // Broken when even new values at every open position of the block could not reach the minimum.
            distinct.len() + open_after < min as usize
        }
    }
}
