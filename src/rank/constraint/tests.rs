//! The solver against exhaustive search on small pools, and against itself on large ones.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::domain::{
    Creator, FacetValue, Item, ItemId,
    feed::{Relaxed, RelaxedWhy},
};

const FACETS: [Facet; 3] = [Facet::Creator, Facet::Viewpoint, Facet::Format];

/// One value per facet of [`FACETS`].
pub type Values = [Option<u8>; 3];

pub fn value(number: u8) -> FacetValue {
    format!("v{number}").into()
}

fn entry(number: usize, values: Values, codes: &FacetCodes) -> Entry {
    let item = Item {
        id: ItemId::new(format!("item-{number}")).unwrap(),
        title: "Title".into(),
        description: None,
        url: None,
        image: None,
        creator: values[0].map(|v| Creator { id: value(v), name: None }),
        topics: Vec::new(),
        source: None,
        viewpoint: values[1].map(value),
        language: None,
        format: values[2].map(value),
        published_at: None,
        expires_at: None,
        embedding: None,
        attributes: None,
        sponsored: None,
    };
    Entry::new(item, codes)
}

pub fn solver(constraints: &[Constraint], page_size: usize, pool: &[Values]) -> Solver {
    let codes = FacetCodes::default();
    let entries: Vec<Entry> = pool.iter().enumerate().map(|(number, values)| entry(number, *values, &codes)).collect();
    let entries: Vec<Option<&Entry>> = entries.iter().map(Some).collect();
    Solver::new(constraints, false, page_size, &entries, &codes)
}

/// The constraints as they read, over whole lists of values. Shares nothing with the solver.
pub mod definition {
    use super::*;

