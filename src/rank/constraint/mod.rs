//! Hard rules on the slate: every one held wherever that is possible, and otherwise the least broken in declared order.
//!
//! # What is guaranteed
//!
//! Positions come in runs of `page_size`, wherever a request cuts its pages. Before each position the solver looks ahead
//! to the end of the run (or of the pool): the *horizon*. Among all ways to fill it from the open candidates, take those
//! that break constraint 0 least, of these those that break constraint 1 least, and so on; upper bounds (`max_share`,
//! `min_gap`) are counted in positions that break them, lower bounds (`min_share`, `min_distinct`, `pin`) in items or values
//! missing from their blocks. The solver admits exactly the candidates with which such a way begins. So, **if the horizon
//! can be filled with every constraint held, it is, whichever admitted candidate is taken each time**; if not, the
//! lexicographic minimum is reached. Of the ways left, those are taken that spare the block at hand, then the position.
//!
//! Of a block that ends beyond the horizon (and of a pin beyond it) what is promised is less: by the positions and the
//! supply left at the horizon's end it can still be met, this rule by itself. Upper bounds are not looked at beyond it. A
//! last block that the pool cannot fill asks for at most as many as it has positions.
//!
//! This is exact as long as the search ends within its budget (`plan.rs`); where it does not, the constraint in
//! question is given up for the horizon, broken no more than the positions at hand demand, and what is reported says
//! `budget`. A budget that ends while it is asked which candidates may stand costs choice only: what is admitted keeps
//! the guarantee.
//!
//! An item counts under one value per facet ([`Entry::facet`]: its heaviest topic, its creator, …). One without the facet
//! never breaks an upper bound and never helps a lower one. A `cap` counts an item under any of its topics, as one value.
//!
//! # How
//!
//! `slack` shows in a few comparisons that nothing can get stuck: the usual case, where a candidate is only held to the
//! upper bounds. Otherwise `plan` finds the least that must be broken by `search` over classes of candidates.

mod classes;
#[cfg(test)]
mod examples;
mod plan;
mod rule;
mod search;
mod slack;
mod state;
#[cfg(test)]
mod tests;

use crate::{
    catalogue::{Entry, FacetCode, FacetCodes, NumberMap},
    domain::{
        Facet, FacetValue,
        feed::Relaxed,
        policy::{Constraint, MAX_CONSTRAINTS},
    },
};
use classes::{Classes, NO_CLASS};
use plan::{Plan, Planner};
use rule::{NO_VALUE, PerRule, Rule, UNSEEN, Value};
use slack::Slack;
use state::{Horizon, Slot, State};

// One bit per constraint.
const _: () = assert!(MAX_CONSTRAINTS <= u32::BITS as usize);

/// Says which candidates may stand at the next position. See the module for what it guarantees.
#[derive(Debug)]
pub struct Solver {
    page_size: usize,
    /// One value per slot and candidate.
    rows: Vec<Value>,
    /// Per candidate: whether it is open; `None`: gone.
    open: Vec<Option<bool>>,
    state: State,
    slack: Slack,
    /// Made when the first search needs them: of the pool, and the class of each candidate.
    classes: Option<(Classes, Vec<u16>)>,
    /// Placed in this run of positions before it was first asked to settle.
    replayed: Vec<Option<usize>>,
    is_settled: bool,
    /// `None` where nothing can get stuck.
    plan: Option<Plan>,
    relaxed: Vec<Relaxed>,
    /// Per lower bound: the start of the block at hand and what is known to miss from it.
    missing: Vec<(usize, u32)>,
}

