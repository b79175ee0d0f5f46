//! Hard rules on the slate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::check::{Faults, Rule};
use crate::domain::{
    Facet, FacetValue,
    facet::MAX_FACET_VALUE_BYTES,
    feed::{MAX_PAGE_ITEMS, MAX_POOL},
};

/// Most constraints in one policy.
pub const MAX_CONSTRAINTS: usize = 16;
/// Longest window or block, in positions.
const MAX_PER: u32 = MAX_PAGE_ITEMS as u32;

/// A hard rule on the slate. Holds across page boundaries.
///
/// An item counts under one value per facet (topic: its heaviest). `top` binds a rule among the first `top` positions of
/// the feed only (1 to 5,000); a block binds when all of it lies there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Constraint {
    /// At most `max` items of one facet value in any `per` consecutive positions: of each value, or of `value` alone.
    /// 1 ≤ max < per ≤ 100, max < top.
    MaxShare {
        facet: Facet,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        value: Option<FacetValue>,
        max: u32,
        per: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<u32>,
    },
    /// At least `min` items with `value` in every block of `per` positions, counted from 0. 1 ≤ min ≤ per ≤ 100, per ≤ top.
    MinShare {
        facet: Facet,
        value: FacetValue,
        min: u32,
        per: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<u32>,
    },
    /// At least `gap` other items between two items of one facet value. 1 ≤ gap ≤ 99, 2 ≤ top.
    MinGap {
        facet: Facet,
        gap: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<u32>,
    },
    /// At least `min` facet values in every block of `per` positions, counted from 0. 2 ≤ min ≤ per ≤ 100, per ≤ top.
    MinDistinct {
        facet: Facet,
        min: u32,
        per: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        top: Option<u32>,
    },
    /// The item at `position` (0-based, 0 to 4,999) has `value`.
    Pin { facet: Facet, value: FacetValue, position: u32 },
    /// Against rabbit holes: at most `max` items that have any of `topics`, as their heaviest or not, in any `per` consecutive
    /// positions. 1 ≤ max < per ≤ 100; 1 to 64 topics. With `rolling_share`, in (0, 1), none at all while the topics make up that much
    /// of what the reader was shown lately. `liftable`: the reader may say otherwise, unless they are a minor.
    Cap {
        topics: Vec<FacetValue>,
        max: u32,
        per: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rolling_share: Option<f32>,
        #[serde(default = "always", skip_serializing_if = "is_true")]
        liftable: bool,
    },
}

/// Most topics of one cap.
pub const MAX_CAP_TOPICS: usize = 64;

const fn always() -> bool {
    true
}

const fn is_true(flag: &bool) -> bool {
    *flag
}

/// A group of items by name, and the share of positions it is promised or capped at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupShare<'a> {
    pub facet: Facet,
    pub value: &'a FacetValue,
    /// `min` or `max`.
    pub bound: &'static str,
    /// In (0, 1].
    pub ratio: f64,
}

