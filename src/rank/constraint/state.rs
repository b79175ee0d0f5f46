//! What is placed and what is open, as the rules see it: an item goes on and comes off again at the cost of its rules.

use super::rule::{Block, Bound, NO_VALUE, Rule, UNSEEN, Value, Wanted};

/// Positions placed so far, and the candidates that are left.
#[derive(Debug)]
pub struct State {
    pub rules: Vec<Rule>,
    pub slots: Vec<Slot>,
    /// Candidates not placed.
    pub open: usize,
    position: usize,
    /// Per upper bound and value: how many stand in the positions before that it looks at.
    window: Vec<Vec<u16>>,
    /// Per lower bound and position: how many items before it counted.
    reached: Vec<Vec<u32>>,
}

/// One constrained facet.
#[derive(Debug)]
pub struct Slot {
    /// Per position.
    placed: Vec<Value>,
    /// Per value: 1 + the last position it stands at; 0: nowhere.
    last: Vec<u32>,
    /// Per position: `last` of its value before it was placed.
    last_before: Vec<u32>,
    /// Open candidates per value.
    pub supply: Vec<u32>,
    /// Values with an open candidate.
    pub various: usize,
    /// Open candidates without a value.
    pub without: usize,
}

/// What a lower bound must miss from here on, whatever is placed: less than the truth perhaps, never more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Owed {
    /// In the block that holds the position asked about.
    pub here: u32,
    /// In every block that counts.
    pub total: u32,
}

/// Where a lookahead begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// The position to decide.
    pub from: usize,
    /// Positions below this are filled.
    pub end: usize,
    /// The pool is used up here.
    pub feed_end: usize,
}

impl Slot {
    /// `values`: how many different values there are.
    pub fn new(values: usize) -> Self {
        Self { placed: Vec::new(), last: vec![0; values], last_before: Vec::new(), supply: vec![0; values], various: 0, without: 0 }
    }

    pub fn add_open(&mut self, value: Value) {
        match self.supply.get_mut(usize::from(value)) {
            Some(supply) => {
                self.various += usize::from(*supply == 0);
                *supply += 1;
            }
            None if value == NO_VALUE => self.without += 1,
            None => {}
        }
    }

    fn remove_open(&mut self, value: Value) {
        match self.supply.get_mut(usize::from(value)) {
            Some(supply) => {
                *supply -= 1;
                self.various -= usize::from(*supply == 0);
            }
            None if value == NO_VALUE => self.without -= 1,
            None => {}
        }
    }

    /// Whether the value stands at or after `position`.
    pub fn is_placed_since(&self, value: Value, position: usize) -> bool {
        self.last[usize::from(value)] as usize > position
    }

    pub fn at(&self, position: usize) -> Value {
        self.placed[position]
    }
}

impl State {
    pub fn new(rules: Vec<Rule>, slots: Vec<Slot>, open: usize) -> Self {
        let window = rules.iter().map(|rule| if rule.is_lower() { Vec::new() } else { vec![0; slots[rule.slot].supply.len()] }).collect();
        let reached = rules.iter().map(|rule| if rule.is_lower() { vec![0] } else { Vec::new() }).collect();
        Self { rules, slots, open, position: 0, window, reached }
    }