impl Solver {
    /// `entries[i]`: pool candidate `i`; `None` when it is gone or not allowed, and so never open. `page_size`: the
    /// policy's, 1 or more. `lifts_caps`: the reader lifted the caps that let them. Looks at the first [`MAX_CONSTRAINTS`] constraints.
    pub fn new(constraints: &[Constraint], lifts_caps: bool, page_size: usize, entries: &[Option<&Entry>], codes: &FacetCodes) -> Self {
        let constraints = &constraints[..constraints.len().min(MAX_CONSTRAINTS)];
        let mut aspects: Vec<Aspect> = Vec::new();
        constraints.iter().map(Aspect::of).for_each(|aspect| {
            if !aspects.contains(&aspect) {
                aspects.push(aspect);
            }
        });
        let mut rows = vec![NO_VALUE; entries.len() * aspects.len()];
        let mut rules: Vec<Option<Rule>> = constraints.iter().map(|_| None).collect();
        let mut slots = Vec::new();
        for (slot, aspect) in aspects.iter().enumerate() {
            let mut numbers = Numbers::default();
            if matches!(aspect, Aspect::Any(_)) {
                numbers.next = GROUP + 1;
            }
            for (index, constraint) in constraints.iter().enumerate().filter(|(_, constraint)| Aspect::of(constraint) == *aspect) {
                let rule = match (aspect, constraint) {
                    (_, Constraint::Cap { liftable: true, .. }) if lifts_caps => Rule::lifted(slot),
                    (Aspect::Any(_), _) => Rule::new(constraint, slot, GROUP),
                    (Aspect::Facet(facet), _) => {
                        let named = constraint.value().map_or(NO_VALUE, |value| numbers.named(codes.get(*facet, value)));
                        Rule::new(constraint, slot, named)
                    }
                };
                rules[index] = Some(rule);
            }
            let group: Vec<FacetCode> = match aspect {
                Aspect::Any(topics) => topics.iter().filter_map(|topic| codes.get(Facet::Topic, topic)).collect(),
                Aspect::Facet(_) => Vec::new(),
            };
            let mut value = |entry: &Entry| match aspect {
                Aspect::Facet(facet) => entry.facet(*facet).map(|code| numbers.of(code)),
                Aspect::Any(_) => entry.topics.iter().any(|(code, _)| group.contains(code)).then_some(GROUP),
            };
            for (index, entry) in entries.iter().enumerate() {
                rows[index * aspects.len() + slot] = entry.and_then(&mut value).unwrap_or(NO_VALUE);
            }
            let mut counts = Slot::new(usize::from(numbers.next));
            let present = entries.iter().enumerate().filter(|(_, entry)| entry.is_some());
            present.for_each(|(index, _)| counts.add_open(rows[index * aspects.len() + slot]));
            slots.push(counts);
        }
        let open: Vec<Option<bool>> = entries.iter().map(|entry| entry.map(|_| true)).collect();
        let rules: Vec<Rule> = rules.into_iter().flatten().collect();
        let missing = vec![(usize::MAX, 0); rules.len()];
        let state = State::new(rules, slots, open.iter().flatten().count());
        Self {
            page_size: page_size.max(1),
            rows,
            open,
            slack: Slack::new(&state),
            state,
            classes: None,
            replayed: Vec::new(),
            is_settled: false,
            plan: None,
            relaxed: Vec::new(),
            missing,
        }
    }

    /// Candidate `index` stands at the next position and is no longer open. `None` or out of range: an item that is gone.
    pub fn place(&mut self, index: Option<usize>) {
        if self.is_settled {
            self.put(index);
            return;
        }
        // What was decided in this run is decided again when somebody asks; of a run that is over nothing is asked.
        self.replayed.push(index);
        if (self.state.position() + self.replayed.len()).is_multiple_of(self.page_size) {
            std::mem::take(&mut self.replayed).into_iter().for_each(|index| self.put(index));
        }
    }

    /// Decides what gives way at the next position; empty when nothing has to. Asked once per position before
    /// [`Self::check`].
    pub fn settle(&mut self) -> &[Relaxed] {
        for index in std::mem::take(&mut self.replayed) {
            self.decide();
            if let Some(index) = index.filter(|index| self.is_open(*index)) {
                // The plan goes on from what it says about this one.
                let _ = self.admits(index);
            }
            self.put(index);
        }
        if !self.is_settled {
            self.decide();
        }
        &self.relaxed
    }

    /// Whether open candidate `index` may stand at the next position. Errors: the first constraint, in declared order, that
    /// keeps it out.
    pub fn check(&mut self, index: usize) -> Result<(), u8> {
        self.settle();
        if self.is_open(index) { self.admits(index) } else { Err(0) }
    }

    fn is_open(&self, index: usize) -> bool {
        self.open.get(index) == Some(&Some(true))
    }

    fn row(&self, index: usize) -> &[Value] {
        let width = self.state.slots.len();
        &self.rows[index * width..(index + 1) * width]
    }

    fn admits(&mut self, index: usize) -> Result<(), u8> {
        if let (Some(plan), Some((classes, of))) = (&mut self.plan, &self.classes) {
            return Planner::new(&mut self.state, classes, plan.horizon).admit(plan, of[index]);
        }
        let row = self.row(index);
        match (0..self.state.rules.len()).find(|rule| self.state.breaks(*rule, row)) {
            Some(rule) => Err(rule as u8),
            None => Ok(()),
        }
    }

    fn horizon(&self) -> Horizon {
        let from = self.state.position();
        let feed_end = from + self.state.open;
        Horizon { from, end: feed_end.min((from / self.page_size + 1) * self.page_size), feed_end }
    }