    pub struct Problem<'a> {
        pub constraints: &'a [Constraint],
        pub pool: &'a [Values],
        pub page_size: usize,
    }

    /// Per constraint: what is broken from a position on, and what of it at that position (in its block).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Broken {
        pub total: Vec<u32>,
        pub here: Vec<u32>,
    }

    impl Problem<'_> {
        fn value(&self, item: usize, facet: Facet) -> Option<u8> {
            self.pool[item][FACETS.iter().position(|f| *f == facet).unwrap()]
        }

        pub fn end(&self, from: usize) -> usize {
            self.pool.len().min((from / self.page_size + 1) * self.page_size)
        }

        /// Whether the item at `position` breaks an upper bound.
        pub fn is_broken_at(&self, constraint: &Constraint, slate: &[usize], position: usize) -> bool {
            let (facet, only, max, before, top) = match constraint {
                Constraint::MaxShare { facet, value, max, per, top } => (*facet, value.as_ref(), *max, *per - 1, *top),
                Constraint::MinGap { facet, gap, top } => (*facet, None, 1, *gap, *top),
                _ => return false,
            };
            let Some(here) = self.value(slate[position], facet) else { return false };
            let earlier = &slate[position.saturating_sub(before as usize)..position];
            let same = earlier.iter().filter(|item| self.value(**item, facet) == Some(here)).count();
            top.is_none_or(|top| position < top as usize) && only.is_none_or(|only| *only == value(here)) && same >= max as usize
        }

        /// The blocks of a lower bound: start, end, how many at least.
        pub fn blocks(&self, constraint: &Constraint) -> Vec<(usize, usize, u32)> {
            let feed_end = self.pool.len();
            match constraint {
                Constraint::MinShare { min, per, top, .. } | Constraint::MinDistinct { min, per, top, .. } => (0..feed_end)
                    .step_by(*per as usize)
                    .filter(|start| top.is_none_or(|top| start + *per as usize <= top as usize))
                    .map(|start| (start, feed_end.min(start + *per as usize)))
                    .map(|(start, end)| (start, end, (*min).min((end - start) as u32)))
                    .collect(),
                Constraint::Pin { position, .. } if (*position as usize) < feed_end => {
                    vec![(*position as usize, *position as usize + 1, 1)]
                }
                _ => Vec::new(),
            }
        }

        /// What a block of a lower bound must miss, once `slate` is placed: short of its end, with the best that
        /// positions and supply allow.
        fn missing(&self, constraint: &Constraint, slate: &[usize], (start, end, min): (usize, usize, u32)) -> u32 {
            let facet = constraint.facet();
            let placed = slate.get(start..end.min(slate.len())).unwrap_or(&[]);
            let room = end - slate.len().clamp(start, end);
            let open = (0..self.pool.len()).filter(|item| !slate.contains(item)).filter_map(|item| self.value(item, facet));
            let placed = placed.iter().filter_map(|item| self.value(*item, facet));
            let reach = match constraint.value() {
                Some(wanted) => placed.filter(|v| value(*v) == *wanted).count() + room.min(open.filter(|v| value(*v) == *wanted).count()),
                None => {
                    let placed: std::collections::HashSet<u8> = placed.collect();
                    let new: std::collections::HashSet<u8> = open.filter(|v| !placed.contains(v)).collect();
                    placed.len() + room.min(new.len())
                }
            };
            min.saturating_sub(reach as u32)
        }

        /// What `slate`, which fills the horizon of position `from`, breaks from there on.
        pub fn broken(&self, slate: &[usize], from: usize) -> Broken {
            let end = slate.len();
            let mut broken = Broken { total: Vec::new(), here: Vec::new() };
            for constraint in self.constraints {
                let positions: Vec<usize> = (from..end).filter(|position| self.is_broken_at(constraint, slate, *position)).collect();
                let is_pin = matches!(constraint, Constraint::Pin { .. });
                let counts = |block: &(usize, usize, u32)| block.1 > from && (block.0 < end || is_pin);
                let blocks = self.blocks(constraint).into_iter().filter(counts);
                let missing: Vec<((usize, usize, u32), u32)> =
                    blocks.map(|block| (block, self.missing(constraint, slate, block))).collect();
                let here = missing.iter().find(|(block, _)| block.0 <= from).map_or(0, |(_, missing)| *missing);
                broken.total.push(positions.len() as u32 + missing.iter().map(|(_, missing)| missing).sum::<u32>());
                broken.here.push(u32::from(positions.first() == Some(&from)) + here);
            }
            broken
        }

        /// Every way to fill the horizon after `prefix`, with what it breaks.
        pub fn ways(&self, prefix: &[usize]) -> Vec<(usize, Broken)> {
            fn fill(problem: &Problem, slate: &mut Vec<usize>, from: usize, ways: &mut Vec<(usize, Broken)>) {
                if slate.len() == problem.end(from) {
                    ways.push((slate[from], problem.broken(slate, from)));
                    return;
                }
                for item in 0..problem.pool.len() {
                    if slate.contains(&item) {
                        continue;
                    }
                    slate.push(item);
                    fill(problem, slate, from, ways);
                    slate.pop();
                }
            }
            let mut ways = Vec::new();
            fill(self, &mut prefix.to_vec(), prefix.len(), &mut ways);
            ways
        }

        /// The order in which ways are better: less broken in all, first declared first; then lower bounds here; then
        /// upper bounds here.
        pub fn rank(&self, broken: &Broken) -> (Vec<u32>, Vec<u32>, Vec<u32>) {
            let of = |is_lower: bool| {
                let rules = self.constraints.iter().zip(&broken.here);
                rules.filter(move |(rule, _)| is_lower != matches!(rule, Constraint::MaxShare { .. } | Constraint::MinGap { .. }))
            };
            let here = |is_lower| of(is_lower).map(|(_, here)| *here).collect();
            (broken.total.clone(), here(true), here(false))
        }
    }
}
use definition::Problem;

pub fn problem<'a>(constraints: &'a [Constraint], pool: &'a [Values]) -> Problem<'a> {
    Problem { constraints, pool, page_size: 20 }
}

fn facet() -> impl Strategy<Value = Facet> {
    prop::sample::select(FACETS.to_vec())
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let top = || option::weighted(0.3, 2u32..8);
    let named = || (0u8..4).prop_map(value);
    prop_oneof![
        (facet(), option::of(named()), 1u32..3, 1u32..4, top()).prop_map(|(facet, value, max, more, top)| Constraint::MaxShare {
            facet,
            value,
            max,
            per: max + more,
            top
        }),
        (facet(), 1u32..4, top()).prop_map(|(facet, gap, top)| Constraint::MinGap { facet, gap, top }),
        (facet(), 2u32..4, 0u32..4, top()).prop_map(|(facet, min, more, top)| Constraint::MinDistinct { facet, min, per: min + more, top }),
        (facet(), named(), 1u32..3, 0u32..4, top()).prop_map(|(facet, value, min, more, top)| Constraint::MinShare {
            facet,
            value,
            min,
            per: min + more,
            top
        }),
        (facet(), named(), 0u32..7).prop_map(|(facet, value, position)| Constraint::Pin { facet, value, position }),
    ]
}