    /// The next position.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Puts an item with one value per slot at the next position; `was_open`: it was an open candidate.
    pub fn push(&mut self, row: &[Value], was_open: bool) {
        let position = self.position;
        for (index, rule) in self.rules.iter().enumerate() {
            let slot = &self.slots[rule.slot];
            let value = row[rule.slot];
            match rule.bound {
                Bound::AtMost { before, .. } => {
                    if let Some(count) = self.window[index].get_mut(usize::from(value)) {
                        *count += 1;
                    }
                    if position >= before
                        && let Some(count) = self.window[index].get_mut(usize::from(slot.at(position - before)))
                    {
                        *count -= 1;
                    }
                }
                Bound::AtLeast { wanted, .. } => {
                    let counts = match wanted {
                        Wanted::Items(wanted) => value == wanted,
                        Wanted::Values => value < UNSEEN && !slot.is_placed_since(value, self.block_start(index)),
                    };
                    let so_far = self.reached[index][position];
                    self.reached[index].push(so_far + u32::from(counts));
                }
            }
        }
        for (slot, value) in self.slots.iter_mut().zip(row) {
            slot.placed.push(*value);
            let last = slot.last.get_mut(usize::from(*value));
            slot.last_before.push(last.as_ref().map_or(0, |last| **last));
            if let Some(last) = last {
                *last = position as u32 + 1;
            }
            if was_open {
                slot.remove_open(*value);
            }
        }
        self.open -= usize::from(was_open);
        self.position += 1;
    }