    /// Decides what gives way at the next position.
    fn decide(&mut self) {
        self.is_settled = true;
        self.relaxed.clear();
        let horizon = self.horizon();
        if horizon.end == horizon.from || self.slack.is_ample(&self.state, horizon) {
            self.plan = None;
            return;
        }
        let Self { rows, open, state, classes, plan, .. } = self;
        let width = state.slots.len();
        let (classes, _) = classes.get_or_insert_with(|| Classes::new(width, rows, open));
        let mut planner = Planner::new(state, classes, horizon);
        let mut decided = match plan.take().filter(|plan| plan.horizon == horizon) {
            Some(plan) => plan,
            None => planner.plan(),
        };
        planner.settle(&mut decided);
        for rule in 0..planner.state.rules.len() {
            let here = decided.limits.here[rule];
            if here > known(planner.state, &mut self.missing[rule], rule, here, self.page_size, horizon) {
                let why = planner.why(&decided, rule);
                self.relaxed.push(Relaxed { constraint: rule as u8, position: horizon.from as u32, why });
            }
        }
        self.plan = Some(decided);
    }

    /// Takes the item as placed.
    fn put(&mut self, index: Option<usize>) {
        let index = index.filter(|index| self.open.get(*index).is_some_and(Option::is_some));
        let was_open = index.is_some_and(|index| self.is_open(index));
        let width = self.state.slots.len();
        let row = index.map_or_else(|| vec![NO_VALUE; width], |index| self.row(index).to_vec());
        let mut cost: PerRule = [0; _];
        for (rule, cost) in cost.iter_mut().enumerate().take(self.state.rules.len()) {
            *cost += u32::from(self.state.breaks(rule, &row));
        }
        let feed_end = self.horizon().feed_end;
        self.state.push(&row, was_open);
        for (rule, cost) in cost.iter_mut().enumerate().take(self.state.rules.len()) {
            *cost += self.state.closed(rule, feed_end).map_or(0, |(_, missing)| missing);
        }
        let mut class = NO_CLASS;
        if let Some(index) = index {
            self.open[index] = Some(false);
            if let Some((classes, of)) = self.classes.as_mut().filter(|_| was_open) {
                class = of[index];
                classes.open[usize::from(class)] -= 1;
            }
        }
        let goes_on = !self.state.position().is_multiple_of(self.page_size);
        if !goes_on {
            self.missing.fill((usize::MAX, 0));
        }
        self.plan = self.plan.take().filter(|_| goes_on).and_then(|plan| plan.after(class, &cost));
        self.is_settled = false;
    }
}

/// What was known to miss from the lower bound's block at hand before this position, or 0 for an upper bound. Keeps `here`.
fn known(state: &State, missing: &mut (usize, u32), rule: usize, here: u32, page_size: usize, horizon: Horizon) -> u32 {
    let Some(block) = state.rules[rule].block_at(horizon.from, horizon.feed_end) else { return 0 };
    let known = match *missing {
        (start, known) if start == block.start => known,
        // The block began in a run that is over: what cannot be met when that ended was reported there.
        _ if block.start < horizon.from && horizon.from.is_multiple_of(page_size) => state.owed(rule, horizon).here,
        _ => 0,
    };
    *missing = (block.start, known.max(here));
    known
}

/// What a constraint looks at in an item.
#[derive(Clone, Copy, PartialEq)]
enum Aspect<'a> {
    Facet(Facet),
    /// Whether it has any of these topics.
    Any(&'a [FacetValue]),
}

impl<'a> Aspect<'a> {
    fn of(constraint: &'a Constraint) -> Self {
        match constraint {
            Constraint::Cap { topics, .. } => Self::Any(topics),
            other => Self::Facet(other.facet()),
        }
    }
}

/// The number of a cap's topics in its slot: they are one value.
const GROUP: Value = 0;

/// The numbers of one facet's values: those that constraints name, then by their first candidate.
#[derive(Default)]
struct Numbers {
    of: NumberMap<FacetCode, Value>,
    next: Value,
}

impl Numbers {
    fn of(&mut self, code: FacetCode) -> Value {
        let next = &mut self.next;
        *self.of.entry(code).or_insert_with(|| {
            *next = (*next + 1).min(UNSEEN);
            *next - 1
        })
    }

    /// A value that no item ever had gets a number that no candidate has.
    fn named(&mut self, code: Option<FacetCode>) -> Value {
        match code {
            Some(code) => self.of(code),
            None => {
                self.next += 1;
                self.next - 1
            }
        }
    }
}
