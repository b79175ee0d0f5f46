//! The solver on worked examples: one per kind, and what is said when not all can be held.

use super::{
    Constraint, Facet, Solver,
    tests::{Values, problem, solver, value},
};
use crate::domain::feed::{Relaxed, RelaxedWhy};

/// A pool of creators, one letter per candidate.
fn creators(letters: &str) -> Vec<Values> {
    letters.bytes().map(|letter| [Some(letter - b'a'), None, None]).collect()
}

/// Takes the first admitted candidate of the pool each time. The letters placed and what was relaxed.
fn slate(constraints: &[Constraint], page_size: usize, letters: &str) -> (String, Vec<Relaxed>) {
    let mut solver = solver(constraints, page_size, &creators(letters));
    let (mut placed, mut relaxed) = (String::new(), Vec::new());
    for _ in 0..letters.len() {
        relaxed.extend(solver.settle());
        let index = (0..letters.len()).find(|index| solver.check(*index).is_ok()).unwrap();
        solver.place(Some(index));
        placed.push(letters.as_bytes()[index] as char);
    }
    (placed, relaxed)
}

fn relaxed(constraint: u8, position: u32, why: RelaxedWhy) -> Relaxed {
    Relaxed { constraint, position, why }
}

fn max_share(only: Option<char>, max: u32, per: u32, top: Option<u32>) -> Constraint {
    Constraint::MaxShare { facet: Facet::Creator, value: only.map(letter), max, per, top }
}

fn min_share(letter: char, min: u32, per: u32) -> Constraint {
    Constraint::MinShare { facet: Facet::Creator, value: self::letter(letter), min, per, top: None }
}

fn pin(letter: char, position: u32) -> Constraint {
    Constraint::Pin { facet: Facet::Creator, value: self::letter(letter), position }
}

fn min_gap(gap: u32) -> Constraint {
    Constraint::MinGap { facet: Facet::Creator, gap, top: None }
}

fn letter(letter: char) -> crate::domain::FacetValue {
    value(letter as u8 - b'a')
}

#[test]
fn each_kind_is_held_as_it_reads() {
    let held = |constraint: Constraint, letters: &str| {
        let (placed, relaxed) = slate(&[constraint], 20, letters);
        assert_eq!(relaxed, [], "{placed}");
        placed
    };
    assert_eq!(held(max_share(None, 1, 3, None), "aabbcc"), "abcabc");
    assert_eq!(held(max_share(Some('a'), 1, 3, None), "aabbb"), "abbab");
    assert_eq!(held(max_share(None, 1, 3, Some(2)), "aaab"), "abaa");
    assert_eq!(held(min_share('c', 1, 3), "aabbcc"), "aacbbc");
    assert_eq!(held(pin('b', 2), "aaaab"), "aabaa");
    let distinct = Constraint::MinDistinct { facet: Facet::Creator, min: 3, per: 4, top: None };
    assert_eq!(held(distinct, "aaaabbcc"), "aabcaabc");
    let top = Constraint::MinDistinct { facet: Facet::Creator, min: 3, per: 4, top: Some(4) };
    assert_eq!(held(top, "aaaabbcc"), "aabcaabc");
}

/// Taking `b` first, as a rule looked at position by position would, leaves two `a` together in the end.
#[test]
fn what_leads_to_a_dead_end_is_not_placed() {
    assert_eq!(slate(&[min_gap(1)], 20, "bbaaa"), ("ababa".into(), vec![]));
    let mut solver = solver(&[min_gap(1)], 20, &creators("bbaaa"));
    assert_eq!((solver.check(0), solver.check(2)), (Err(0), Ok(())));
    // Within pages of two the end is not in sight, and what it costs is said.
    assert_eq!(slate(&[min_gap(1)], 2, "bbaaa"), ("babaa".into(), vec![relaxed(0, 4, RelaxedWhy::Supply)]));
}

#[test]
fn a_lower_bound_without_supply_is_lowered_not_dropped() {
    let (placed, said) = slate(&[min_share('c', 3, 4)], 20, "aaaaaccb");
    assert_eq!(placed, "aaccaaab", "of the first block's three two are there, of the second's none");
    assert_eq!(said, [relaxed(0, 0, RelaxedWhy::Supply), relaxed(0, 4, RelaxedWhy::Supply)]);
}

