//! One turn of the dial from end to end, and how alive it is.

use polyphony::domain::Policy;

use super::{Means, Pools, World};

/// Steps of the dial: 0, 0.1 … 1.
pub const STEPS: usize = 11;
/// Steps that make a stretch of 0.2.
const STRETCH: usize = 2;
/// Of the whole range of ILD: a step that gains no more than this does not rise.
const RISE: f64 = 0.005;

/// What each step of the dial gives.
pub struct Sweep([Means; STEPS]);

impl Sweep {
    pub fn new(world: &World, pools: &Pools, policy: &Policy) -> Self {
        Self(std::array::from_fn(|step| world.measure(pools, policy, Self::diversity(step))))
    }

    pub fn diversity(step: usize) -> f32 {
        step as f32 / (STEPS - 1) as f32
    }

    pub fn steps(&self) -> impl Iterator<Item = (f32, &Means)> {
        self.0.iter().enumerate().map(|(step, means)| (Self::diversity(step), means))
    }

    /// Where the dial first has this ILD, and the means there, on a straight line between two steps. `None` when it never has.
    pub fn at_ild(&self, ild: f64) -> Option<(f64, Means)> {
        let (step, pair) = self.0.windows(2).enumerate().find(|(_, pair)| pair[0].ild <= ild && ild < pair[1].ild)?;
        let part = (ild - pair[0].ild) / (pair[1].ild - pair[0].ild);
        Some(((step as f64 + part) / (STEPS - 1) as f64, Means::between(&pair[0], &pair[1], part)))
    }

    /// Greatest ILD less the least.
    pub fn range(&self) -> f64 {
        let ild = || self.0.iter().map(|means| means.ild);
        ild().fold(f64::MIN, f64::max) - ild().fold(f64::MAX, f64::min)
    }

    /// Share of the steps over which ILD rises by more than 0.5 % of its whole range.
    pub fn rising(&self) -> f64 {
        let rises = self.0.windows(2).filter(|pair| pair[1].ild - pair[0].ild > RISE * self.range()).count();
        rises as f64 / (STEPS - 1) as f64
    }

    /// The least that ILD gains over any stretch of 0.2, as a share of its whole range: 0.2 on a straight line, 0 where it is
    /// flat, negative where it falls.
    pub fn flattest(&self) -> f64 {
        let gains = self.0.windows(STRETCH + 1).map(|stretch| stretch[STRETCH].ild - stretch[0].ild);
        gains.fold(f64::MAX, f64::min) / self.range()
    }
}
