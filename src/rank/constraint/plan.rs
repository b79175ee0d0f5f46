//! What gives way in a horizon, and one way to fill it that shows no more has to.

use super::{
    classes::Classes,
    rule::{NO_LIMIT, PerRule},
    search::{Limits, Outcome, Search},
    state::{Horizon, State},
};
use crate::domain::{feed::RelaxedWhy, policy::MAX_CONSTRAINTS};

/// States one search may look at.
const SEARCH_NODES: usize = 2_000;
/// States all searches for one position's limits may look at together.
const SETTLE_NODES: usize = 10_000;
/// States one search for whether a class is admitted may look at. Each has its own: what is answered must not depend on who
/// else was asked about, or a page cut elsewhere would be another page.
const ADMIT_NODES: usize = 300;

/// The least that must be broken, and a witness.
#[derive(Debug)]
pub struct Plan {
    pub horizon: Horizon,
    pub limits: Limits,
    /// Constraints (one bit each) of which it is not known whether they could be broken less.
    pub unsure: u32,
    /// A class for each position of the horizon, within the limits.
    pub witness: Vec<u16>,
    /// Per class asked about: the rest of the horizon with one of it first, or the constraint that keeps it out.
    asked: Vec<Option<Result<Vec<u16>, u8>>>,
}

/// What a way to fill the horizon breaks.
#[derive(Clone, Copy, Debug)]
struct Cost {
    total: PerRule,
    here: PerRule,
}

/// The solver's parts that planning works on.
pub struct Planner<'a> {
    pub state: &'a mut State,
    pub classes: &'a Classes,
    pub horizon: Horizon,
    nodes: usize,
}

impl<'a> Planner<'a> {
    pub fn new(state: &'a mut State, classes: &'a Classes, horizon: Horizon) -> Self {
        Self { state, classes, horizon, nodes: SETTLE_NODES }
    }

    /// Everything held if that can be; else the least broken of the first constraint, then of the second given that, …
    pub fn plan(&mut self) -> Plan {
        let rules = self.state.rules.len();
        let mut limits = Limits::NONE;
        limits.total[..rules].fill(0);
        let (mut unsure, mut witness) = (0, Vec::new());
        if let Outcome::Found(found) = self.solve(&limits) {
            witness = found;
        } else {
            limits = Limits::NONE;
            for rule in 0..rules {
                let owed = self.state.owed(rule, self.horizon).total;
                for limit in owed.max(self.state.crowding(rule, self.horizon.end)).. {
                    limits.total[rule] = limit;
                    match self.solve(&limits) {
                        Outcome::Found(found) => witness = found,
                        Outcome::Impossible => continue,
                        Outcome::OutOfBudget => {
                            limits.total[rule] = NO_LIMIT;
                            unsure |= 1 << rule;
                        }
                    }
                    break;
                }
            }
        }
        if witness.is_empty() {
            witness = self.anyhow();
        }
        Plan { horizon: self.horizon, limits, unsure, witness, asked: Vec::new() }
    }

    /// What gives way at the position itself: of the lower bounds, in the block it stands in; then of the upper bounds.
    pub fn settle(&mut self, plan: &mut Plan) {
        let rules = self.state.rules.len();
        plan.limits.here = [NO_LIMIT; _];
        if plan.limits.total[..rules].iter().all(|total| *total == 0) {
            plan.limits.here[..rules].fill(0);
            return;
        }
        let (lower, upper): (Vec<usize>, Vec<usize>) = (0..rules).partition(|rule| self.state.rules[*rule].is_lower());
        for rule in lower.into_iter().chain(upper) {
            let mut least = self.state.owed(rule, self.horizon).here;
            while least < self.cost(&plan.witness).here[rule] {
                plan.limits.here[rule] = least;
                match self.solve(&plan.limits) {
                    Outcome::Found(found) => plan.witness = found,
                    Outcome::Impossible => {}
                    Outcome::OutOfBudget => plan.unsure |= 1 << rule,
                }
                least += 1;
            }
            plan.limits.here[rule] = self.cost(&plan.witness).here[rule];
        }
    }

