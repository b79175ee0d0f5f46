//! How sure a number is: intervals over people, who are the independent evidence; their feeds and positions are not.

pub mod bootstrap;
pub mod clustered;

use serde::Serialize;

/// Share of the intervals that are to contain the truth.
pub const CONFIDENCE: f64 = 0.95;

/// A number with the ends of its 95 % interval, which holds at the one time it is looked at: `stats` has those that always hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    pub value: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Estimate {
    /// `value` ± `half`.
    pub fn around(value: f64, half: f64) -> Self {
        Self { value, lower: value - half, upper: value + half }
    }

    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Half the width.
    pub fn half(&self) -> f64 {
        (self.upper - self.lower) / 2.0
    }
}

/// The 97.5 % quantile of Student's t with `freedom` ≥ 1 degrees of freedom, to 1 in 1,000 from 3 on.
///
/// The Cornish–Fisher expansion around the normal quantile (Hill, Communications of the ACM 1970, algorithm 396); the first
/// two by their closed forms.
pub fn student_t_975(freedom: usize) -> f64 {
    /// Of the normal distribution.
    const Z: f64 = 1.959_963_984_540_054;
    match freedom {
        0 | 1 => 12.706_204_736,
        2 => 4.302_652_730,
        _ => {
            let v = freedom as f64;
            let (z3, z5, z7, z9) = (Z.powi(3), Z.powi(5), Z.powi(7), Z.powi(9));
            let first = (z3 + Z) / 4.0;
            let second = (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / 96.0;
            let third = (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / 384.0;
            let fourth = (79.0 * z9 + 776.0 * z7 + 1_482.0 * z5 - 1_920.0 * z3 - 945.0 * Z) / 92_160.0;
            Z + first / v + second / v.powi(2) + third / v.powi(3) + fourth / v.powi(4)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, quantile) in
            [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (120, 1.980), (100_000, 1.960)]
        {
            let got = student_t_975(freedom);
            assert!((got - quantile).abs() < 2e-3 * quantile, "{freedom}: {got}, not {quantile}");
        }
    }
}