#[test]
fn the_first_declared_is_kept() {
    let both = |first: Constraint, second: Constraint| slate(&[first, second], 20, "aabb");
    assert_eq!(both(pin('a', 0), pin('b', 0)), ("aabb".into(), vec![relaxed(1, 0, RelaxedWhy::Conflict)]));
    assert_eq!(both(pin('b', 0), pin('a', 0)), ("baab".into(), vec![relaxed(1, 0, RelaxedWhy::Conflict)]));
    let pair = Constraint::MinShare { facet: Facet::Creator, value: letter('a'), min: 2, per: 2, top: Some(2) };
    let (placed, said) = both(pair.clone(), min_gap(1));
    // Once both `a` stand, nothing could keep the two `b` apart.
    assert_eq!((placed.as_str(), said), ("aabb", vec![relaxed(1, 1, RelaxedWhy::Conflict), relaxed(1, 3, RelaxedWhy::Supply)]));
    assert_eq!(both(min_gap(1), pair), ("abab".into(), vec![relaxed(1, 0, RelaxedWhy::Conflict)]));
}

#[test]
fn a_value_that_nobody_has_is_never_supplied() {
    assert_eq!(slate(&[pin('z', 1)], 20, "aab"), ("aab".into(), vec![relaxed(0, 1, RelaxedWhy::Supply)]));
    assert_eq!(slate(&[max_share(Some('z'), 1, 2, None)], 20, "aab"), ("aab".into(), vec![]));
}

#[test]
fn a_pin_beyond_the_page_is_kept_in_reach() {
    assert_eq!(slate(&[pin('b', 4)], 2, "baaaa"), ("aaaab".into(), vec![]));
}

#[test]
fn items_without_the_facet_break_nothing_and_help_nobody() {
    let pool = [[None; 3], [None; 3], [Some(0), None, None]];
    let mut solver = solver(&[max_share(None, 1, 3, None), min_gap(2)], 20, &pool);
    for index in 0..3 {
        assert_eq!(solver.settle(), []);
        assert_eq!(solver.check(index), Ok(()));
        solver.place(Some(index));
    }
    let distinct = Constraint::MinDistinct { facet: Facet::Creator, min: 2, per: 3, top: None };
    assert_eq!(super::tests::solver(&[distinct], 20, &pool).settle(), [relaxed(0, 0, RelaxedWhy::Supply)]);
}

#[test]
fn what_is_gone_holds_its_position_and_is_not_open() {
    let mut solver = solver(&[min_gap(1)], 20, &creators("aab"));
    solver.place(Some(0));
    solver.place(None);
    solver.place(Some(99));
    assert_eq!(solver.settle(), []);
    assert_eq!((solver.check(0), solver.check(99)), (Err(0), Err(0)));
    assert_eq!((solver.check(1), solver.check(2)), (Ok(()), Ok(())));
}

/// Too hard to search through: it is said so, and every break is still reported.
#[test]
fn where_the_search_ends_at_its_limit_it_says_so() {
    let mixed = |n: usize, salt: u64, of: u64| Some((super::state::mix(n as u64 ^ salt << 32) % of) as u8);
    let pool: Vec<Values> = (0..100).map(|n| [mixed(n, 1, 8), mixed(n, 2, 4), mixed(n, 3, 2)]).collect();
    let share = |facet, max, per| Constraint::MaxShare { facet, value: None, max, per, top: None };
    let constraints = [share(Facet::Creator, 1, 9), min_gap(1), share(Facet::Viewpoint, 1, 5), share(Facet::Format, 3, 5)];
    let mut solver = solver(&constraints, 20, &pool);
    let (mut slate, mut relaxed): (Vec<usize>, Vec<Relaxed>) = Default::default();
    while slate.len() < pool.len() {
        relaxed.extend(solver.settle());
        let index = (0..pool.len()).find(|index| solver.check(*index).is_ok()).unwrap();
        solver.place(Some(index));
        slate.push(index);
    }
    let problem = problem(&constraints, &pool);
    for (rule, constraint) in constraints.iter().enumerate() {
        let broken: Vec<u32> = (0..100).filter(|at| problem.is_broken_at(constraint, &slate, *at as usize)).collect();
        let said: Vec<u32> = relaxed.iter().filter(|r| usize::from(r.constraint) == rule).map(|r| r.position).collect();
        assert_eq!(broken, said, "{constraint}");
    }
    assert!(relaxed.iter().any(|r| r.why == RelaxedWhy::Budget), "{relaxed:?}");
}

#[test]
fn no_constraints_no_candidates() {
    let mut free = solver(&[], 20, &creators("ab"));
    assert_eq!((free.settle().to_vec(), free.check(1), free.check(2)), (vec![], Ok(()), Err(0)));
    let mut none: Solver = solver(&[min_gap(1), pin('a', 3)], 0, &[]);
    assert_eq!((none.settle().to_vec(), none.check(0)), (vec![], Err(0)));
}
