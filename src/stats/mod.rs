//! Statistics that may be looked at as often as one likes: intervals and tests that hold at every moment at once.
//!
//! An ordinary 95 % interval holds at one sample size, fixed beforehand; who looks daily and stops at the first interval
//! without 0 is wrong far more often than in 5 % of cases. Here *at any time* is part of the promise: the chance that an
//! interval **ever** leaves out the truth is at most `alpha`, however often and for whatever reason somebody looks or stops.
//!
//! | file | for | holds |
//! |---|---|---|
//! | [`bounded`] | the mean of values in [0, 1] | from the first value on, whatever their distribution |
//! | [`asymptotic`] | means and differences of means | once there are some hundred units; narrower |
//! | [`allocation`] | whether people came into arms as they should | from the first unit on |
//!
//! One value per *unit* (a person, a visit): values of one person are alike, so a unit counts once. All pure.

pub mod allocation;
pub mod asymptotic;
pub mod bounded;
#[cfg(test)]
mod tests;

pub use allocation::MismatchTest;
pub use asymptotic::{Moments, difference, mean};
pub use bounded::MeanSequence;

/// Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub lower: f64,
    pub upper: f64,
}

impl Interval {
    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }
}
