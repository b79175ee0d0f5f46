//! What a position of a diversified slate rests on, and how far a number may move before the slate changes.
//!
//! Both ask the diversifier itself and nothing that stands for it, so what they say is what it does.

use crate::rank::diversify::Diversifier;

/// Most halvings of a [`flip`]: more than an `f32` has bits to tell apart.
const MAX_HALVINGS: u32 = 32;

/// One ranked position: `objective = relevance_part + diversity_part`, exact to 1e-9.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Which candidate, by index into the pool: its 0-based rank by relevance alone.
    pub index: usize,
    pub objective: f64,
    /// `λ·relevance`.
    pub relevance_part: f64,
    /// What the method adds or takes for the items before it; for MMR `−(1 − λ)` times its similarity to them.
    pub diversity_part: f64,
    /// The best of the other candidates that could stand here; `None` when there was none to compare with.
    pub runner_up: Option<usize>,
    /// Objective above the runner-up's, ≥ 0.
    pub margin: Option<f64>,
    /// The most relevant candidate that could stand here; `None` when this one was the most relevant.
    pub displaces: Option<usize>,
}

impl Standing {
    /// Of `index`, about to be placed for its `objective`. `allowed`: whether a candidate could stand here too.
    pub(in crate::rank) fn new(
        diversifier: &mut Diversifier,
        (index, objective): (usize, f32),
        mut allowed: impl FnMut(usize) -> bool,
    ) -> Self {
        let second = diversifier.best(|other| other != index && allowed(other));
        let objective = f64::from(objective);
        let relevance_part = diversifier.relevance_part(index);
        Self {
            index,
            objective,
            relevance_part,
            diversity_part: objective - relevance_part,
            runner_up: second.map(|(other, _)| other),
            margin: second.map(|(_, below)| objective - f64::from(below)),
            displaces: (0..index).find(|other| allowed(*other)),
        }
    }
}

/// Where a change takes effect. Both ends were run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flip {
    /// The outcome still holds here.
    pub keeps: f32,
    /// It no longer holds here.
    pub flips: f32,
}