    /// Why `rule` gives way at the position.
    pub fn why(&mut self, plan: &Plan, rule: usize) -> RelaxedWhy {
        if plan.unsure >> rule & 1 == 1 {
            return RelaxedWhy::Budget;
        }
        let mut alone = Limits::NONE;
        if self.state.rules[rule].is_lower() {
            alone.here[rule] = 0;
        } else {
            alone.total[rule] = 0;
        }
        match self.solve(&alone) {
            Outcome::Found(_) => RelaxedWhy::Conflict,
            Outcome::Impossible => RelaxedWhy::Supply,
            Outcome::OutOfBudget => RelaxedWhy::Budget,
        }
    }

    /// Whether one of `class` may stand next. Errors: the constraint that keeps it out.
    pub fn admit(&mut self, plan: &mut Plan, class: u16) -> Result<(), u8> {
        if plan.witness.first() == Some(&class) {
            return Ok(());
        }
        plan.asked.resize(self.classes.len(), None);
        let known = &plan.asked[usize::from(class)];
        if let Some(known) = known {
            return known.as_ref().map(drop).map_err(|rule| *rule);
        }
        let answer = self.ask(plan, class);
        let admitted = answer.as_ref().map(drop).map_err(|rule| *rule);
        plan.asked[usize::from(class)] = Some(answer);
        admitted
    }

    fn ask(&mut self, plan: &mut Plan, class: u16) -> Result<Vec<u16>, u8> {
        let row = self.classes.row(class);
        for rule in 0..self.state.rules.len() {
            if !self.state.rules[rule].is_lower() && u32::from(self.state.breaks(rule, row)) != plan.limits.here[rule] {
                return Err(rule as u8);
            }
        }
        for mut way in variants(&plan.witness, class) {
            if self.is_within(&way, &plan.limits) {
                return Ok(way.split_off(1));
            }
        }
        let outcome = Search::new(self.state, self.classes, self.horizon, plan.limits, ADMIT_NODES).run(Some(class));
        match outcome {
            Outcome::Found(mut way) => Ok(way.split_off(1)),
            Outcome::Impossible | Outcome::OutOfBudget => Err(self.culprit(plan, class)),
        }
    }

    /// The first constraint, in declared order, that cannot be kept with those before it once one of `class` stands here.
    fn culprit(&mut self, plan: &mut Plan, class: u16) -> u8 {
        let mut limits = Limits::NONE;
        for rule in 0..self.state.rules.len() {
            limits.total[rule] = plan.limits.total[rule];
            limits.here[rule] = plan.limits.here[rule];
            let outcome = Search::new(self.state, self.classes, self.horizon, limits, ADMIT_NODES).run(Some(class));
            if matches!(outcome, Outcome::Impossible) {
                return rule as u8;
            }
        }
        self.state.rules.len().saturating_sub(1) as u8
    }

    /// Cheap first; then each facet by itself, where an impossibility shows soonest; then all there is.
    fn solve(&mut self, limits: &Limits) -> Outcome {
        let quick = 64 + 6 * (self.horizon.end - self.horizon.from);
        let slots = self.slots(limits);
        let outcome = self.search(limits, slots, quick);
        if !matches!(outcome, Outcome::OutOfBudget) {
            return outcome;
        }
        for slot in (0..self.state.slots.len()).filter(|slot| slots.count_ones() > 1 && slots >> slot & 1 == 1) {
            let mut of_slot = Limits::NONE;
            for rule in (0..self.state.rules.len()).filter(|rule| self.state.rules[*rule].slot == slot) {
                of_slot.total[rule] = limits.total[rule];
                of_slot.here[rule] = limits.here[rule];
            }
            if matches!(self.search(&of_slot, 1 << slot, SEARCH_NODES), Outcome::Impossible) {
                return Outcome::Impossible;
            }
        }
        self.search(limits, slots, SEARCH_NODES)
    }

    /// The slots that binding constraints look at, one bit each.
    fn slots(&self, limits: &Limits) -> u32 {
        let binding = (0..self.state.rules.len()).filter(|rule| limits.binds(*rule));
        binding.fold(0, |slots, rule| slots | 1 << self.state.rules[rule].slot)
    }

    fn search(&mut self, limits: &Limits, slots: u32, nodes: usize) -> Outcome {
        let nodes = nodes.min(self.nodes);
        let (groups, to) = self.classes.seen_through(slots);
        let mut search = Search::new(self.state, &groups, self.horizon, *limits, nodes);
        let outcome = search.run(None);
        let used = nodes - search.nodes;
        self.nodes -= used;
        match outcome {
            Outcome::Found(way) => Outcome::Found(self.of_classes(&way, &to)),
            other => other,
        }
    }