impl Constraint {
    /// The share of positions it asks for, if it names a group.
    pub fn share(&self) -> Option<GroupShare<'_>> {
        let (facet, value, bound, count, per) = match self {
            Self::MaxShare { facet, value: Some(value), max, per, .. } => (*facet, value, "max", *max, *per),
            Self::MinShare { facet, value, min, per, .. } => (*facet, value, "min", *min, *per),
            _ => return None,
        };
        Some(GroupShare { facet, value, bound, ratio: f64::from(count) / f64::from(per) })
    }

    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MaxShare { .. } => "max_share",
            Self::MinShare { .. } => "min_share",
            Self::MinGap { .. } => "min_gap",
            Self::MinDistinct { .. } => "min_distinct",
            Self::Pin { .. } => "pin",
            Self::Cap { .. } => "cap",
        }
    }

    pub const fn facet(&self) -> Facet {
        match self {
            Self::MaxShare { facet, .. }
            | Self::MinShare { facet, .. }
            | Self::MinGap { facet, .. }
            | Self::MinDistinct { facet, .. }
            | Self::Pin { facet, .. } => *facet,
            Self::Cap { .. } => Facet::Topic,
        }
    }

    /// The value it names.
    pub const fn value(&self) -> Option<&FacetValue> {
        match self {
            Self::MaxShare { value, .. } => value.as_ref(),
            Self::MinShare { value, .. } | Self::Pin { value, .. } => Some(value),
            Self::MinGap { .. } | Self::MinDistinct { .. } | Self::Cap { .. } => None,
        }
    }

    /// It binds among the first so many positions only.
    pub const fn top(&self) -> Option<u32> {
        match self {
            Self::MaxShare { top, .. } | Self::MinShare { top, .. } | Self::MinGap { top, .. } | Self::MinDistinct { top, .. } => *top,
            Self::Pin { .. } | Self::Cap { .. } => None,
        }
    }

    /// What is out of range, with what is expected.
    pub fn fault(&self) -> Option<String> {
        match *self {
            Self::Cap { ref topics, .. } if topics.is_empty() || topics.len() > MAX_CAP_TOPICS => {
                return Some(format!("has {} topics; expected 1 to {MAX_CAP_TOPICS}", topics.len()));
            }
            Self::Cap { ref topics, .. } if topics.iter().any(|topic| topic.is_empty() || topic.len() > MAX_FACET_VALUE_BYTES) => {
                return Some(format!("names a topic that is empty or too long; expected 1 to {MAX_FACET_VALUE_BYTES} bytes each"));
            }
            Self::Cap { rolling_share: Some(share), .. } if !(share > 0.0 && share < 1.0) => {
                return Some(format!("rolling_share = {share}; expected a number above 0 and below 1"));
            }
            Self::MaxShare { max, per, .. } | Self::Cap { max, per, .. } if max < 1 || max >= per || per > MAX_PER => {
                return Some(format!("max = {max}, per = {per}; expected 1 ≤ max < per ≤ {MAX_PER}"));
            }
            Self::MinShare { min, per, .. } if min < 1 || min > per || per > MAX_PER => {
                return Some(format!("min = {min}, per = {per}; expected 1 ≤ min ≤ per ≤ {MAX_PER}"));
            }
            Self::MinGap { gap, .. } if !(1..MAX_PER).contains(&gap) => {
                return Some(format!("gap = {gap}; expected 1 to {}", MAX_PER - 1));
            }
            Self::MinDistinct { min, per, .. } if min < 2 || min > per || per > MAX_PER => {
                return Some(format!("min = {min}, per = {per}; expected 2 ≤ min ≤ per ≤ {MAX_PER}"));
            }
            Self::Pin { position, .. } if position as usize >= MAX_POOL => {
                return Some(format!("position = {position}; expected 0 to {}", MAX_POOL - 1));
            }
            _ => {}
        }
        if self.value().is_some_and(|value| value.is_empty() || value.len() > MAX_FACET_VALUE_BYTES) {
            return Some(format!("value has {} bytes; expected 1 to {MAX_FACET_VALUE_BYTES}", self.value().map_or(0, |v| v.len())));
        }
        // Below this the rule could never bind.
        let least = match *self {
            Self::MaxShare { max, .. } => max + 1,
            Self::MinShare { per, .. } | Self::MinDistinct { per, .. } => per,
            Self::MinGap { .. } | Self::Pin { .. } | Self::Cap { .. } => 2,
        };
        let top = self.top().filter(|top| !(least..=MAX_POOL as u32).contains(top))?;
        Some(format!("top = {top}; expected {least} to {MAX_POOL}"))
    }
}

impl fmt::Display for Constraint {
    /// `max_share creator 2/10`, `max_share source=wire 1/5`, `min_share viewpoint=left 2/10 top 20`, `min_gap topic 1`,
    /// `min_distinct topic 4/20`, `pin format=video at 0`, `cap topic dieting, weight-loss 1/10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.facet())?;
        if let Some(value) = self.value() {
            write!(f, "={value}")?;
        }
        match self {
            Self::MaxShare { max: count, per, .. } | Self::MinShare { min: count, per, .. } | Self::MinDistinct { min: count, per, .. } => {
                write!(f, " {count}/{per}")?;
            }
            Self::MinGap { gap, .. } => write!(f, " {gap}")?,
            Self::Pin { position, .. } => write!(f, " at {position}")?,
            Self::Cap { topics, max, per, .. } => write!(f, " {} {max}/{per}", topics.join(", "))?,
        }
        self.top().map_or(Ok(()), |top| write!(f, " top {top}"))
    }
}