/// How far a number may go from `now` towards `end` while `holds`, to within `tolerance` (> 0) of the change that flips it.
///
/// `holds` runs the ranking again with the number it is given. `None` when it does not hold now, holds at the end as well,
/// or the ends do not come within `tolerance` in [`MAX_HALVINGS`]. Where it holds again further on, one crossing is found.
pub fn flip(now: f32, end: f32, tolerance: f32, mut holds: impl FnMut(f32) -> bool) -> Option<Flip> {
    if !holds(now) || holds(end) {
        return None;
    }
    let mut found = Flip { keeps: now, flips: end };
    for _ in 0..MAX_HALVINGS {
        if (found.flips - found.keeps).abs() <= tolerance * (found.flips - now).abs() {
            return Some(found);
        }
        let middle = f32::midpoint(found.keeps, found.flips);
        *(if holds(middle) { &mut found.keeps } else { &mut found.flips }) = middle;
    }
    None
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::{
        domain::{
            Policy,
            policy::{Aggregate, Diversify, Method},
        },
        rank::{
            View,
            diversify::{Evaluation, Problem, diversity_of},
        },
    };

    const RELEVANCE: [f32; 4] = [0.90, 0.85, 0.70, 0.50];
    /// Similarities of p1, p2, s1 and c1.
    const SIMILAR: [[f64; 4]; 4] = [[1.0, 0.9, 0.1, 0.2], [0.9, 1.0, 0.1, 0.1], [0.1, 0.1, 1.0, 0.2], [0.2, 0.1, 0.2, 1.0]];
    /// Embeddings are halves: their cosines differ from [`SIMILAR`] by less than this.
    const ROUNDING: f64 = 1e-3;

    /// Vectors with the dot products [`SIMILAR`]: its Cholesky factor.
    fn vectors() -> Vec<Vec<f16>> {
        let mut factor = [[0.0f64; 4]; 4];
        for i in 0..4 {
            for j in 0..=i {
                let rest = SIMILAR[i][j] - (0..j).map(|k| factor[i][k] * factor[j][k]).sum::<f64>();
                factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
            }
        }
        factor.iter().map(|row| row.iter().map(|x| f16::from_f64(*x)).collect()).collect()
    }

    fn run(relevance: &[f32], diversity: impl Fn(&Diversify) -> f32) -> Vec<Standing> {
        let mut diversify = Policy::default().diversify;
        (diversify.method, diversify.aggregate, diversify.window) = (Method::Mmr, Aggregate::Max, 0);
        let vectors = vectors();
        let view = View::of_vectors(vectors.iter().map(Vec::as_slice));
        let problem = Problem {
            view: &view,
            diversify: &diversify,
            diversity: diversity(&diversify),
            slate: 4,
            slots: 4,
            evaluation: Evaluation::Lazy,
        };
        let mut diversifier = Diversifier::new(&problem, relevance, None);
        let mut open = vec![true; relevance.len()];
        let mut slate = Vec::new();
        while let Some(best) = diversifier.best(|_| true) {
            slate.push(Standing::new(&mut diversifier, best, |index| open[index]));
            open[best.0] = false;
            diversifier.place(best.0);
        }
        slate
    }

    fn at_lambda(lambda: f32) -> Vec<Standing> {
        run(&RELEVANCE, |diversify| diversity_of(diversify, lambda))
    }

    #[test]
    fn a_slate_rests_on_the_parts_worked_out_by_hand() {
        let expected = [
            (0, 0.63, 0.0, Some(1), Some(0.63 - 0.595), None),
            (2, 0.49, -0.03, Some(1), Some(0.46 - 0.325), Some(1)),
            (1, 0.595, -0.27, Some(3), Some(0.325 - 0.29), None),
            (3, 0.35, -0.06, None, None, None),
        ];
        let near = |a: f64, b: f64| (a - b).abs() < ROUNDING;
        let slate = at_lambda(0.7);
        assert_eq!(slate.len(), expected.len());
        for (got, (index, relevance, diversity, runner_up, margin, displaces)) in slate.iter().zip(expected) {
            assert_eq!((got.index, got.runner_up, got.displaces), (index, runner_up, displaces));
            assert!(near(got.relevance_part, relevance) && near(got.diversity_part, diversity), "{got:?}");
            assert!((got.relevance_part + got.diversity_part - got.objective).abs() < 1e-9);
            assert_eq!(got.margin.is_some(), margin.is_some());
            assert!(got.margin.zip(margin).is_none_or(|(a, b)| near(a, b)), "{got:?}");
        }
    }

    #[test]
    fn the_dial_and_the_relevance_that_flip_a_place_are_found() {
        let dial = flip(0.7, 1.0, 1e-5, |lambda| at_lambda(lambda)[1].index == 2).expect("relevance alone puts p2 second");
        assert!((f64::from(dial.flips) - 0.842_105).abs() < ROUNDING, "{dial:?}");
        let with = |relevance: f32| run(&[0.90, 0.85, relevance, 0.50], |diversify| diversity_of(diversify, 0.7));
        let interest = flip(0.70, 0.5, 1e-5, |relevance| with(relevance)[1].index == 2).expect("p2 overtakes");
        assert!((f64::from(interest.flips) - 0.507_143).abs() < ROUNDING, "{interest:?}");
        for (found, second) in [(dial.keeps, 2), (dial.flips, 1)] {
            assert_eq!(at_lambda(found)[1].index, second);
        }
    }

    #[test]
    fn no_flip_is_claimed_that_was_not_seen() {
        assert_eq!(flip(0.0, 1.0, 0.01, |_| true), None);
        assert_eq!(flip(0.0, 1.0, 0.01, |_| false), None);
        assert_eq!(flip(0.0, 1.0, 0.0, |x| x < 1.0 / 3.0), None);
    }
}
