//! The chance of every candidate of a draw, under any way of drawing.

use crate::{
    domain::policy::{Explore, ExploreMethod},
    rank::explore::{self, Arm},
};

/// Standard deviations to both sides that are integrated over.
const SPREAD: f64 = 8.0;
/// Points of the grid per standard deviation of the surest candidate: the trapezoidal rule's error is then below 1e-8.
const POINTS_PER_DEVIATION: f64 = 2.0;
/// Most points of a shared grid; candidates that are surer than it is fine are integrated one by one.
const MAX_POINTS: usize = 8_192;

/// As [`explore::propensities`], fast enough for every draw of a journal: those of Thompson sampling in one pass over all candidates.
pub fn chances(arms: &[Arm], explore: &Explore) -> Vec<f64> {
    match explore.method {
        ExploreMethod::Thompson => thompson(arms).unwrap_or_else(|| explore::propensities(arms, explore)),
        ExploreMethod::Epsilon | ExploreMethod::Softmax => explore::propensities(arms, explore),
    }
}

/// A posterior that `count` candidates share.
struct Group {
    mean: f64,
    deviation: f64,
    count: i32,
    chance: f64,
}

/// `∫ φᵢ(x) Π_{j≠i} Φⱼ(x) dx` for all i on one grid. `None`: the grid would be too fine.
fn thompson(arms: &[Arm]) -> Option<Vec<f64>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of = Vec::with_capacity(arms.len());
    for Arm { mean, deviation, .. } in arms {
        let at = groups.iter().position(|group| group.mean == *mean && group.deviation == *deviation);
        let at = at.unwrap_or_else(|| {
            groups.push(Group { mean: *mean, deviation: *deviation, count: 0, chance: 0.0 });
            groups.len() - 1
        });
        groups[at].count += 1;
        group_of.push(at);
    }
    let over = |of: &dyn Fn(&Group) -> f64, pick: fn(f64, f64) -> f64, start| groups.iter().map(of).fold(start, pick);
    let low = over(&|g| g.mean - SPREAD * g.deviation, f64::min, f64::MAX);
    let high = over(&|g| g.mean + SPREAD * g.deviation, f64::max, f64::MIN);
    let step = over(&|g| g.deviation, f64::min, f64::MAX) / POINTS_PER_DEVIATION;
    let points = ((high - low) / step).ceil();
    if points.is_nan() || points > MAX_POINTS as f64 {
        return None;
    }
    // All candidates of a group but one, and products of whole groups before and after it.
    let (mut below, mut before) = (vec![0.0; groups.len()], vec![1.0; groups.len() + 1]);
    for point in 0..=points as usize {
        let x = low + step * point as f64;
        for (n, group) in groups.iter().enumerate() {
            below[n] = 0.5 * libm::erfc((group.mean - x) / (group.deviation * std::f64::consts::SQRT_2));
            before[n + 1] = before[n] * below[n].powi(group.count);
        }
        let mut after = 1.0;
        for (n, group) in groups.iter_mut().enumerate().rev() {
            let z = (x - group.mean) / group.deviation;
            let density = (-z * z / 2.0).exp() / (group.deviation * std::f64::consts::TAU.sqrt());
            group.chance += step * density * below[n].powi(group.count - 1) * before[n] * after;
            after *= below[n].powi(group.count);
        }
    }
    Some(group_of.into_iter().map(|at| groups[at].chance.clamp(f64::MIN_POSITIVE, 1.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Policy;

    #[test]
    fn one_pass_gives_the_chances_of_the_draws() {
        let explore = Explore { method: ExploreMethod::Thompson, ..Policy::default().explore };
        let arm = |mean, deviation| Arm { relevance: 0.5, mean, deviation };
        let cases = [
            vec![arm(0.1, 0.09)],
            vec![arm(0.1, 0.09); 40],
            vec![arm(0.3, 0.01), arm(0.05, 0.01), arm(0.1, 0.09)],
            (0..60).map(|n| arm(0.05 + 0.002 * f64::from(n), 0.01 + 0.001 * f64::from(n % 7))).collect(),
            vec![arm(0.2, 0.05), arm(0.2, 0.000_001)],
        ];
        for arms in cases {
            let (got, exact) = (chances(&arms, &explore), explore::propensities(&arms, &explore));
            assert!((got.iter().sum::<f64>() - 1.0).abs() < 1e-3, "{got:?}");
            for (got, exact) in got.iter().zip(&exact) {
                assert!((got - exact).abs() <= 1e-4 * exact.max(1e-6) + 1e-9, "{got} {exact}");
            }
        }
    }
}
