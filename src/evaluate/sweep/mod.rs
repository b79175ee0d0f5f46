//! Sweeps: one or several knobs turned through their values on one replay, and what each setting gives and costs.

pub mod front;
pub mod knob;
pub mod picture;

pub use front::Point;
pub use knob::{Knob, Setting, settings};
pub use picture::Picture;

use serde::Serialize;

use super::{Measure, Measured};

/// What no setting may break. Settings that do are drawn and no choice: they are not on the front.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Guardrails {
    /// In [0, 1].
    pub relevance_kept_min: f64,
    /// In [0, 1].
    pub ild_min: f64,
}

impl Guardrails {
    fn hold(&self, measured: &Measured) -> bool {
        let value = |measure| measured.value(measure).value;
        value(Measure::RelevanceKept) >= self.relevance_kept_min && value(Measure::Ild) >= self.ild_min
    }
}

/// What the settings of a sweep look like against each other. Indices are places in the list that was judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Judgement {
    /// Settings that hold the guardrails.
    pub admissible: Vec<usize>,
    /// The Pareto front of the admissible ones, by rising diversity.
    pub front: Vec<usize>,
    /// Of each on the front, how far it bulges ([`front::bulges`]).
    pub bulges: Vec<f64>,
    /// Its knee.
    pub knee: Option<usize>,
    /// The front and the knee there would be without guardrails.
    pub front_of_all: Vec<usize>,
    pub knee_of_all: Option<usize>,
}

impl Judgement {
    /// Judges settings by intra-list diversity and `relevance`, one of the measures of it.
    pub fn new(measured: &[Measured], relevance: Measure, guardrails: &Guardrails) -> Self {
        let points: Vec<Point> = measured.iter().map(|measured| point(measured, relevance)).collect();
        let admissible: Vec<usize> = (0..measured.len()).filter(|n| guardrails.hold(&measured[*n])).collect();
        let chosen = |among: &[usize]| {
            let candidates: Vec<Point> = among.iter().map(|n| points[*n]).collect();
            let on_front: Vec<usize> = front::front(&candidates).into_iter().map(|n| among[n]).collect();
            let line: Vec<Point> = on_front.iter().map(|n| points[*n]).collect();
            let knee = front::knee(&line).map(|n| on_front[n]);
            (on_front, front::bulges(&line), knee)
        };
        let (front, bulges, knee) = chosen(&admissible);
        let (front_of_all, _, knee_of_all) = chosen(&(0..measured.len()).collect::<Vec<_>>());
        Self { admissible, front, bulges, knee, front_of_all, knee_of_all }
    }
}

/// Where a policy is on the plane of diversity and relevance.
pub fn point(measured: &Measured, relevance: Measure) -> Point {
    Point { diversity: measured.value(Measure::Ild).value, relevance: measured.value(relevance).value }
}
