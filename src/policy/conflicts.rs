//! Constraints that no page whatever can keep together, told by arithmetic alone.
//!
//! Sound, not complete: what is told is so; what depends on the catalogue is for `feed::supply`. An item counts under one value
//! of a facet, so rules of different facets never contradict each other.

use std::collections::BTreeMap;

use crate::domain::{Facet, FacetValue, feed::MAX_POOL, policy::Constraint};

/// Two or more constraints that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    /// Index of the last of them in the policy's list.
    pub at: usize,
    pub why: String,
}

/// Every contradiction found, in the order of the list.
pub(super) fn conflicts(constraints: &[Constraint]) -> Vec<Conflict> {
    let mut found = Vec::new();
    for facet in Facet::ALL {
        let rules: Vec<(usize, &Constraint)> = constraints.iter().enumerate().filter(|(_, rule)| rule.facet() == facet).collect();
        pairs(&rules, &mut found);
        shares(&rules, &mut found);
        distinct(&rules, &mut found);
        pins(&rules, &mut found);
    }
    found.sort_by_key(|conflict| conflict.at);
    found
}

fn conflict(found: &mut Vec<Conflict>, a: usize, b: usize, why: String) {
    found.push(Conflict { at: a.max(b), why });
}

/// A lower bound on a value against an upper bound on it.
fn pairs(rules: &[(usize, &Constraint)], found: &mut Vec<Conflict>) {
    for (at, lower) in rules {
        let Constraint::MinShare { value, min, per, .. } = lower else { continue };
        for (other, upper) in rules {
            if let Some(most) = most_of(upper, value, *per).filter(|most| most < min) {
                conflict(found, *at, *other, format!("`{lower}` asks for {min} among {per}, and `{upper}` lets at most {most} through"));
            }
        }
    }
}

/// The most items of `value` that an upper bound lets into the first `length` positions.
fn most_of(rule: &Constraint, value: &FacetValue, length: u32) -> Option<u32> {
    let bound = length.min(rule.top().unwrap_or(u32::MAX));
    let most = match rule {
        Constraint::MaxShare { value: only, max, per, .. } if only.as_ref().is_none_or(|only| only == value) => {
            bound / per * max + (bound % per).min(*max)
        }
        Constraint::MinGap { gap, .. } => bound.div_ceil(gap + 1),
        _ => return None,
    };
    Some(most + length - bound)
}