    /// Takes back the last [`Self::push`] of an open candidate.
    pub fn pop(&mut self) {
        let Some(position) = self.position.checked_sub(1) else { return };
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.bound {
                Bound::AtMost { before, .. } => {
                    let slot = &self.slots[rule.slot];
                    if position >= before
                        && let Some(count) = self.window[index].get_mut(usize::from(slot.at(position - before)))
                    {
                        *count += 1;
                    }
                    if let Some(count) = self.window[index].get_mut(usize::from(slot.at(position))) {
                        *count -= 1;
                    }
                }
                Bound::AtLeast { .. } => drop(self.reached[index].pop()),
            }
        }
        for slot in &mut self.slots {
            let (value, before) = (slot.placed.pop().unwrap_or(NO_VALUE), slot.last_before.pop().unwrap_or(0));
            if let Some(last) = slot.last.get_mut(usize::from(value)) {
                *last = before;
            }
            slot.add_open(value);
        }
        self.open += 1;
        self.position = position;
    }

    fn block_start(&self, rule: usize) -> usize {
        match self.rules[rule].block_at(self.position, usize::MAX) {
            Some(block) => block.start,
            None => self.position,
        }
    }

    /// Whether this upper bound is broken by an item with these values at the next position.
    pub fn breaks(&self, rule: usize, row: &[Value]) -> bool {
        let Rule { slot, top, bound: Bound::AtMost { max, only, .. } } = self.rules[rule] else { return false };
        let value = row[slot];
        self.position < top
            && only.is_none_or(|only| only == value)
            && self.window[rule].get(usize::from(value)).is_some_and(|count| usize::from(*count) >= max)
    }

    /// How many a lower bound counted in a block.
    pub fn count(&self, rule: usize, block: Block) -> usize {
        let reached = &self.reached[rule];
        let at = |position: usize| reached.get(position).or(reached.last()).copied().unwrap_or(0);
        (at(block.end) - at(block.start)) as usize
    }

    /// What a lower bound misses in the block that the last position completed, with the block.
    pub fn closed(&self, rule: usize, feed_end: usize) -> Option<(Block, u32)> {
        let block = self.rules[rule].block_at(self.position.checked_sub(1)?, feed_end)?;
        (block.end == self.position).then(|| (block, block.min.saturating_sub(self.count(rule, block)) as u32))
    }

    /// The blocks of a lower bound that are not complete and start before `horizon.end`; pins wherever they are.
    pub fn blocks(&self, rule: usize, horizon: Horizon) -> impl Iterator<Item = Block> {
        let rule = &self.rules[rule];
        let begun = rule.block_at(self.position, horizon.feed_end).filter(|block| block.start < self.position);
        let next = move |from: usize| rule.block_from(from, horizon.end, horizon.feed_end);
        begun.into_iter().chain(std::iter::successors(next(self.position), move |block| next(block.end)))
    }

    /// What a lower bound must miss: by the positions and the supply that are left, each of its blocks by itself, and by
    /// the supply for all of them. Exact at the horizon's end.
    pub fn owed(&self, rule: usize, horizon: Horizon) -> Owed {
        let Rule { slot, bound: Bound::AtLeast { wanted, .. }, .. } = self.rules[rule] else { return Owed::default() };
        let slot = &self.slots[slot];
        let (mut owed, mut wants) = (Owed::default(), 0);
        for block in self.blocks(rule, horizon) {
            let wants_here = block.min - self.count(rule, block).min(block.min);
            if wants_here == 0 {
                continue;
            }
            let room = block.end - self.position.max(block.start);
            let supply = match wanted {
                Wanted::Items(value) => slot.supply[usize::from(value)] as usize,
                Wanted::Values => slot.various - self.still_open(rule, block),
            };
            let missing = wants_here.saturating_sub(room.min(supply)) as u32;
            if block.start <= horizon.from && horizon.from < block.end {
                owed.here = missing;
            }
            owed.total += missing;
            wants += wants_here;
        }
        if let Wanted::Items(value) = wanted {
            owed.total = owed.total.max((wants as u32).saturating_sub(slot.supply[usize::from(value)]));
        }
        owed
    }

    /// Values that the block has already and that open candidates have too.
    fn still_open(&self, rule: usize, block: Block) -> usize {
        let slot = &self.slots[self.rules[rule].slot];
        let first_here = |position: &usize| self.reached[rule][position + 1] > self.reached[rule][*position];
        let has_supply = |position: &usize| slot.supply[usize::from(slot.at(*position))] > 0;
        (block.start..self.position.max(block.start)).filter(first_here).filter(has_supply).count()
    }

    /// How often an upper bound must be broken before `end`: by the positions to fill and how many items of each value
    /// any run of that length takes.
    pub fn crowding(&self, rule: usize, end: usize) -> u32 {
        let Rule { slot, top, bound: Bound::AtMost { max, before, only } } = self.rules[rule] else { return 0 };
        let room = end.min(top).saturating_sub(self.position);
        let per = before + 1;
        let takes = room / per * max + max.min(room % per);
        let slot = &self.slots[slot];
        let fits = |supply: &u32| (*supply as usize).min(takes);
        let able = match only {
            Some(value) => {
                let supply = &slot.supply[usize::from(value)];
                self.open - *supply as usize + fits(supply)
            }
            None => slot.without + slot.supply.iter().map(fits).sum::<usize>(),
        };
        room.saturating_sub(able) as u32
    }

    /// What of the placed positions still matters to these rules, as numbers: two states with the same open candidates at
    /// the same position and the same numbers can be continued in the same ways.
    pub fn fingerprint(&self, rules: &[usize], feed_end: usize, mut visit: impl FnMut(u64)) {
        for &index in rules {
            let rule = &self.rules[index];
            let slot = &self.slots[rule.slot];
            // What has no open candidate cannot come again: where it stands does not matter.
            let open = |position: usize| {
                let value = slot.at(position);
                let is_open = slot.supply.get(usize::from(value)).is_some_and(|supply| *supply > 0);
                u64::from(if is_open { value } else { NO_VALUE })
            };
            match rule.bound {
                Bound::AtMost { before, .. } => (self.position.saturating_sub(before)..self.position).map(open).for_each(&mut visit),
                Bound::AtLeast { wanted, .. } => {
                    let Some(block) = rule.block_at(self.position, feed_end) else { continue };
                    visit(self.count(index, block) as u64);
                    if wanted == Wanted::Values {
                        let first_here = |position: &usize| self.reached[index][position + 1] > self.reached[index][*position];
                        let values = (block.start..self.position).filter(first_here).map(open);
                        // A sum: the order in which a block got its values does not matter.
                        visit(values.fold(0, |sum: u64, value| sum.wrapping_add(mix(value))));
                    }
                }
            }
        }
    }
}

/// Spreads a number over all 64 bits (the finaliser of SplitMix64: Steele, Lea, Flood 2014).
pub const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
