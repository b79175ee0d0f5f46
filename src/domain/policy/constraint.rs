//! Hard rules on the slate.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::check::Faults;
use crate::domain::Facet;

/// Most constraints in one policy.
pub const MAX_CONSTRAINTS: usize = 16;

/// A hard rule on the slate. Holds across page boundaries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Constraint {
    /// At most `max` items of one facet value in any `per` consecutive positions. 1 ≤ max < per ≤ 100.
    MaxShare { facet: Facet, max: u32, per: u32 },
    /// At least `gap` other items between two items of one facet value. 1 ≤ gap ≤ 99.
    MinGap { facet: Facet, gap: u32 },
    /// At least `min` facet values in every block of `per` positions, counted from 0. 2 ≤ min ≤ per ≤ 100.
    MinDistinct { facet: Facet, min: u32, per: u32 },
}

impl Constraint {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MaxShare { .. } => "max_share",
            Self::MinGap { .. } => "min_gap",
            Self::MinDistinct { .. } => "min_distinct",
        }
    }

    pub const fn facet(&self) -> Facet {
        match self {
            Self::MaxShare { facet, .. } | Self::MinGap { facet, .. } | Self::MinDistinct { facet, .. } => *facet,
        }
    }
}

impl fmt::Display for Constraint {
    /// `max_share creator 2/10`, `min_gap topic 1`, `min_distinct topic 4/20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxShare { facet, max, per } => write!(f, "max_share {facet} {max}/{per}"),
            Self::MinGap { facet, gap } => write!(f, "min_gap {facet} {gap}"),
            Self::MinDistinct { facet, min, per } => write!(f, "min_distinct {facet} {min}/{per}"),
        }
    }
}

/// Faults of a list of constraints.
pub(super) fn check(constraints: &[Constraint], faults: &mut Faults) {
    if constraints.len() > MAX_CONSTRAINTS {
        faults.add("constraint", format!("has {} entries; at most {MAX_CONSTRAINTS}", constraints.len()));
    }
    for (index, constraint) in constraints.iter().enumerate() {
        let detail = match *constraint {
            Constraint::MaxShare { max, per, .. } if max < 1 || max >= per || per > 100 => {
                format!("max = {max}, per = {per}; expected 1 ≤ max < per ≤ 100")
            }
            Constraint::MinGap { gap, .. } if !(1..=99).contains(&gap) => format!("gap = {gap}; expected 1 to 99"),
            Constraint::MinDistinct { min, per, .. } if min < 2 || min > per || per > 100 => {
                format!("min = {min}, per = {per}; expected 2 ≤ min ≤ per ≤ 100")
            }
            _ => continue,
        };
        faults.add(&format!("constraint[{index}] ({})", constraint.kind()), detail);
    }
}