/// Faults of a list of constraints.
pub(super) fn check(constraints: &[Constraint], faults: &mut Faults) {
    if constraints.len() > MAX_CONSTRAINTS {
        faults.add(Rule::Count, "constraint", format!("has {} entries; at most {MAX_CONSTRAINTS}", constraints.len()));
    }
    for (index, constraint) in constraints.iter().enumerate() {
        if let Some(detail) = constraint.fault() {
            faults.add(Rule::Constraint, &format!("constraint[{index}] ({})", constraint.kind()), detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<Constraint, String> {
        toml::from_str(toml).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// One line of TOML per rule, what it is called, and the same rule out of range with what is said.
    const RULES: &[(&str, &str, &str, &str)] = &[
        ("kind='max_share'\nfacet='creator'\nmax=2\nper=10", "max_share creator 2/10", "per=2", "max = 2, per = 2"),
        (
            "kind='max_share'\nfacet='source'\nvalue='wire'\nmax=2\nper=10\ntop=3",
            "max_share source=wire 2/10 top 3",
            "top=2",
            "top = 2; expected 3 to 5000",
        ),
        (
            "kind='min_share'\nfacet='viewpoint'\nvalue='left'\nmin=2\nper=10\ntop=10",
            "min_share viewpoint=left 2/10 top 10",
            "top=9",
            "top = 9; expected 10 to 5000",
        ),
        ("kind='min_share'\nfacet='viewpoint'\nvalue='left'\nmin=2\nper=10", "min_share viewpoint=left 2/10", "min=0", "min = 0, per = 10"),
        (
            "kind='min_share'\nfacet='viewpoint'\nvalue='left'\nmin=2\nper=10",
            "min_share viewpoint=left 2/10",
            "value=''",
            "value has 0 bytes",
        ),
        ("kind='min_gap'\nfacet='topic'\ngap=99\ntop=20", "min_gap topic 99 top 20", "gap=100", "gap = 100; expected 1 to 99"),
        ("kind='min_gap'\nfacet='topic'\ngap=1", "min_gap topic 1", "top=5001", "top = 5001; expected 2 to 5000"),
        ("kind='min_distinct'\nfacet='topic'\nmin=4\nper=20", "min_distinct topic 4/20", "per=101", "min = 4, per = 101"),
        (
            "kind='pin'\nfacet='format'\nvalue='video'\nposition=0",
            "pin format=video at 0",
            "position=5000",
            "position = 5000; expected 0 to 4999",
        ),
        ("kind='cap'\ntopics=['dieting','weight-loss']\nmax=1\nper=10", "cap topic dieting, weight-loss 1/10", "per=1", "max = 1, per = 1"),
        ("kind='cap'\ntopics=['dieting']\nmax=1\nper=10", "cap topic dieting 1/10", "topics=[]", "has 0 topics; expected 1 to 64"),
        (
            "kind='cap'\ntopics=['dieting']\nmax=1\nper=10\nrolling_share=0.1\nliftable=false",
            "cap topic dieting 1/10",
            "rolling_share=1.0",
            "rolling_share = 1; expected a number above 0",
        ),
    ];

    #[test]
    fn every_kind_is_read_named_written_and_held_to_its_range() {
        for (toml, name, wrong, said) in RULES {
            let rule = read(toml).unwrap();
            assert_eq!(rule.to_string(), *name);
            assert_eq!(read(&toml::to_string(&rule).unwrap()).unwrap(), rule);
            assert_eq!(rule.fault(), None, "{name}");
            let key = wrong.split('=').next().unwrap();
            let others = toml.lines().filter(|line| line.split('=').next() != Some(key));
            let fault = read(&others.chain([*wrong]).collect::<Vec<_>>().join("\n")).unwrap().fault();
            assert!(fault.as_ref().is_some_and(|fault| fault.contains(said)), "{name} with {wrong}: {fault:?}");
        }
    }

    #[test]
    fn keys_are_strict() {
        assert!(read("kind='min_gap'\nfacet='topic'\ngap=1\nper=3").unwrap_err().contains("unknown field `per`"));
        assert!(read("kind='pin'\nfacet='format'\nvalue='video'\nposition=0\ntop=3").unwrap_err().contains("unknown field `top`"));
        assert!(read("kind='min_share'\nfacet='format'\nmin=1\nper=3").unwrap_err().contains("missing field `value`"));
    }
}
