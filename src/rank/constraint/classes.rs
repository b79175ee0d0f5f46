//! Candidates with the same values on the constrained facets are one class: what the search chooses among.

use super::{
    rule::{UNSEEN, Value},
    state::mix,
};
use crate::catalogue::NumberMap;

/// A candidate that is gone has none.
pub const NO_CLASS: u16 = u16::MAX;

/// The classes of a pool, numbered by their first candidate: the same however often it is made.
#[derive(Debug)]
pub struct Classes {
    width: usize,
    /// `width` values per class.
    rows: Vec<Value>,
    /// Open candidates per class.
    pub open: Vec<u32>,
    /// `width` numbers per class: its values but for that slot's.
    others: Vec<u64>,
}

impl Classes {
    fn empty(width: usize) -> Self {
        Self { width, rows: Vec::new(), open: Vec::new(), others: Vec::new() }
    }

    /// `rows`: `width` values per candidate; `open`: `None` for a candidate that is gone. Also the class of each candidate.
    pub fn new(width: usize, rows: &[Value], open: &[Option<bool>]) -> (Self, Vec<u16>) {
        let mut classes = Self::empty(width);
        let mut numbers = NumberMap::default();
        let class = |(index, open): (usize, &Option<bool>)| {
            let Some(is_open) = *open else { return NO_CLASS };
            let class = classes.number(&mut numbers, &rows[index * width..(index + 1) * width]);
            classes.open[usize::from(class)] += u32::from(is_open);
            class
        };
        let of = open.iter().enumerate().map(class).collect();
        (classes, of)
    }

    /// As a search sees them that looks only at the slots of `seen` (one bit each). Also what each class becomes.
    pub fn seen_through(&self, seen: u32) -> (Self, Vec<u16>) {
        let mut groups = Self::empty(self.width);
        let mut numbers = NumberMap::default();
        let mut row = vec![UNSEEN; self.width];
        let group = |class: usize| {
            for (slot, value) in self.row(class as u16).iter().enumerate() {
                row[slot] = if seen >> slot & 1 == 1 { *value } else { UNSEEN };
            }
            let group = groups.number(&mut numbers, &row);
            groups.open[usize::from(group)] += self.open[class];
            group
        };
        let to = (0..self.len()).map(group).collect();
        (groups, to)
    }

    fn number(&mut self, numbers: &mut NumberMap<Vec<Value>, u16>, row: &[Value]) -> u16 {
        if let Some(number) = numbers.get(row) {
            return *number;
        }
        let number = self.open.len() as u16;
        numbers.insert(row.to_vec(), number);
        self.rows.extend(row);
        self.open.push(0);
        for slot in 0..self.width {
            let masked = row.iter().enumerate().map(|(at, value)| if at == slot { UNSEEN } else { *value });
            self.others.push(masked.fold(slot as u64, |hash, value| mix(hash ^ u64::from(value))));
        }
        number
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn row(&self, class: u16) -> &[Value] {
        let at = usize::from(class) * self.width;
        &self.rows[at..at + self.width]
    }

    /// A number for the class's values but for `slot`'s.
    pub fn others(&self, class: u16, slot: usize) -> u64 {
        self.others[usize::from(class) * self.width + slot]
    }
}