/// Lower bounds on different values that together need more positions than there are.
fn shares(rules: &[(usize, &Constraint)], found: &mut Vec<Conflict>) {
    // Needs per value, in positions of a length that every block so far divides.
    let mut length = 1_u64;
    let mut needs: Vec<(&FacetValue, u64, u64, &Constraint)> = Vec::new();
    for (at, rule) in rules {
        let Constraint::MinShare { value, min, per, top, .. } = rule else { continue };
        let (min, per) = (u64::from(*min), u64::from(*per));
        let common = length / gcd(length, per) * per;
        let binds = top.is_none_or(|top| u64::from(top) >= common) && common <= MAX_POOL as u64;
        let reaches = |rule: &Constraint| rule.top().is_none_or(|top| u64::from(top) >= common);
        if !binds || !needs.iter().all(|(.., rule)| reaches(rule)) {
            continue;
        }
        length = common;
        match needs.iter_mut().find(|(known, ..)| *known == value) {
            // Of two bounds on one value the stricter counts.
            Some(known) if min * known.2 > known.1 * per => *known = (value, min, per, rule),
            Some(_) => {}
            None => needs.push((value, min, per, rule)),
        }
        let needed: u64 = needs.iter().map(|(_, min, per, _)| min * (length / per)).sum();
        if needed > length {
            let names = needs.iter().map(|(.., rule)| format!("`{rule}`")).collect::<Vec<_>>().join(", ");
            found.push(Conflict { at: *at, why: format!("{names} together need {needed} of {length} positions") });
            return;
        }
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Lower bounds on single values that leave too few positions for the variety asked for.
fn distinct(rules: &[(usize, &Constraint)], found: &mut Vec<Conflict>) {
    for (at, rule) in rules {
        let Constraint::MinDistinct { min, per, .. } = rule else { continue };
        // Positions each value takes in the first block of `per`.
        let mut taken: BTreeMap<&FacetValue, (u32, usize)> = BTreeMap::new();
        for (other, share) in rules {
            if let Constraint::MinShare { value, min, per: block, top, .. } = share {
                let blocks = (*per).min(top.unwrap_or(u32::MAX)) / block;
                let entry = taken.entry(value).or_insert((0, *other));
                *entry = (*entry).max((blocks * min, *other));
            }
        }
        let spare: u32 = taken.values().map(|(count, _)| count.saturating_sub(1)).sum();
        let most = per.saturating_sub(spare);
        if *min > most {
            let last = taken.values().map(|(_, other)| *other).max().unwrap_or(*at);
            conflict(
                found,
                *at,
                last,
                format!("`{rule}` asks for {min} values among {per}, and the min_share rules leave room for {most}"),
            );
        }
    }
}

/// Items pinned to where another rule does not let them be.
fn pins(rules: &[(usize, &Constraint)], found: &mut Vec<Conflict>) {
    let mut pins: BTreeMap<u32, (usize, &FacetValue, &Constraint)> = BTreeMap::new();
    for (at, rule) in rules {
        let Constraint::Pin { value, position, .. } = rule else { continue };
        match pins.get(position) {
            Some((other, earlier, first)) if *earlier != value => {
                conflict(found, *at, *other, format!("`{first}` and `{rule}` want the same position"));
            }
            Some(_) => {}
            None => {
                pins.insert(*position, (*at, value, rule));
            }
        }
    }
    for (at, rule) in rules {
        let (window, most) = match rule {
            Constraint::MaxShare { max, per, .. } => (*per, *max),
            Constraint::MinGap { gap, .. } => (gap + 1, 1),
            _ => continue,
        };
        let counts = |value: &FacetValue| rule.value().is_none_or(|only| only == value);
        let bound = rule.top().unwrap_or(u32::MAX);
        for (start, (_, value, _)) in &pins {
            let inside: Vec<usize> = pins
                .range(start..&start.saturating_add(window).min(bound.max(*start)))
                .filter(|(_, (_, other, _))| other == value)
                .map(|(_, (pin, ..))| *pin)
                .collect();
            if counts(value) && inside.len() as u32 > most {
                let last = inside.iter().copied().max().unwrap_or(*at);
                let why = format!(
                    "{} items with {}={value} are pinned among {window} positions, and `{rule}` lets {most} through",
                    inside.len(),
                    rule.facet()
                );
                conflict(found, *at, last, why);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(rules: &[&str]) -> Vec<String> {
        let rules: Vec<Constraint> = rules.iter().map(|toml| toml::from_str(&toml.replace("; ", "\n")).unwrap()).collect();
        assert!(rules.iter().all(|rule| rule.fault().is_none()));
        conflicts(&rules).into_iter().map(|conflict| format!("{}: {}", conflict.at, conflict.why)).collect()
    }

    #[test]
    fn contradictions_are_told_with_their_arithmetic() {
        let left = "kind='min_share'; facet='viewpoint'; value='left'; min=6; per=10";
        for (rules, expected) in [
            (
                vec![left, "kind='max_share'; facet='viewpoint'; max=2; per=5"],
                "1: `min_share viewpoint=left 6/10` asks for 6 among 10, and `max_share viewpoint 2/5` lets at most 4 through",
            ),
            (
                vec![left, "kind='min_gap'; facet='viewpoint'; gap=1"],
                "1: `min_share viewpoint=left 6/10` asks for 6 among 10, and `min_gap viewpoint 1` lets at most 5 through",
            ),
            (
                vec![left, "kind='min_share'; facet='viewpoint'; value='right'; min=3; per=5"],
                "1: `min_share viewpoint=left 6/10`, `min_share viewpoint=right 3/5` together need 12 of 10 positions",
            ),
            (
                vec![left, "kind='min_distinct'; facet='viewpoint'; min=6; per=10"],
                "1: `min_distinct viewpoint 6/10` asks for 6 values among 10, and the min_share rules leave room for 5",
            ),
            (
                vec!["kind='pin'; facet='topic'; value='a'; position=3", "kind='pin'; facet='topic'; value='b'; position=3"],
                "1: `pin topic=a at 3` and `pin topic=b at 3` want the same position",
            ),
            (
                vec![
                    "kind='pin'; facet='topic'; value='a'; position=3",
                    "kind='pin'; facet='topic'; value='a'; position=5",
                    "kind='min_gap'; facet='topic'; gap=2",
                ],
                "2: 2 items with topic=a are pinned among 3 positions, and `min_gap topic 2` lets 1 through",
            ),
        ] {
            assert_eq!(told(&rules), [expected]);
        }
        for sound in [
            vec![left, "kind='max_share'; facet='viewpoint'; max=3; per=5"],
            vec![left, "kind='max_share'; facet='viewpoint'; value='right'; max=1; per=5"],
            vec![left, "kind='max_share'; facet='creator'; max=1; per=10"],
            vec![left, "kind='min_gap'; facet='viewpoint'; gap=9; top=2"],
            vec![left, "kind='min_share'; facet='viewpoint'; value='right'; min=2; per=5"],
            vec![
                "kind='pin'; facet='topic'; value='a'; position=3",
                "kind='pin'; facet='topic'; value='a'; position=6",
                "kind='min_gap'; facet='topic'; gap=2",
            ],
        ] {
            assert_eq!(told(&sound), [""; 0]);
        }
    }

    const VALUES: [&str; 3] = ["a", "b", "c"];
    const POSITIONS: usize = 8;

    fn any_rule() -> impl Strategy<Value = Constraint> {
        let value = || proptest::sample::select(&VALUES).prop_map(FacetValue::from);
        let top = || proptest::option::of(2..=8_u32);
        let facet = Facet::Topic;
        let rules = prop_oneof![
            (proptest::option::of(value()), 1..4_u32, 2..6_u32, top()).prop_map(move |(value, max, per, top)| Constraint::MaxShare {
                facet,
                value,
                max,
                per,
                top
            }),
            // Blocks that come out even on the page: what can be held on it can then be held on any longer one.
            (value(), 1..5_u32, proptest::sample::select(&[1, 2, 4, 8_u32]), top())
                .prop_map(move |(value, min, per, top)| Constraint::MinShare { facet, value, min, per, top }),
            (1..4_u32, top()).prop_map(move |(gap, top)| Constraint::MinGap { facet, gap, top }),
            (2..6_u32, proptest::sample::select(&[2, 4, 8_u32]), top()).prop_map(move |(min, per, top)| Constraint::MinDistinct {
                facet,
                min,
                per,
                top
            }),
            (value(), 0..8_u32).prop_map(move |(value, position)| Constraint::Pin { facet, value, position }),
        ];
        rules.prop_filter("in range", |rule| rule.fault().is_none())
    }

    /// The rule, word by word, on a page of [`POSITIONS`].
    fn holds(rule: &Constraint, page: &[&str]) -> bool {
        let reach = page.len().min(rule.top().map_or(usize::MAX, |top| top as usize));
        let count = |range: std::ops::Range<usize>, value: &str| page[range].iter().filter(|v| **v == value).count() as u32;
        let blocks = |per: u32| (0..reach / per as usize).map(move |block| block * per as usize..(block + 1) * per as usize);
        match rule {
            Constraint::MaxShare { value, max, per, .. } => (0..reach).all(|start| {
                let window = start..reach.min(start + *per as usize);
                let mut values = VALUES.iter().chain(&MORE).filter(|v| value.as_ref().is_none_or(|only| &**only == **v));
                values.all(|v| count(window.clone(), v) <= *max)
            }),
            Constraint::MinShare { value, min, per, .. } => blocks(*per).all(|block| count(block, value) >= *min),
            Constraint::MinGap { gap, .. } => (0..reach).all(|start| count(start..reach.min(start + *gap as usize + 1), page[start]) <= 1),
            Constraint::MinDistinct { min, per, .. } => blocks(*per).all(|block| {
                let values: std::collections::BTreeSet<&str> = page[block].iter().copied().collect();
                values.len() as u32 >= *min
            }),
            Constraint::Cap { .. } => true,
            Constraint::Pin { value, position, .. } => page.get(*position as usize).is_none_or(|v| *v == &**value),
        }
    }

    /// Values no rule names: a catalogue has plenty.
    const MORE: [&str; 5] = ["d", "e", "f", "g", "h"];

    fn can_hold(rules: &[Constraint], page: &mut Vec<&'static str>) -> bool {
        if page.len() == POSITIONS {
            return rules.iter().all(|rule| holds(rule, page));
        }
        // Values that no rule names are alike: the first unused one stands for them all.
        let fresh = MORE.iter().position(|v| !page.contains(v)).map_or(MORE.len(), |at| at + 1);
        VALUES.iter().chain(&MORE[..fresh]).any(|value| {
            page.push(value);
            let can = can_hold(rules, page);
            page.pop();
            can
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_told_no_page_can_keep(rules in proptest::collection::vec(any_rule(), 2..4)) {
            if !conflicts(&rules).is_empty() {
                prop_assert!(!can_hold(&rules, &mut Vec::new()), "{rules:?}");
            }
        }
    }
}