fn pool(most: usize) -> impl Strategy<Value = Vec<Values>> {
    let one = |values: u8| option::weighted(0.85, 0..values);
    vec((one(3), one(3), one(2)).prop_map(|(a, b, c)| [a, b, c]), 1..=most)
}

/// Runs the solver over a pool, taking an admitted candidate at random each time, and holds every step to exhaustive search.
fn follow(constraints: &[Constraint], pool: &[Values], page_size: usize, picks: &[prop::sample::Index]) -> Result<usize, TestCaseError> {
    let problem = Problem { constraints, pool, page_size };
    let mut solver = solver(constraints, page_size, pool);
    let (mut slate, mut relaxations) = (Vec::new(), 0);
    let mut missed: Vec<Option<(usize, u32)>> = vec![None; constraints.len()];
    for pick in picks.iter().take(pool.len()) {
        let position = slate.len();
        if position.is_multiple_of(page_size) {
            missed.fill(None);
        }
        let ways = problem.ways(&slate);
        let best = ways.iter().map(|(_, broken)| problem.rank(broken)).min().unwrap();
        let begins: Vec<usize> =
            (0..pool.len()).filter(|item| ways.iter().any(|(first, b)| first == item && problem.rank(b) == best)).collect();
        let relaxed = solver.settle().to_vec();
        let admitted: Vec<usize> = (0..pool.len()).filter(|item| !slate.contains(item) && solver.check(*item).is_ok()).collect();
        prop_assert_eq!(&admitted, &begins, "after {:?}: relaxed {:?}, best {:?}", slate, relaxed, best);

        let broken = &ways.iter().find(|(_, b)| problem.rank(b) == best).unwrap().1;
        let mut expected = Vec::new();
        for (rule, constraint) in constraints.iter().enumerate() {
            let block = problem.blocks(constraint).into_iter().find(|(start, end, _)| *start <= position && position < *end);
            let before = block.map_or(0, |(start, ..)| match missed[rule] {
                Some((known, missing)) if known == start => missing,
                _ if position.is_multiple_of(page_size) && start < position => Problem { ..problem }.broken_at(&slate, position, rule),
                _ => 0,
            });
            if let Some((start, ..)) = block {
                missed[rule] = Some((start, before.max(broken.here[rule])));
            }
            if broken.here[rule] > before {
                let alone = Problem { constraints: &constraints[rule..=rule], ..problem };
                let is_upper = block.is_none();
                let held = alone.ways(&slate).iter().any(|(_, b)| if is_upper { b.total[0] == 0 } else { b.here[0] == 0 });
                let why = if held { RelaxedWhy::Conflict } else { RelaxedWhy::Supply };
                expected.push(Relaxed { constraint: rule as u8, position: position as u32, why });
            }
        }
        prop_assert_eq!(&relaxed, &expected, "after {:?}", slate);
        relaxations += relaxed.len();
        let item = *pick.get(&admitted);
        slate.push(item);
        solver.place(Some(item));
    }
    Ok(relaxations)
}

impl Problem<'_> {
    /// What the block at hand misses already when `slate` is all that is placed.
    fn broken_at(&self, slate: &[usize], position: usize, rule: usize) -> u32 {
        self.broken(slate, position).here[rule]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Nothing is broken that need not be, whatever is taken of what is admitted; what is admitted is all that could be.
    #[test]
    fn the_solver_is_exhaustive_search(
        constraints in vec(constraint(), 1..4),
        pool in pool(6),
        page_size in 1usize..6,
        picks in vec(any::<prop::sample::Index>(), 6),
    ) {
        follow(&constraints, &pool, page_size, &picks)?;
    }
}