    /// A way over groups of classes as one over classes: of each group what breaks least of the other constraints.
    fn of_classes(&mut self, way: &[u16], to: &[u16]) -> Vec<u16> {
        let mut open = self.classes.open.clone();
        let mut classes = Vec::with_capacity(way.len());
        for group in way {
            let rules = self.state.rules.len();
            // The first declared in the highest bit: the smallest number breaks the least important.
            let broken = |class: usize| {
                let row = self.classes.row(class as u16);
                (0..rules).fold(0u32, |bits, rule| bits << 1 | u32::from(self.state.breaks(rule, row)))
            };
            let members = (0..to.len()).filter(|class| to[*class] == *group && open[*class] > 0);
            let Some(class) = members.min_by_key(|class| (broken(*class), *class)) else { break };
            open[class] -= 1;
            self.state.push(self.classes.row(class as u16), true);
            classes.push(class as u16);
        }
        classes.iter().for_each(|_| self.state.pop());
        classes
    }

    /// The horizon filled with whatever is open.
    fn anyhow(&mut self) -> Vec<u16> {
        let all =
            (0..self.classes.len() as u16).flat_map(|class| std::iter::repeat_n(class, self.classes.open[usize::from(class)] as usize));
        all.take(self.horizon.end - self.horizon.from).collect()
    }

    fn is_within(&mut self, way: &[u16], limits: &Limits) -> bool {
        let cost = self.cost(way);
        (0..self.state.rules.len()).all(|rule| cost.total[rule] <= limits.total[rule] && cost.here[rule] <= limits.here[rule])
    }

    /// What `way` breaks, by the rules themselves.
    fn cost(&mut self, way: &[u16]) -> Cost {
        let mut cost = Cost { total: [0; MAX_CONSTRAINTS], here: [0; MAX_CONSTRAINTS] };
        let rules = self.state.rules.len();
        for class in way {
            let row = self.classes.row(*class);
            for rule in 0..rules {
                let breaks = u32::from(self.state.breaks(rule, row));
                cost.total[rule] += breaks;
                cost.here[rule] += if self.state.position() == self.horizon.from { breaks } else { 0 };
            }
            self.state.push(row, true);
            for rule in 0..rules {
                if let Some((block, missing)) = self.state.closed(rule, self.horizon.feed_end) {
                    cost.total[rule] += missing;
                    cost.here[rule] += if block.start <= self.horizon.from { missing } else { 0 };
                }
            }
        }
        for rule in 0..rules {
            let owed = self.state.owed(rule, self.horizon);
            cost.total[rule] += owed.total;
            cost.here[rule] += owed.here;
        }
        way.iter().for_each(|_| self.state.pop());
        cost
    }
}

impl Plan {
    /// The rest of the plan after one of `class` was placed; `None` when the plan did not see that coming.
    pub fn after(mut self, class: u16, cost: &PerRule) -> Option<Self> {
        let witness = match self.asked.get_mut(usize::from(class)).and_then(Option::take) {
            Some(Ok(rest)) => rest,
            _ if self.witness.first() == Some(&class) => self.witness.split_off(1),
            _ => return None,
        };
        for (total, cost) in self.limits.total.iter_mut().zip(cost).filter(|(total, _)| **total != NO_LIMIT) {
            *total = total.checked_sub(*cost)?;
        }
        let horizon = Horizon { from: self.horizon.from + 1, ..self.horizon };
        Some(Self { horizon, limits: self.limits, unsure: self.unsure, witness, asked: Vec::new() })
    }
}

/// The witness with one of `class` first, in the ways that are likely to be as good.
fn variants(witness: &[u16], class: u16) -> [Vec<u16>; 2] {
    let (mut swapped, mut moved) = (witness.to_vec(), witness.to_vec());
    match witness.iter().position(|other| *other == class) {
        Some(at) => {
            swapped.swap(0, at);
            moved[..=at].rotate_right(1);
        }
        None => {
            if let (Some(first), Some(last)) = (swapped.first_mut(), moved.last_mut()) {
                *first = class;
                *last = class;
                moved.rotate_right(1);
            }
        }
    }
    [swapped, moved]
}
